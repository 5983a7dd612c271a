"""The spaces of `benchmarks.search_race`. This module imports nothing of jaxdl, so that every racer can read it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

KEPT_OF = 3  # one of so many settings goes on at each rung of successive halving, in each racer


@dataclass(frozen=True)
class SearchSpace:
    """A recipe, and what is searched in it.

    All racers train with AdamW, half a cosine down to 0 over all epochs, and softmax cross-entropy.

    Attributes:
        network: the kind of network: dense layers; two convolutions, each with pooling; or an LSTM over the rows.
        epochs: of a setting that is not stopped early.
        logarithmic: lowest and highest number of each field that is drawn evenly by its logarithm.
        uniform: the same of fields that are drawn evenly.
        listed: the texts of the values of each other field.
        seconds: time of a search.
        share: in which part of the peer's time jaxdl is to reach the peer's best.
        search: flags of jaxdl's search.
        training: further flags of jaxdl's training.
        features: sizes of the layers, where they are not searched.
    """

    network: Literal["mlp", "cnn", "rnn"]
    epochs: int
    logarithmic: Mapping[str, tuple[float, float]]
    uniform: Mapping[str, tuple[float, float]]
    listed: Mapping[str, tuple[str, ...]]
    seconds: float
    share: float
    search: str = "--sweep_mode=tpe --prune=asha --workers=2"
    training: str = ""
    features: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of all fields that are searched."""
        return (*self.logarithmic, *self.uniform, *self.listed)

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs after which settings are compared, 1, 3, 9 ..., and the last one."""
        found = [1]
        while found[-1] * KEPT_OF < self.epochs:
            found.append(found[-1] * KEPT_OF)
        return (*(rung for rung in found if rung < self.epochs), self.epochs)

    def flags(self) -> list[str]:
        """Returns the space as flags of a sweep of jaxdl."""
        ranges = [f"{name}=log({low!r},{high!r})" for name, (low, high) in self.logarithmic.items()]
        ranges += [f"{name}=uniform({low!r},{high!r})" for name, (low, high) in self.uniform.items()]
        return [f"--sweep={each}" for each in (*ranges, *(f"{name}={','.join(v)}" for name, v in self.listed.items()))]


_RATES = {"learning_rate": (1e-4, 1e-1), "weight_decay": (1e-6, 1e-1)}
_MLP = SearchSpace(
    network="mlp",
    epochs=30,
    logarithmic=_RATES,
    uniform={"dropout": (0.01, 0.6), "label_smoothing": (0.001, 0.2)},
    listed={"batch_size": ("16", "32", "64", "128"), "model.features": ("(64)", "(128)", "(256)", "(128,128)")},
    seconds=600.0,
    share=0.2,
    search="--sweep_mode=random --prune=asha --workers=2",  # thousands of settings: drawing at random takes no time
)
# By the names of jaxdl's experiments.
SPACES: dict[str, SearchSpace] = {
    "digits_mlp": _MLP,
    "mnist_mlp": dataclasses.replace(
        _MLP,
        epochs=5,
        listed={"batch_size": ("32", "64", "128", "256"), "model.features": ("(64)", "(128)", "(256)", "(128,128)")},
        search="--sweep_mode=tpe --prune=asha --workers=2",
    ),
    "mnist_cnn_small": SearchSpace(
        network="cnn",
        epochs=5,
        logarithmic={"learning_rate": (1e-4, 3e-2), "weight_decay": (1e-6, 1e-1)},
        uniform={"dropout": (0.01, 0.6), "label_smoothing": (0.001, 0.2)},
        listed={"batch_size": ("32", "64", "128")},
        seconds=1800.0,
        share=0.5,
        training="--library=onednn",  # needs the extra native; searches do not measure whether it is faster
        features="(32,64)",
    ),
    "mnist_rnn": SearchSpace(
        network="rnn",
        epochs=5,
        logarithmic={"learning_rate": (1e-4, 3e-2), "weight_decay": (1e-6, 1e-1), "clip_norm": (0.1, 10.0)},
        uniform={"dropout": (0.01, 0.6)},
        listed={"batch_size": ("64", "128", "256")},
        seconds=1800.0,
        share=0.5,
        training="--library=onednn",  # needs the extra native; searches do not measure whether it is faster
        features="(128)",
    ),
}
