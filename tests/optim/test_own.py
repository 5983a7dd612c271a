"""Optimizers and schedules of one's own: the same bits as built-in ones, their fields, and what is taken for one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdl
from jaxdl.steps.functions import hyperparameters

PARAMS = {"kernel": jnp.asarray([[1.0, -2.0], [0.5, 3.0]]), "bias": jnp.asarray([0.25, -1.0])}


@jaxdl.optimizer
def sign_momentum(learning_rate: Any, *, momentum: float = 0.9, nesterov: bool = False) -> optax.GradientTransformation:
    """The sign of the velocity."""
    return optax.chain(optax.trace(momentum, nesterov), optax.scale_by_sign(), optax.scale(-learning_rate))


@jaxdl.optimizer
def own_adam(learning_rate: Any, *, b1: float = 0.9, b2: float = 0.999) -> optax.GradientTransformation:
    return optax.adam(learning_rate, b1, b2)


@jaxdl.schedule
def inverse_root(step: Any, steps: int, *, offset: int = 1) -> Any:
    return jnp.sqrt(offset / (offset + step))


def steps(optimizer: jaxdl.Optimizer, count: int = 5) -> Any:
    transformation = optimizer.transformation(count)

    @jax.jit
    def step(params: Any, state: Any, number: Any) -> Any:
        gradients = jax.tree.map(lambda p: jnp.sin(p + number), params)
        updates, state = transformation.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    params, state = PARAMS, transformation.init(PARAMS)
    for number in range(count):
        params, state = step(params, state, jnp.float32(number))
    return params


def assert_same(one: Any, other: Any, atol: float = 0.0) -> None:
    for name in PARAMS:
        np.testing.assert_allclose(one[name], other[name], rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("own", "built_in"),
    [
        (own_adam(learning_rate=0.01), jaxdl.Adam(learning_rate=0.01)),
        (own_adam(b1=0.8, clip_norm=0.5, clip_value=0.4), jaxdl.Adam(b1=0.8, clip_norm=0.5, clip_value=0.4)),
        (jaxdl.optimizer(optax.sgd)(learning_rate=0.1), jaxdl.SGD(learning_rate=0.1)),
    ],
)
def test_an_own_optimizer_gives_the_bits_of_the_built_in_one(own: Any, built_in: Any) -> None:
    assert_same(steps(own), steps(built_in))


def test_a_function_of_optax_is_taken_as_it_is() -> None:
    # Its `eps_root` is a number that is added in the step, so the last bits differ.
    assert_same(steps(jaxdl.optimizer(optax.adam)(learning_rate=0.1)), steps(jaxdl.Adam(learning_rate=0.1)), atol=1e-6)


def test_schedule_and_decay_come_from_the_frame() -> None:
    frame: dict[str, Any] = {"learning_rate": 0.1, "weight_decay": 0.1, "schedule": jaxdl.Cosine(warmup=0.2)}
    assert_same(steps(own_adam(**frame)), steps(jaxdl.Adam(**frame)), atol=1e-6)


def test_its_own_weight_decay_is_left_to_the_function() -> None:
    kind: Any = jaxdl.optimizer(optax.adamw)
    assert_same(steps(kind(learning_rate=0.1, weight_decay=0.3)), steps_of(optax.adamw(0.1, weight_decay=0.3)))


def steps_of(transformation: optax.GradientTransformation) -> Any:
    return steps(experiment(optimizer=transformation).optimizer)


def test_an_own_schedule_is_a_factor() -> None:
    found = jaxdl.SGD(schedule=inverse_root(offset=4, warmup=0.5)).schedule.factor(10)
    np.testing.assert_allclose([found(n) for n in (0, 5, 9)], [0, 1, np.sqrt(4 / 8)], rtol=1e-6)


def experiment(**parts: Any) -> jaxdl.Experiment:
    return jaxdl.Experiment(
        name="own",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(4,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        training=jaxdl.Training(epochs=1),
        **parts,
    )


def test_its_fields_are_those_of_the_function_and_the_frame() -> None:
    recipe = experiment(optimizer=sign_momentum(momentum=0.8, schedule=inverse_root(offset=3)))
    assert hyperparameters(recipe) == {"optimizer.learning_rate": 1e-3, "optimizer.momentum": 0.8}
    config = jaxdl.to_config(recipe)
    assert config["optimizer"]["type"] == "sign_momentum"
    assert config["optimizer"]["schedule"] == {
        "type": "inverse_root",
        "warmup": 0.0,
        "warmup_from": 0.0,
        "offset": 3,
    }
    assert set(config["code"]) == {"optimizer", "optimizer.schedule"}
    default = experiment(optimizer=sign_momentum(schedule=inverse_root()))
    assert jaxdl.from_config(json.loads(json.dumps(config)), default) == recipe


def test_what_is_taken_for_one() -> None:
    def bare(learning_rate: float, *, power: float = 1.0) -> optax.GradientTransformation:
        return optax.sgd(learning_rate**power)

    def falling(step: Any, steps: int) -> Any:
        return 1 - step / steps

    assert hyperparameters(experiment(optimizer=optax.adam))["optimizer.b2"] == 0.999
    assert hyperparameters(experiment(optimizer=bare))["optimizer.power"] == 1.0
    assert hyperparameters(experiment(optimizer=optax.adam(1e-3))) == {}
    scheduled: Any = jaxdl.Adam(schedule=falling)  # type: ignore[arg-type]
    assert experiment(optimizer=scheduled).optimizer.schedule.factor(4)(1) == 0.75
    by_name: Any = jaxdl.Adam(schedule="cosine")  # type: ignore[arg-type]
    assert experiment(optimizer=by_name).optimizer.schedule == jaxdl.Cosine()


def test_a_transformation_of_optax_trains_from_its_script_only(tmp_path: Path) -> None:
    recipe = experiment(optimizer=optax.adam(1e-3))
    summary = jaxdl.train(recipe, run_dir=tmp_path / "run", notify=None)
    built_in = jaxdl.train(experiment(optimizer=jaxdl.Adam()), run_dir=tmp_path / "other", notify=None)
    # Its learning rate is a constant of the program, so the last bits differ.
    assert summary["metrics"]["test/loss"] == pytest.approx(built_in["metrics"]["test/loss"], rel=1e-4)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["optimizer"]["type"] == "transformation"
    assert jaxdl.train(recipe, run_dir=tmp_path / "run", notify=None) == summary
    with pytest.raises(jaxdl.UserError, match="the optimizer 'transformation' is not a part of jaxdl"):
        jaxdl.load_run(tmp_path / "run")


def test_a_function_that_returns_something_else_is_named() -> None:
    wrong: Any = jaxdl.optimizer(_wrong)
    with pytest.raises(jaxdl.UserError, match=r"_wrong \(test_own.py:\d+\) must return an optax.GradientTransf"):
        wrong().transformation(1)
    with pytest.raises(jaxdl.UserError, match=r"argument of sign_momentum \(test_own.py:\d+\): 'momentun'. Did you"):
        sign_momentum(momentun=1.0)


def _wrong(learning_rate: float) -> float:
    return learning_rate
