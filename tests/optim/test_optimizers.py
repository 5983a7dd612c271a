"""Optimizers against their published formulas, written out in NumPy in float64 and followed for ten steps."""

from __future__ import annotations

import functools
from typing import Any

import hypothesis.strategies as st
import jax
import numpy as np
import pytest
from hypothesis import given

from jaxdl import fields
from jaxdl.errors import UserError
from jaxdl.optim import (
    OPTIMIZERS,
    SGD,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    AMSGrad,
    Lamb,
    Lion,
    Muon,
    Optimizer,
    RAdam,
    RMSprop,
)
from jaxdl.optim.schedules import Cosine
from tests.optim.formulas import reference_updates
from tests.optim.updates import STEPS, Tree, compiled, float32, numbers_between, tree

VARIANTS = [
    SGD(),
    SGD(momentum=0.9, weight_decay=0.1),
    SGD(momentum=0.9, nesterov=True, schedule=Cosine(warmup=0.3)),
    Adagrad(weight_decay=0.1),
    Adagrad(initial_sum=0.0),
    Adadelta(),
    Adadelta(weight_decay=0.1, schedule=Cosine()),
    RMSprop(weight_decay=0.1),
    RMSprop(centered=True),
    RMSprop(momentum=0.9, centered=True, weight_decay=0.1, schedule=Cosine(final=0.1)),
    Adam(),
    Adam(nesterov=True, weight_decay=0.1),
    AdamW(schedule=Cosine(warmup=0.2)),
    Adam(nesterov=True, momentum_decay=1.0),
    AdamW(nesterov=True, momentum_decay=0.0),
    Lamb(),
    Lamb(weight_decay=0.1),
    Lion(weight_decay=0.1),
    AMSGrad(weight_decay=0.1),
    Adamax(weight_decay=0.1),
    RAdam(weight_decay=0.1),
    Adafactor(weight_decay=0.1),
    Adafactor(factored_from=2, momentum=0.5),
    Adafactor(factored_from=2, relative=False, clip_update=0.0),
    Muon(weight_decay=0.1),
    Muon(rms=0.0),
]


# A value for each traced field that any optimizer has.
KEPT = numbers_between(0.1, 0.95)
NUMBERS = st.fixed_dictionaries(
    {
        "learning_rate": numbers_between(1e-3, 1),
        "weight_decay": numbers_between(1e-3, 0.5),
        "momentum": KEPT,
        "rho": KEPT,
        "decay": KEPT,
        "decay_rate": KEPT,
        "clip_update": numbers_between(0.5, 2),
        "beta": KEPT,
        "rms": KEPT,
        "b1": KEPT,
        "b2": numbers_between(0.5, 0.99),
        "eps": numbers_between(1e-8, 1e-3),
    }
)


@pytest.mark.parametrize("optimizer", VARIANTS, ids=OPTIMIZERS.name_of)
@given(numbers=NUMBERS, seed=st.integers(0, 2**32 - 1))
def test_ten_steps_follow_the_published_formula(optimizer: Optimizer, numbers: dict[str, float], seed: int) -> None:
    random = np.random.default_rng(seed)
    params, gradients = float32(tree(random)), float32(tree(random, STEPS))
    hyperparameters = {name: numbers[name] for name in fields.traced_values(optimizer)}
    updates = compiled(optimizer)(hyperparameters, params, gradients)
    h = fields.replace(optimizer, hyperparameters)
    for layer, name in (("dense", "kernel"), ("dense", "bias"), ("norm", "scale")):
        start = params[layer][name].astype(np.float64)
        expected = reference_updates(h, start, gradients[layer][name], decays=name == "kernel")
        actual = np.asarray(updates[layer][name])
        # Muon's step of a number depends on all others of the array, and so does its rounding.
        least = 2e-6 * np.abs(expected[0]).max() if isinstance(optimizer, Muon) else 1e-9
        np.testing.assert_allclose(actual[0], expected[0], rtol=2e-4, atol=least, err_msg=f"first step of {name}")
        np.testing.assert_allclose(actual, expected, rtol=2e-3, atol=2e-4 * np.abs(expected).max(), err_msg=name)


@pytest.mark.parametrize("name", OPTIMIZERS.members)
def test_one_compilation_serves_all_hyperparameters_and_agrees_with_constants(name: str) -> None:
    start = {"weight_decay": 0.01, "clip_norm": 1.0, "clip_value": 0.5}
    optimizer = fields.replace(OPTIMIZERS.make(name), start)
    params = float32(tree(np.random.default_rng(0)))
    state = optimizer.transformation(STEPS).init(params)
    traces = []

    @jax.jit
    def step(hyperparameters: dict[str, float], state: Any) -> tuple[Tree, Any]:
        traces.append(hyperparameters)
        return fields.replace(optimizer, hyperparameters).transformation(STEPS).update(params, state, params)

    updates = {}
    for learning_rate, weight_decay in ((0.1, 0.5), (0.2, 0.25)):
        changes = {"learning_rate": learning_rate, "weight_decay": weight_decay}
        updates[learning_rate], new_state = step(fields.traced_values(optimizer) | changes, state)
        assert jax.tree.structure(new_state) == jax.tree.structure(state)  # type: ignore[operator]
        assert [x.dtype for x in jax.tree.leaves(new_state)] == [x.dtype for x in jax.tree.leaves(state)]
    assert len(traces) == 1
    np.testing.assert_allclose(2 * updates[0.1]["dense"]["bias"], updates[0.2]["dense"]["bias"], rtol=1e-6)

    constant = fields.replace(optimizer, changes).transformation(STEPS)
    expected, _ = jax.jit(constant.update)(params, state, params)
    # A constant 1 - 0.999 is rounded once and a traced one twice, hence not to the bit.
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=3e-4, atol=1e-7), updates[0.2], expected)


