"""Handwritten digits with a small convolutional network: conv 32, pool, conv 64, pool, dense 10.

    python launch.py --experiment=mnist_cnn_small

EXPECT
"""

from jaxdl import CNN, Adam, Cosine, Experiment, SoftmaxCrossEntropy, Tfds, Training


def mnist_cnn_small() -> Experiment:
    """Returns the recipe."""
    return Experiment(
        name="mnist_cnn_small",
        data=Tfds("mnist", validation=1 / 12),
        model=CNN(features=(32, 64), pool_after=(1, 2), dense=()),
        objective=SoftmaxCrossEntropy(),
        optimizer=Adam(learning_rate=1e-3, schedule=Cosine()),
        training=Training(epochs=10, batch_size=32),
        metrics=("accuracy", "f1", "confusion"),
    )
