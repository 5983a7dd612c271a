"""Handwritten digits with a convolutional network: conv 32, conv 64, max pool, dense 128, with dropout.

    python launch.py --experiment=mnist_cnn

EXPECT
"""

from jaxdl import CNN, AdamW, Cosine, Experiment, SoftmaxCrossEntropy, Tfds, Training


def mnist_cnn() -> Experiment:
    """Returns the recipe."""
    return Experiment(
        name="mnist_cnn",
        data=Tfds("mnist", validation=1 / 12),
        model=CNN(features=(32, 64), pool_after=(2,), dropout=0.25, dense=(128,), dense_dropout=0.5),
        objective=SoftmaxCrossEntropy(),
        optimizer=AdamW(learning_rate=2e-3, schedule=Cosine(warmup=0.05)),
        training=Training(epochs=10, batch_size=128),
        metrics=("accuracy", "f1", "confusion"),
    )
