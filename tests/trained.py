"""Trains one of a few small recipes as ``launch.py`` trains an experiment: for tests that stop and go on with it.

python -m tests.trained NAME --run_dir=DIR
"""

from __future__ import annotations

import sys
import time

import jax
from flax import linen as nn

import jaxdl
from jaxdl.backend.signals import end_process
from jaxdl.cli.options import Options
from jaxdl.cli.run import run
from jaxdl.errors import UserError
from jaxdl.fields import at_least, static
from jaxdl.models.layers import Convolution, Dropout, Normalize
from tests.experiments.twins import twin


class Residual(nn.Module):
    """A small residual network with batch statistics (He et al. 2016, "Deep residual learning").

    Attributes:
        channels: channels of each convolution.
        blocks: residual blocks.
        outputs: size of the last layer.
    """

    channels: int = static(8, "channels of each convolution", check=at_least(1))
    blocks: int = static(2, "residual blocks", check=at_least(1))
    outputs: int | None = static(None, "size of the last layer")

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        assert self.outputs is not None
        hidden = self._convolution("first", inputs)
        for number in range(self.blocks):
            inside = nn.relu(Normalize("batch", name=f"normalize_{number}_1")(hidden, train))
            inside = self._convolution(f"convolution_{number}_1", inside)
            inside = nn.relu(Normalize("batch", name=f"normalize_{number}_2")(inside, train))
            hidden = hidden + self._convolution(f"convolution_{number}_2", inside)
        hidden = Dropout(0.2, name="dropout")(hidden.mean((1, 2)), train)
        return nn.Dense(self.outputs, name="output")(hidden)

    def _convolution(self, name: str, hidden: jax.Array) -> jax.Array:
        return Convolution(self.channels, (3, 3), "SAME", name=name)(hidden)


def residual() -> jaxdl.Experiment:
    """Returns a recipe with batch statistics, a schedule, augmentation, early stopping and the best at the end."""
    return jaxdl.Experiment(
        name="residual",
        data=jaxdl.Digits(),
        model=Residual(),
        objective=jaxdl.SoftmaxCrossEntropy(label_smoothing=0.1),
        optimizer=jaxdl.SGD(learning_rate=0.1, momentum=0.9, schedule=jaxdl.Cosine(warmup=0.1)),
        training=jaxdl.Training(epochs=8, batch_size=32, patience=4, final="best", watch="validation/accuracy"),
        augmentation=jaxdl.Augmentation(shift=1, rotation=10.0, cutout=2, gaussian_noise=0.02),
    )


RECIPES = {
    "mnist_cnn": lambda: jaxdl.replace(twin("mnist_cnn"), {"training.epochs": 6}),
    "mnist_rnn": lambda: jaxdl.replace(twin("mnist_rnn"), {"training.epochs": 20}),
    "residual": residual,
}


def main(arguments: list[str]) -> int:
    """Trains; returns the exit status."""
    begin = time.perf_counter()
    name, run_dir = arguments
    recipe = jaxdl.replace(RECIPES[name](), {"checkpoint.every": "20steps"})
    options = Options(platform="cpu", run_dir=run_dir.removeprefix("--run_dir="))
    try:
        return run(options, recipe, arguments, begin)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    end_process(main(sys.argv[1:]))