def test_a_batch_of_hyperparameters_steps_as_each_does_alone() -> None:
    optimizer = AdamW(clip_norm=1.0, schedule=Cosine(warmup=0.3))
    random = np.random.default_rng(1)
    params, gradients = float32(tree(random)), float32(tree(random, STEPS))
    values = fields.traced_values(optimizer)
    rates = np.array([0.001, 0.01, 0.1], np.float32)
    batched = {**{k: np.full(3, v, np.float32) for k, v in values.items()}, "learning_rate": rates}
    together = jax.vmap(compiled(optimizer), (0, None, None))(batched, params, gradients)
    for index, rate in enumerate(rates):
        alone = compiled(optimizer)(values | {"learning_rate": rate}, params, gradients)
        jax.tree.map(lambda b, a, i=index: np.testing.assert_allclose(b[i], a, rtol=1e-4, atol=1e-8), together, alone)


def test_centred_rmsprop_survives_steady_gradients() -> None:
    transformation = RMSprop(centered=True).transformation(300)
    random = np.random.default_rng(0)
    steady = random.normal(size=100) * (1 + 1e-5 * random.normal(size=(300, 100)))

    def step(state: Any, gradient: jax.Array) -> tuple[Any, Any]:
        updates, state = transformation.update(gradient, state, gradient)
        return state, updates

    updates = jax.jit(lambda gs: jax.lax.scan(step, transformation.init(gs[0]), gs)[1])(steady.astype(np.float32))
    assert np.all(np.isfinite(updates))  # half of them are not, with optax's own form


def test_the_learning_rate_can_be_asked_for() -> None:
    optimizer = SGD(learning_rate=0.2, schedule=Cosine(warmup=0.5))
    rates = [float(optimizer.learning_rate_at(count, 4)) for count in range(5)]
    np.testing.assert_allclose(rates, [0, 0.1, 0.2, 0.1, 0], atol=1e-7)
    traced = jax.jit(lambda rate, count: fields.replace(optimizer, {"learning_rate": rate}).learning_rate_at(count, 4))
    assert float(traced(0.4, 1)) == pytest.approx(0.2)
    # A factor that was first asked for while another program was traced is a number afterwards, too.
    within = jax.jit(lambda rate: rate * optimizer.learning_rate_at(3, 7))
    assert float(within(2.0)) == pytest.approx(2 * float(optimizer.learning_rate_at(3, 7)))
    # One that is kept on the host is that of the device, to the bit.
    kept, computed = (
        [float(optimizer.learning_rate_at(kind(count), 9)) for count in range(9)] for kind in (int, np.int32)
    )
    assert kept == computed


def test_defaults_are_those_that_the_docstrings_state() -> None:
    rates = {name: OPTIMIZERS.make(name).learning_rate for name in OPTIMIZERS.members}
    assert rates == {
        "sgd": 1e-2,
        "adagrad": 1e-2,
        "adadelta": 1.0,
        "rmsprop": 1e-3,
        "adam": 1e-3,
        "adamw": 1e-3,
        "lamb": 1e-3,
        "lion": 1e-4,
        "amsgrad": 1e-3,
        "adamax": 1e-3,
        "radam": 1e-3,
        "adafactor": 1e-2,
        "muon": 1e-3,
    }
    decays = {name for name in OPTIMIZERS.members if OPTIMIZERS.make(name).weight_decay}
    assert decays == {"adamw"}


@pytest.mark.parametrize(
    ("optimizer", "field", "value"),
    [
        (SGD(), "learning_rate", 0.0),
        (SGD(), "learning_rate", float("nan")),
        (SGD(), "learning_rate", "0.1"),
        (SGD(), "momentum", 1.0),
        (SGD(), "nesterov", 1),
        (SGD(), "schedule", "cosine"),
        (Adam(), "weight_decay", -0.1),
        (Adam(), "clip_norm", -1.0),
        (Adam(), "clip_value", -1.0),
        (Adam(), "b1", 1.0),
        (AdamW(), "b2", -0.1),
        (AdamW(), "eps", 0.0),
        (Adam(), "momentum_decay", -1.0),
        (Lamb(), "b1", 1.5),
        (Lion(), "b2", 1.0),
        (RMSprop(), "decay", 1.0),
        (Adadelta(), "rho", 1.0),
        (Adadelta(), "eps", 0.0),
        (Adagrad(), "initial_sum", -1.0),
        (Adafactor(), "factored_from", 1),
        (Adafactor(), "decay_rate", 1.0),
        (Muon(), "beta", 1.0),
        (SGD(), "clip_each", -1.0),
        (SGD(), "clip_adaptive", -1.0),
    ],
)
def test_checks_refuse_bad_values(optimizer: Optimizer, field: str, value: object) -> None:
    [declared] = [f for f in fields.own_fields(optimizer) if f.path == field]
    with pytest.raises(UserError, match=field):
        fields.check_value(declared, value)
    fields.check_value(declared, declared.value)
