"""Groups of parameters: frozen ones, factors of the learning rate, and where weight decay applies."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax
import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.fields import check_fields
from jaxdl.optim import OPTIMIZERS
from jaxdl.optim.groups import matches
from tests.optim.updates import STEPS, float32, tree

TORCH_W, TORCH_V = [0.6745198965072632, -1.6445683240890503], [0.5284614562988281]


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("Dense_1", "Dense_1/kernel", True),
        ("Dense_1", "Dense_10/kernel", False),
        ("Dense_1/kernel", "Dense_1/kernel", True),
        ("Dense_1/.*", "Dense_1/bias", True),
        ("Conv_.*", "encoder/Conv_0/kernel", False),
        (".*/kernel", "encoder/Conv_0/kernel", True),
        ("encoder/Conv_0", "encoder/Conv_0/kernel", True),
        ("encoder", "encoder/Conv_0/kernel", True),
        ("(?!Dense_1).*", "Dense_1/kernel", False),
        ("(?!Dense_1).*", "Dense_0/kernel", True),
        ("kernel", "Dense_0/kernel", False),
    ],
)
def test_an_expression_chooses_a_whole_path_or_a_whole_module(pattern: str, path: str, expected: bool) -> None:
    assert matches(pattern, path) is expected


def after_steps(optimizer: jaxdl.Optimizer, keep: tuple[str, ...] = ("dense", "norm")) -> tuple[Any, Any]:
    """Returns parameters and state after three steps of a small model, or of a part of it."""
    random = np.random.default_rng(0)
    params, gradients = float32(tree(random)), float32(tree(random, 3))
    params["norm"]["scale"][:] = -0.0  # adding 0.0 to it changes a bit
    params, gradients = ({name: of[name] for name in keep} for of in (params, gradients))
    transformation = optimizer.transformation(STEPS)
    state = transformation.init(params)
    for number in range(3):
        updates, state = transformation.update(jax.tree.map(lambda g: g[number], gradients), state, params)  # noqa: B023
        params = optimizer.moved(params, updates)
    return params, state


@pytest.mark.parametrize("name", OPTIMIZERS.members)
def test_frozen_parameters_keep_their_bits_have_no_state_and_enter_no_norm(name: str) -> None:
    optimizer = jaxdl.replace(OPTIMIZERS.make(name), {"clip_norm": 0.5, "weight_decay": 0.1})
    params, state = after_steps(jaxdl.replace(optimizer, {"freeze": "norm"}))
    alone, own = after_steps(optimizer, keep=("dense",))
    assert np.asarray(params["norm"]["scale"]).tobytes() == np.float32([-0.0, -0.0]).tobytes()
    jax.tree.map(np.testing.assert_array_equal, params["dense"], alone["dense"])
    jax.tree.map(np.testing.assert_array_equal, jax.tree.leaves(state), jax.tree.leaves(own))


@pytest.mark.parametrize("name", OPTIMIZERS.members)
def test_a_factor_multiplies_the_learning_rate_of_its_group(name: str) -> None:
    """With decay, which the learning rate multiplies, as in the parameter groups of PyTorch; the first group counts."""
    optimizer = jaxdl.replace(OPTIMIZERS.make(name), {"weight_decay": 0.1, "schedule": jaxdl.Cosine()})
    random = np.random.default_rng(1)
    params, gradients = float32(tree(random)), float32(tree(random))
    plain, grouped = (
        each.transformation(STEPS)
        for each in (optimizer, jaxdl.replace(optimizer, {"groups": {"dense/kernel": 0.5, "dense": 0.25}}))
    )
    before, _ = plain.update(gradients, plain.init(params), params)
    updates, _ = grouped.update(gradients, grouped.init(params), params)
    for module, name, factor in (("dense", "kernel", 0.5), ("dense", "bias", 0.25), ("norm", "scale", 1.0)):
        np.testing.assert_array_equal(updates[module][name], before[module][name] * np.float32(factor))


def test_the_groups_are_those_of_torch() -> None:
    """AdamW of torch 2.14.1 with two groups, lr 0.1 and 0.01, weight_decay 0.1 on both; three steps.

    w = torch.nn.Parameter(torch.tensor([1.0, -2.0])); v = torch.nn.Parameter(torch.tensor([0.5]))
    opt = torch.optim.AdamW([{"params": [w]}, {"params": [v], "lr": 0.01}], lr=0.1, weight_decay=0.1)
    for _ in range(3): opt.zero_grad(); ((w**2).sum() + v.sum() * w.sum()).backward(); opt.step()
    """
    optimizer = jaxdl.AdamW(learning_rate=0.1, weight_decay=0.1, groups=("v=0.1",), weight_decay_on=".*")
    params: Any = {"w": np.float32([1.0, -2.0]), "v": np.float32([0.5])}
    transformation = optimizer.transformation(STEPS)
    state = transformation.init(params)
    gradient = jax.jit(jax.grad(lambda p: (p["w"] ** 2).sum() + p["v"].sum() * p["w"].sum()))
    for _ in range(3):
        updates, state = transformation.update(gradient(params), state, params)
        params = optimizer.moved(params, updates)
    np.testing.assert_allclose(params["w"], TORCH_W, rtol=1e-5)
    np.testing.assert_allclose(params["v"], TORCH_V, rtol=1e-5)


@pytest.mark.parametrize(
    ("pattern", "decaying"),
    [("", {"dense/kernel"}), (".*", {"dense/kernel", "dense/bias", "norm/scale"}), ("norm", {"norm/scale"})],
)
def test_weight_decay_is_on_the_chosen_parameters(pattern: str, decaying: set[str]) -> None:
    params = float32(tree(np.random.default_rng(2)))
    optimizer = jaxdl.SGD(learning_rate=0.5, weight_decay=0.1, weight_decay_on=pattern)
    transformation = optimizer.transformation(STEPS)
    updates, _ = transformation.update(jax.tree.map(np.zeros_like, params), transformation.init(params), params)
    for module, arrays in updates.items():
        for name, update in arrays.items():
            share = 0.05 if f"{module}/{name}" in decaying else 0.0
            np.testing.assert_allclose(update, -share * params[module][name], rtol=1e-6)


def test_own_optimizers_have_groups_too() -> None:
    @jaxdl.optimizer
    def plain(learning_rate: Any, *, weight_decay: float = 0.0) -> optax.GradientTransformation:
        return optax.sgd(learning_rate)

    own, built_in = (kind(learning_rate=0.1, freeze="norm", groups={"dense": 0.5}) for kind in (plain, jaxdl.SGD))
    jax.tree.map(np.testing.assert_array_equal, after_steps(own)[0], after_steps(built_in)[0])
    with pytest.raises(UserError, match=r"weight_decay_on=.*plain .* has a weight_decay of its own"):
        plain(weight_decay_on=".*").transformation(STEPS)


def test_without_them_the_state_and_the_program_are_what_they_were() -> None:
    optimizer = jaxdl.Adam(weight_decay=0.1)
    assert optimizer.transformation(STEPS).update.__qualname__ == optimizer.of_all(STEPS).update.__qualname__
    params = float32(tree(np.random.default_rng(0)))
    assert len(optimizer.transformation(STEPS).init(params)) == 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"freeze": "Dense"},
            r"optimizer\.freeze=Dense: this chooses none .* Did you mean 'dense'\? They are: dense/bias, ",
        ),
        ({"groups": {"norm/bias": 0.1}}, r"optimizer\.groups=norm/bias: this chooses none of the parameters"),
        ({"weight_decay_on": "x"}, r"optimizer\.weight_decay_on=x: this chooses none .* dense/kernel, norm/scale\."),
        ({"freeze": ".*"}, r"optimizer\.freeze=\.\*: this chooses every parameter, so nothing is left to train"),
    ],
)
def test_an_expression_that_chooses_nothing_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        jaxdl.SGD(**fields).transformation(STEPS).init(tree(np.random.default_rng(0)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"freeze": "("}, r"freeze=\(: must be a regular expression \("),
        ({"groups": ("Dense_0",)}, r"'Dense_0' must be REGEX=FACTOR with a factor above 0"),
        ({"groups": {"Dense_0": 0.0}}, r"'Dense_0=0.0' must be REGEX=FACTOR"),
        ({"groups": {"(": 1.0}}, r"'\(' must be a regular expression"),
    ],
)
def test_a_wrong_value_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_fields(jaxdl.SGD(**fields))
