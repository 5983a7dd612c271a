"""Fields by dotted path: listed and replaced."""

from __future__ import annotations

import pytest
from flax import linen as nn

from jaxdl import fields
from jaxdl.models import MLP
from tests.fields.examples import Outer, field


def test_walk_gives_dotted_paths_with_resolved_types() -> None:
    assert [f.path for f in fields.walk(Outer())] == [
        "inner", "inner.rate", "inner.size", "kind", "sizes", "limit", "number",
    ]  # fmt: skip
    assert field("limit").type == int | None


def test_a_linen_module_is_walked_without_its_plumbing() -> None:
    paths = {f.path for f in fields.walk(MLP(features=(3,)))}
    assert "features" in paths
    assert not paths & {"parent", "name"}


def test_replace_reaches_parts_and_modules_and_leaves_the_original() -> None:
    before = Outer()
    after = fields.replace(before, {"inner.size": 7, "kind": "average"})
    assert (after.inner.size, after.kind, before.inner.size) == (7, "average", 3)
    assert fields.replace(MLP(features=(3,)), {"features": (4,)}).features == (4,)
    with pytest.raises(KeyError):
        fields.replace(before, {"inner.none": 1})


def test_zero_takes_an_optional_traced_field_out_of_the_program() -> None:
    assert fields.traced_values(Outer()) == {"inner.rate": 0.5, "number": 1.0}
    assert fields.traced_values(fields.replace(Outer(), {"inner.rate": 0.0, "number": 0.0})) == {"number": 0.0}


def test_a_module_without_declarations_has_plain_fields() -> None:
    class Plain(nn.Module):
        width: int = 4

    assert [(f.path, f.value, f.enters_as_data) for f in fields.walk(Plain())] == [("width", 4, False)]
