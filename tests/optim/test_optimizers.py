"""Optimizers against their published formulas, written out in NumPy in float64 and followed for ten steps."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import jax
import numpy as np
import optax
import pytest
from hypothesis import assume, given

from jaxdl import fields
from jaxdl.errors import UserError
from jaxdl.optim import (
    OPTIMIZERS,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    Lamb,
    Lion,
    Optimizer,
    RMSprop,
)
from jaxdl.optim.schedules import Cosine

STEPS = 10
Tree = dict[str, dict[str, Any]]

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
    AdamW(nesterov=True),
    Lamb(),
    Lamb(weight_decay=0.1),
    Lion(weight_decay=0.1),
]


def numbers_between(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers that float32 holds, so that both sides of a comparison start from the same ones."""
    return st.floats(low, high).map(lambda value: float(np.float32(value)))


# A value for each traced field that any optimizer has.
KEPT = numbers_between(0.1, 0.95)
NUMBERS = st.fixed_dictionaries(
    {
        "learning_rate": numbers_between(1e-3, 1),
        "weight_decay": numbers_between(1e-3, 0.5),
        "momentum": KEPT,
        "rho": KEPT,
        "decay": KEPT,
        "b1": KEPT,
        "b2": numbers_between(0.5, 0.99),
        "eps": numbers_between(1e-8, 1e-3),
    }
)


def tree(random: np.random.Generator, *leading: int) -> Tree:
    """Arrays shaped like a small model's parameters, behind the given axes."""
    return {
        "dense": {"kernel": random.normal(size=(*leading, 3, 2)), "bias": random.normal(size=(*leading, 2))},
        "norm": {"scale": random.normal(size=(*leading, 2))},
    }


def float32(values: Tree) -> Tree:
    return jax.tree.map(np.float32, values)


@functools.cache
def compiled(optimizer: Optimizer) -> Callable[[dict[str, float], Tree, Tree], Tree]:
    """All updates of `STEPS` steps as one program, whose first state knows the default hyperparameters only."""

    @jax.jit
    def updates_of(hyperparameters: dict[str, float], params: Tree, gradients: Tree) -> Tree:
        transformation = fields.replace(optimizer, hyperparameters).transformation(STEPS)

        def step(carry: tuple[Tree, Any], gradient: Tree) -> tuple[tuple[Tree, Any], Tree]:
            params, state = carry
            updates, state = transformation.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), updates

        return jax.lax.scan(step, (params, optimizer.transformation(STEPS).init(params)), gradients)[1]

    return updates_of


def direction_of(h: Any) -> Callable[[np.ndarray], np.ndarray]:
    """The published formula of one optimizer for one array: a function from each gradient to the way down."""
    memory = {"t": 0, "m": 0.0, "s": getattr(h, "initial_sum", 0.0), "x": 0.0, "v": 0.0}

    def running(name: str, value: np.ndarray, kept: float) -> np.ndarray:
        memory[name] = kept * memory[name] + (1 - kept) * value
        return memory[name]  # type: ignore[return-value]

    def with_momentum(direction: np.ndarray, nesterov: bool = False) -> np.ndarray:
        memory["v"] = h.momentum * memory["v"] + direction
        return direction + h.momentum * memory["v"] if nesterov else memory["v"]  # type: ignore[return-value]

    def adam(g: np.ndarray) -> np.ndarray:
        memory["t"] += 1
        t = memory["t"]
        m, s = running("m", g, h.b1), running("s", g**2, h.b2)
        if getattr(h, "nesterov", False):
            m = h.b1 * m / (1 - h.b1 ** (t + 1)) + (1 - h.b1) * g / (1 - h.b1**t)
        else:
            m = m / (1 - h.b1**t)
        return m / (np.sqrt(s / (1 - h.b2**t)) + h.eps)

    def rmsprop(g: np.ndarray) -> np.ndarray:
        s = running("s", g**2, h.decay)
        mean = running("m", g, h.decay) if h.centered else 0.0
        return with_momentum(g / np.sqrt(s - mean**2 + h.eps))

    def adagrad(g: np.ndarray) -> np.ndarray:
        memory["s"] = memory["s"] + g**2
        return g / np.sqrt(memory["s"] + h.eps)

    def adadelta(g: np.ndarray) -> np.ndarray:
        direction = g * np.sqrt(memory["x"] + h.eps) / np.sqrt(running("s", g**2, h.rho) + h.eps)
        running("x", direction**2, h.rho)
        return direction

    def lion(g: np.ndarray) -> np.ndarray:
        mixed = h.b1 * memory["m"] + (1 - h.b1) * g
        assume(np.min(np.abs(mixed)) > 1e-5)  # a sign so near to 0 is a matter of rounding
        running("m", g, h.b2)
        return np.sign(mixed)

    return {
        SGD: lambda g: with_momentum(g, h.nesterov),
        Adagrad: adagrad,
        Adadelta: adadelta,
        RMSprop: rmsprop,
        Adam: adam,
        AdamW: adam,
        Lamb: adam,
        Lion: lion,
    }[type(h)]


def factor_of(schedule: Any, step: int) -> float:
    if not isinstance(schedule, Cosine):
        return 1.0
    warmup = round(schedule.warmup * STEPS)
    if step < warmup:
        return step / warmup
    return schedule.final + (1 - schedule.final) * (1 + np.cos(np.pi * (step - warmup) / (STEPS - warmup))) / 2


