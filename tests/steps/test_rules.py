"""Along which axes the parameters of a model lie."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import struct

from jaxdl.errors import UserError
from jaxdl.steps.rules import names_of, rules_of


class Params(struct.PyTreeNode):
    """The part of a state that matters here."""

    params: Any


class Table(nn.Module):
    """A layer with a parameter of its own."""

    sharding_axes: ClassVar[dict[str, Any]] = {"table": ("model", None)}

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        return inputs @ self.param("table", nn.initializers.ones, (8, 4))


class Whole(nn.Module):
    """A model that says more about its layers than they do."""

    sharding_axes: ClassVar[dict[str, Any]] = {"inner/table": (None, "model"), "small/kernel": ("model", None)}

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        hidden = nn.Dense(8, name="small")(nn.Dense(64, name="large")(inputs))
        return Table(name="inner")(hidden) + Table(name="other")(hidden)


class Wrong(Table):
    sharding_axes: ClassVar[dict[str, Any]] = {"table": ("modle", None)}


def rules(model: nn.Module, features: int = 16) -> Any:
    def init() -> Params:
        return Params(model.init(jax.random.key(0), jnp.zeros((1, features)))["params"])

    return rules_of(init, small=1000)


def test_the_outermost_module_decides_then_the_layer_then_the_name() -> None:
    assert rules(Whole()) == {
        ("large", "kernel"): (None, "model"),
        ("large", "bias"): ("model",),
        ("small", "kernel"): ("model", None),
        ("inner", "table"): (None, "model"),
        ("other", "table"): ("model", None),
    }


def test_what_is_no_axis_is_refused_with_the_class_that_names_it() -> None:
    with pytest.raises(UserError, match=r"Wrong\.sharding_axes\['table'\] has the axis 'modle': give None or 'model'"):
        rules(Wrong(), 8)


def test_the_names_of_a_path_leave_out_places() -> None:
    tree = Params(({"dense": np.ones(1)}, [np.ones(1)]))
    paths = [names_of(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]
    assert paths == [("params", "dense"), ("params",)]
