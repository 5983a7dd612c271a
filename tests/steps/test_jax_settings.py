"""Train and eval steps under JAX's own settings, which people use for precision and to debug."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.data import Preprocess, Spec
from jaxdl.steps.buckets import Buckets
from jaxdl.steps.many import run_eval_steps, run_train_steps

SPEC = Spec((6, 6, 2), "uint8", Preprocess(1 / 255), (), 3)
SETTINGS: dict[str, Any] = {
    "x64": lambda: jax.enable_x64(True),
    "no rank promotion": lambda: jax.numpy_rank_promotion("raise"),
    "highest precision": lambda: jax.default_matmul_precision("highest"),
    "leaks": jax.checking_leaks,
    "checks": lambda: jax.enable_checks(True),
}
MODELS = {
    "cnn": jaxdl.CNN(features=(4, 8), kernel=(2, 2), dense=(5,), dropout=0.1, normalization="batch"),
    "cnn in groups": jaxdl.CNN(features=(8,), pool_after=(1,), pool="average", dense=(), normalization="group"),
    "mlp": jaxdl.MLP(features=(8,), normalization="layer", dropout=0.1),
    "gru": jaxdl.RNN(features=(4, 3), cell="gru", bidirectional=True, dropout=0.1),
    "lstm": jaxdl.RNN(features=(4,), cell="lstm"),
}


def program(model: nn.Module) -> Callable[[], Any]:
    """Returns a function that makes a state, trains three steps in one program, and evaluates in another."""
    recipe = jaxdl.Experiment(
        name="settings",
        data=jaxdl.Digits(),
        model=model,
        objective=jaxdl.SoftmaxCrossEntropy(label_smoothing=0.1),
        optimizer=jaxdl.AdamW(nesterov=True, clip_norm=1.0, schedule=jaxdl.OneCycle(warmup=0.2)),
        training=jaxdl.Training(class_weight=(1.0, 2.0, 3.0)),
        augmentation=jaxdl.Augmentation(
            flip="horizontal", shift=1, rotation=5.0, gaussian_noise=0.1, cutout=2, crop=0.5, mixup=0.2, cutmix=1.0
        ),
        weighted_metrics=True,
    )
    random = np.random.RandomState(0)
    data = {
        "inputs": random.randint(256, size=(9, 6, 6, 2)).astype(np.uint8),
        "targets": random.randint(3, size=9).astype(np.int32),
    }
    if isinstance(model, jaxdl.RNN):
        data["lengths"] = random.randint(1, 7, size=9).astype(np.int32)
        recipe = jaxdl.replace(recipe, {"augmentation": jaxdl.Augmentation()})
    steps = jaxdl.make_steps(recipe, SPEC, 10)
    hparams = {name: np.float32(value) for name, value in jaxdl.hyperparameters(recipe).items()}

    def run() -> Any:
        arrays, order = jax.tree.map(jnp.asarray, data), jnp.arange(9, dtype=jnp.int32)
        state = steps.init_state(np.uint32(0))
        state, rows = run_train_steps(
            steps, 3, Buckets(), False, state, arrays, order, hparams, np.int32(0), np.int32(3)
        )
        return state, rows, run_eval_steps(steps, 4, Buckets(), 3, state, arrays, hparams, np.int32(0), np.int32(9))

    return run


@functools.cache
def shapes(name: str) -> Any:
    """Returns the shapes and dtypes of what the programs of a model give without any setting."""
    return jax.eval_shape(program(MODELS[name]))


def cases() -> list[Any]:
    """Each setting with each model; looking for leaks takes nine seconds, in each run of CI with one model."""
    at_night = {("leaks", name) for name in MODELS if name != "lstm"}
    pairs = [(setting, name) for setting in SETTINGS for name in MODELS]
    return [pytest.param(*pair, marks=[pytest.mark.nightly] if pair in at_night else []) for pair in pairs]


@pytest.mark.slow
@pytest.mark.parametrize(("setting", "name"), cases())
def test_programs_have_the_same_dtypes_under_each_setting(setting: str, name: str) -> None:
    """Only traced: what JAX refuses under a setting, it refuses then."""
    with SETTINGS[setting]():
        state, rows, sums = jax.eval_shape(program(MODELS[name]))
    expected = shapes(name)
    assert (state, rows) == expected[:2]
    assert sums.keys() == expected[2].keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "lstm"])
def test_with_x64_the_same_random_numbers_are_drawn_and_the_same_parameters_trained(name: str) -> None:
    with jax.enable_x64(True):
        state, rows, _ = jax.jit(program(MODELS[name]))()
    expected = jax.jit(program(MODELS[name]))()
    np.testing.assert_allclose(rows["loss"], expected[1]["loss"], rtol=1e-4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), state.params, expected[0].params)
