"""TO BE WRITTEN"""

from jaxdl import Adam, Experiment, SoftmaxCrossEntropy, Training, TreeLSTM, Trees


def sst_tree() -> Experiment:
    """Returns the recipe."""
    return Experiment(
        name="sst_tree",
        data=Trees("trees", fallback="embedded"),
        model=TreeLSTM(features=100, embed=100, dropout=0.5),
        objective=SoftmaxCrossEntropy(),
        optimizer=Adam(learning_rate=1e-3),
        training=Training(epochs=10, batch_size=25, watch="validation/root_accuracy", final="best"),
        metrics=("accuracy", "root_accuracy"),
    )
