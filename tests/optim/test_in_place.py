"""Adam and AdamW as one native operation: their steps are optax's, and their states those of XLA's form."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl import fields
from jaxdl.ops import library
from jaxdl.optim import SGD, Adam, AdamW, Optimizer
from jaxdl.optim.schedules import Cosine
from tests.optim.updates import STEPS, Tree, float32, numbers_between, tree

# The operations are built once for all tests here: in one process.
pytestmark = [
    pytest.mark.xdist_group("onednn"),
    pytest.mark.skipif(not library.can_be_built(), reason="needs a C++ compiler and the extra native"),
]
VARIANTS = [
    Adam(),
    AdamW(schedule=Cosine(warmup=0.2)),
    Adam(weight_decay=0.1, weight_decay_on=".*bias", clip_value=0.5, clip_norm=1.0, clip_each=0.8),
]


def steps_of(optimizer: Optimizer, of: library.Library) -> Any:
    """Returns a program: all steps with traced hyperparameters, in the operations of a library."""

    def program(hyperparameters: dict[str, float], params: Tree, gradients: Tree) -> Any:
        replaced = fields.replace(optimizer, hyperparameters)

        def step(carry: Any, gradient: Tree) -> Any:
            params, state, _ = replaced.updated(gradient, carry[1], carry[0], STEPS)
            return (params, state), params

        with library.computed_by(of):
            return jax.lax.scan(step, (params, optimizer.transformation(STEPS).init(params)), gradients)

    return jax.jit(program)


COMPILED = {(place, of): steps_of(each, of) for place, each in enumerate(VARIANTS) for of in library.LIBRARIES}
NUMBERS = st.fixed_dictionaries(
    {
        "learning_rate": numbers_between(1e-3, 0.1),
        "weight_decay": numbers_between(1e-3, 0.5),
        "b1": numbers_between(0.1, 0.95),
        "b2": numbers_between(0.5, 0.999),
        "eps": numbers_between(1e-8, 1e-3),
    }
)


@pytest.mark.parametrize("place", range(len(VARIANTS)))
@given(numbers=NUMBERS, seed=st.integers(0, 2**32 - 1))
def test_parameters_and_states_are_those_of_the_chain_of_transformations(
    place: int, numbers: dict[str, float], seed: int
) -> None:
    random = np.random.default_rng(seed)
    params, gradients = float32(tree(random)), float32(tree(random, STEPS))
    traced = fields.traced_values(VARIANTS[place])
    given = traced | {name: number for name, number in numbers.items() if name in traced}
    (_, state), followed = COMPILED[place, "onednn"](given, params, gradients)
    (_, expected), wanted = COMPILED[place, "xla"](given, params, gradients)
    assert jax.tree.structure(state) == jax.tree.structure(expected)  # type: ignore[operator]
    assert [x.dtype for x in jax.tree.leaves(state)] == [x.dtype for x in jax.tree.leaves(expected)]
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6)  # noqa: E731
    jax.tree.map(close, (state, followed), (expected, wanted))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Adam(learning_rate=0.01), optax.adam(0.01)),
        (AdamW(learning_rate=0.01, weight_decay=0.1, weight_decay_on=".*"), optax.adamw(0.01, weight_decay=0.1)),
    ],
)
def test_steps_of_constant_numbers_are_those_of_optax(ours: Optimizer, theirs: optax.GradientTransformation) -> None:
    random = np.random.default_rng(0)
    params, gradients = float32(tree(random)), float32(tree(random, STEPS))
    _, found = steps_of(ours, "onednn")({}, params, gradients)
    state = theirs.init(params)
    for number in range(STEPS):
        updates, state = theirs.update(jax.tree.map(lambda each: each[number], gradients), state, params)  # noqa: B023
        params = optax.apply_updates(params, updates)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[-1], b, rtol=1e-5, atol=1e-6), found, params)


def calls(optimizer: Optimizer, params: Any) -> int:
    """Returns how many native operations a step has, which must be possible in any case."""

    def step(state: Any, params: Any) -> Any:
        return optimizer.updated(params, state, params, STEPS)

    with library.computed_by("onednn"):
        return jax.jit(step).lower(optimizer.transformation(STEPS).init(params), params).as_text().count("@jaxdl_adam")


class Doubled(Adam):
    """One of a user's own, with another direction."""

    def descent(self, decay: optax.GradientTransformation) -> optax.GradientTransformation:
        return optax.chain(super().descent(decay), optax.scale(2.0))


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (Adam(), 1),
        (AdamW(weight_decay_on="dense", clip_adaptive=0.01), 1),
        (Adam(nesterov=True), 0),
        (Adam(freeze="norm"), 0),
        (Adam(groups={"norm": 0.1}), 0),
        (Doubled(), 0),
        (SGD(), 0),
    ],
)
def test_what_has_another_form_is_xla_s(optimizer: Optimizer, expected: int) -> None:
    params = float32(tree(np.random.default_rng(0)))
    assert calls(optimizer, params) == expected
    assert optimizer.updates_in_place(params) == bool(expected)


def test_parameters_of_another_dtype_and_none_at_all_are_xla_s() -> None:
    params = jax.tree.map(lambda each: jnp.asarray(each, jnp.bfloat16), tree(np.random.default_rng(0)))
    assert calls(Adam(), params) == calls(Adam(), {}) == 0


def test_hyperparameters_side_by_side_step_as_each_does_alone() -> None:
    random = np.random.default_rng(1)
    params, gradients = float32(tree(random)), float32(tree(random, STEPS))
    values = {name: np.full(3, value, np.float32) for name, value in fields.traced_values(VARIANTS[0]).items()}
    values["learning_rate"] = np.array([0.001, 0.01, 0.1], np.float32)
    together = jax.vmap(COMPILED[0, "onednn"], (0, None, None))(values, params, gradients)[1]
    for place in range(3):
        alone = COMPILED[0, "onednn"]({name: each[place] for name, each in values.items()}, params, gradients)[1]
        close = lambda a, b: np.testing.assert_allclose(a[place], b, rtol=1e-4, atol=1e-6)  # noqa: B023, E731
        jax.tree.map(close, together, alone)
