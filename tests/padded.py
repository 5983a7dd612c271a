"""Sequences of different lengths, padded with noise: a model that is not told the lengths sees another problem."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import jaxdl

STEPS, FEATURES = 7, 2


def padded(train: int = 60, test: int = 33) -> jaxdl.Arrays:
    """Makes sequences (7 steps of 2 numbers) whose class is the sign of the first number in the last valid step."""
    random = np.random.RandomState(0)

    def split(count: int) -> dict[str, np.ndarray]:
        inputs = random.normal(size=(count, STEPS, FEATURES)).astype(np.float32)
        lengths = random.randint(1, STEPS + 1, size=count).astype(np.int32)
        labels = (inputs[np.arange(count), lengths - 1, 0] > 0).astype(np.int32)
        return {"inputs": inputs, "targets": labels, "lengths": lengths}

    return jaxdl.Arrays(train=split(train), test=split(test))


def recurrent(**fields: object) -> jaxdl.Experiment:
    """Returns a recipe for them."""
    model = jaxdl.replace(jaxdl.RNN(features=(8,), cell="gru"), fields)
    recipe = jaxdl.Experiment("padded", padded(), model, jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam(learning_rate=0.02))
    return jaxdl.replace(recipe, {"training.epochs": 40, "training.batch_size": 20, "training.eval_batch_size": 7})


def untrained(experiment: jaxdl.Experiment) -> jaxdl.TrainedModel:
    """Returns a model with its initial parameters."""
    spec = experiment.data.spec(Path())
    steps = jaxdl.make_steps(experiment, spec, total_steps=1)
    return jaxdl.TrainedModel(experiment.for_spec(spec), spec, steps, steps.init_state(np.uint32(0)))
