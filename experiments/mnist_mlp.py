"""Handwritten digits with a multilayer perceptron: 784-128-10, the first network of most texts.

    python launch.py --experiment=mnist_mlp

EXPECT
"""

from jaxdl import MLP, Adam, Cosine, Experiment, SoftmaxCrossEntropy, Tfds, Training


def mnist_mlp() -> Experiment:
    """Returns the recipe."""
    return Experiment(
        name="mnist_mlp",
        data=Tfds("mnist", validation=1 / 12),
        model=MLP(features=(128,)),
        objective=SoftmaxCrossEntropy(),
        optimizer=Adam(learning_rate=2e-3, schedule=Cosine()),
        training=Training(epochs=5, batch_size=32),
        metrics=("accuracy", "f1", "confusion"),
    )
