"""Handwritten digits as sequences: an LSTM reads the 28 rows of an image and names the digit after the last.

    python launch.py --experiment=mnist_rnn

EXPECT
"""

from jaxdl import RNN, Adam, Cosine, Experiment, SoftmaxCrossEntropy, Tfds, Training


def mnist_rnn() -> Experiment:
    """Returns the recipe."""
    return Experiment(
        name="mnist_rnn",
        data=Tfds("mnist", validation=1 / 12),
        model=RNN(features=(128,), cell="lstm"),
        objective=SoftmaxCrossEntropy(),
        optimizer=Adam(learning_rate=3e-3, schedule=Cosine(), clip_norm=1.0),
        training=Training(epochs=10, batch_size=128),
        metrics=("accuracy", "f1", "confusion"),
    )
