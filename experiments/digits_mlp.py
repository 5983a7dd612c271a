"""The 8x8 digits that come with scikit-learn, with a multilayer perceptron: no download, done in seconds.

    python launch.py --experiment=digits_mlp

EXPECT
"""

from jaxdl import MLP, Adam, Cosine, Digits, Experiment, SoftmaxCrossEntropy, Training


def digits_mlp() -> Experiment:
    """Returns the recipe."""
    return Experiment(
        name="digits_mlp",
        data=Digits(),
        model=MLP(features=(128,), dropout=0.2),
        objective=SoftmaxCrossEntropy(),
        optimizer=Adam(learning_rate=3e-3, schedule=Cosine()),
        training=Training(epochs=30, batch_size=32),
        metrics=("accuracy", "f1", "confusion"),
    )
