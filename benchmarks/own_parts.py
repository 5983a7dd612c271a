"""Measures the train steps of parts of one's own against the built-in parts that compute the same.

    python -m benchmarks.own_parts [--rounds=15] [--steps=400]

A loss, an optimizer, a schedule, an augmentation and a model are written as functions and a module, as a user writes
them, and trained in one process in turns with the built-in ones: each alone, and all together. The workload is rows of
64 numbers, batches of 64, and a hidden layer of 128 units, so that a step is short and any cost of a part shows. Each
turn is so many steps of compiled programs, on one state. The order of both changes from round to round.

Prints microseconds a step, median [smallest, largest], and the median of the ratios within a round; writes
own_parts.json. Exit status: 0; 2 for bad input.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

import jaxdl
from benchmarks import machine
from benchmarks.summary import ratios, spread
from jaxdl.record.provenance import versions
from jaxdl.report.terminal import announce

_EXAMPLES, _FEATURES, _CLASSES = 8192, 64, 10


@jaxdl.loss
def own_cross_entropy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    losses: jax.Array = optax.losses.softmax_cross_entropy_with_integer_labels(outputs, targets)
    return losses


@jaxdl.optimizer
def own_adam(learning_rate: Any, *, b1: float = 0.9, b2: float = 0.999) -> optax.GradientTransformation:
    return optax.adam(learning_rate, b1, b2)


@jaxdl.schedule
def own_cosine(step: jax.Array, steps: int) -> jax.Array:
    return 0.5 * (1 + jnp.cos(jnp.pi * step / steps))


@jaxdl.augmentation
def own_noise(inputs: jax.Array, key: jax.Array, *, sigma: float = 0.1) -> jax.Array:
    return inputs + sigma * jax.random.normal(key, inputs.shape)


class OwnNet(nn.Module):
    """What `jaxdl.MLP` with one hidden layer of 128 units is."""

    outputs: int | None = jaxdl.static(None, "size of the last layer")

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        assert self.outputs is not None
        return nn.Dense(self.outputs)(nn.relu(nn.Dense(128)(inputs)))


# What each pair varies: the fields of the recipe with the user's part, and with the built-in one.
PAIRS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "loss": ({"objective": own_cross_entropy()}, {"objective": jaxdl.SoftmaxCrossEntropy()}),
    "optimizer": ({"optimizer": own_adam(learning_rate=1e-3)}, {"optimizer": jaxdl.Adam(learning_rate=1e-3)}),
    "schedule": ({"optimizer.schedule": own_cosine()}, {"optimizer.schedule": jaxdl.Cosine()}),
    "augmentation": ({"augmentation": own_noise()}, {"augmentation": jaxdl.TableAugmentation(noise=0.1)}),
    "model": ({"model": OwnNet()}, {"model": jaxdl.MLP(features=(128,))}),
}


def recipe(changes: Mapping[str, Any]) -> jaxdl.Experiment:
    """Returns the recipe of built-in parts with some replaced."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(_EXAMPLES, _FEATURES)).astype(np.float32)
    targets = random.integers(0, _CLASSES, _EXAMPLES)
    built_in = jaxdl.Experiment(
        name="own_parts",
        data=jaxdl.Arrays(train=(inputs, targets), test=(inputs[:64], targets[:64])),
        model=jaxdl.MLP(features=(128,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-3),
        training=jaxdl.Training(epochs=1000, batch_size=64),
    )
    return jaxdl.replace(built_in, changes)


class Side:
    """One recipe in training: its compiled program and its state."""

    def __init__(self, changes: Mapping[str, Any], steps: int):
        experiment = recipe(changes)
        dataset = experiment.data.load(Path(), lambda line: None)
        self._trainer, self._steps = jaxdl.Trainer(experiment, dataset), steps
        self._state = self._trainer.init_state()
        self.turn()  # compiles

    def turn(self) -> float:
        """Trains on; returns the microseconds that a step took."""
        begin = time.perf_counter()
        self._state, _ = self._trainer.advance(self._state, self._steps)
        jax.block_until_ready(self._state)
        return (time.perf_counter() - begin) / self._steps * 1e6


def measure(own: Mapping[str, Any], built_in: Mapping[str, Any], rounds: int, steps: int) -> dict[str, Any]:
    """Returns the microseconds a step of both sides, and the ratios own / built-in within a round."""
    sides = {"own": Side(own, steps), "built_in": Side(built_in, steps)}
    found: dict[str, dict[int, float]] = {name: {} for name in sides}
    for number in range(rounds):
        for name in sorted(sides, reverse=bool(number % 2)):
            found[name][number] = sides[name].turn()
    return {name: spread(times.values()) for name, times in found.items()} | {
        "ratio": ratios(found["own"], found["built_in"])
    }


def together(pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns all changes of all pairs, those of a part after the part."""
    own: dict[str, Any] = {}
    built_in: dict[str, Any] = {}
    for one, other in pairs:
        own, built_in = own | dict(one), built_in | dict(other)
    return own, built_in


def line(name: str, found: Mapping[str, Any]) -> str:
    """Returns one measurement as a line of a table."""
    own, built_in, ratio = (
        f"{found[part]['median']:.3f} [{found[part]['min']:.3f}, {found[part]['max']:.3f}]"
        for part in ("own", "built_in", "ratio")
    )
    return f"{name:<14}{own:>30}{built_in:>30}{ratio:>26}"


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    if min(options.rounds, options.steps) < 1:
        parser.error("--rounds and --steps are 1 or more")
    jaxdl.configure()
    pairs = {**PAIRS, "all together": together(list(PAIRS.values()))}
    found: dict[str, Any] = {}
    announce(f"{'us a step':<14}{'own':>30}{'built-in':>30}{'own / built-in':>26}")
    for name, (own, built_in) in pairs.items():
        found[name] = measure(own, built_in, options.rounds, options.steps)
        announce(line(name, found[name]))
    about = {"machine": machine.describe(), "versions": versions(), "rounds": options.rounds, "steps": options.steps}
    Path("own_parts.json").write_text(json.dumps(about | {"found": found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
