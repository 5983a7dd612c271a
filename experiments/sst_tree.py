"""TO BE WRITTEN"""

from jaxdl import Adam, Experiment, SoftmaxCrossEntropy, Training, TreeLSTM, Trees


def sst_tree() -> Experiment:
    """Returns the recipe."""
    return Experiment(
        name="sst_tree",
        data=Trees("trees", fallback="embedded"),
        model=TreeLSTM(features=64, embed=64, dropout=0.5),
        objective=SoftmaxCrossEntropy(),
        optimizer=Adam(learning_rate=2e-3),
        training=Training(epochs=6, batch_size=25, watch="validation/root_accuracy", final="best"),
        metrics=("accuracy", "root_accuracy"),
    )