def reference_updates(h: Any, params: np.ndarray, gradients: np.ndarray, decays: bool) -> np.ndarray:
    """The updates of one array over all steps, in float64."""
    direction, updates = direction_of(h), []
    for step, gradient in enumerate(gradients.astype(np.float64)):
        descent = direction(gradient) + (h.weight_decay * params if decays else 0)
        if isinstance(h, Lamb):
            descent = descent * np.linalg.norm(params) / np.linalg.norm(descent)
        updates.append(-h.learning_rate * factor_of(h.schedule, step) * descent)
        params = params + updates[-1]
    return np.array(updates)


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
        np.testing.assert_allclose(actual[0], expected[0], rtol=2e-4, atol=1e-9, err_msg=f"first step of {name}")
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


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS.members) - {"lamb"}))
def test_weight_decay_is_decoupled_from_the_gradients(name: str) -> None:
    random = np.random.default_rng(2)
    params, gradients = float32(tree(random)), float32(tree(random))
    without = fields.replace(OPTIMIZERS.make(name), {"learning_rate": 0.5, "weight_decay": 0.0})
    with_decay = fields.replace(without, {"weight_decay": 0.1})
    one, other = (o.transformation(STEPS) for o in (without, with_decay))
    difference = jax.tree.map(
        lambda a, b: b - a,
        one.update(gradients, one.init(params), params)[0],
        other.update(gradients, other.init(params), params)[0],
    )
    np.testing.assert_allclose(difference["dense"]["kernel"], -0.5 * 0.1 * params["dense"]["kernel"], atol=1e-6)
    assert not np.any(difference["dense"]["bias"])
    assert not np.any(difference["norm"]["scale"])


@given(seed=st.integers(0, 2**32 - 1), value=numbers_between(0.05, 3), norm=numbers_between(0.05, 5))
def test_clipping_is_by_value_and_then_by_norm(seed: int, value: float, norm: float) -> None:
    random = np.random.default_rng(seed)
    params, gradients = float32(tree(random)), float32(tree(random, STEPS))
    optimizer = SGD(learning_rate=1.0, clip_value=1.0, clip_norm=1.0)
    hyperparameters = {"learning_rate": 1.0, "clip_value": value, "clip_norm": norm}
    updates = jax.tree.leaves(compiled(optimizer)(hyperparameters, params, gradients))
    for step in range(STEPS):
        clipped = [np.clip(g[step], -value, value).astype(np.float64) for g in jax.tree.leaves(gradients)]
        length = np.sqrt(sum(np.sum(g**2) for g in clipped))
        for update, gradient in zip(updates, clipped, strict=True):
            np.testing.assert_allclose(update[step], -gradient * min(1, norm / length), rtol=1e-5, atol=1e-7)


def test_centred_rmsprop_survives_steady_gradients() -> None:
    transformation = RMSprop(centered=True).transformation(300)
    random = np.random.default_rng(0)
    steady = random.normal(size=100) * (1 + 1e-5 * random.normal(size=(300, 100)))

    def step(state: Any, gradient: jax.Array) -> tuple[Any, Any]:
        updates, state = transformation.update(gradient, state, gradient)
        return state, updates

    updates = jax.jit(lambda gs: jax.lax.scan(step, transformation.init(gs[0]), gs)[1])(steady.astype(np.float32))
    assert np.all(np.isfinite(updates))  # half of them are not, with optax's own form


@pytest.mark.parametrize("name", OPTIMIZERS.members)
def test_what_is_off_is_not_in_the_program(name: str) -> None:
    optimizer = fields.replace(OPTIMIZERS.make(name), {"weight_decay": 0.0})
    assert not {"weight_decay", "clip_norm", "clip_value", "momentum"} & fields.traced_values(optimizer).keys()
    params = float32(tree(np.random.default_rng(0)))

    def operations(optimizer: Optimizer) -> int:
        transformation = optimizer.transformation(STEPS)
        return len(jax.make_jaxpr(transformation.update)(params, transformation.init(params), params).eqns)

    for field in ("weight_decay", "clip_norm", "clip_value"):
        assert operations(fields.replace(optimizer, {field: 0.1})) > operations(optimizer)


def test_the_learning_rate_can_be_asked_for() -> None:
    optimizer = SGD(learning_rate=0.2, schedule=Cosine(warmup=0.5))
    rates = [float(optimizer.learning_rate_at(count, 4)) for count in range(5)]
    np.testing.assert_allclose(rates, [0, 0.1, 0.2, 0.1, 0], atol=1e-7)
    traced = jax.jit(lambda rate, count: fields.replace(optimizer, {"learning_rate": rate}).learning_rate_at(count, 4))
    assert float(traced(0.4, 1)) == pytest.approx(0.2)


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
        (Lamb(), "b1", 1.5),
        (Lion(), "b2", 1.0),
        (RMSprop(), "decay", 1.0),
        (Adadelta(), "rho", 1.0),
        (Adadelta(), "eps", 0.0),
        (Adagrad(), "initial_sum", -1.0),
    ],
)
def test_checks_refuse_bad_values(optimizer: Optimizer, field: str, value: object) -> None:
    [declared] = [f for f in fields.own_fields(optimizer) if f.path == field]
    with pytest.raises(UserError, match=field):
        fields.check_value(declared, value)
    fields.check_value(declared, declared.value)
