"""Values of fields: read, shown and checked."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given
from hypothesis import strategies as st

import jaxdl
from jaxdl import fields
from jaxdl.cli.flags import parse_command_line
from jaxdl.errors import UserError
from jaxdl.sweeps.space.reading import make_space
from tests.experiments.twins import twin
from tests.fields.examples import Inner, Outer, field


@given(st.lists(st.integers(), max_size=5).map(tuple))
def test_tuples_survive_show_and_parse(values: tuple[int, ...]) -> None:
    assert fields.parse(fields.show(values), tuple[int, ...]) == values


@given(st.floats(allow_nan=False))
def test_floats_survive_show_and_parse(value: float) -> None:
    assert fields.parse(fields.show(value), float) == value


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("none", int | None, None),
        ("3", int | None, 3),
        ("(64)", tuple[int, ...], (64,)),
        ("", tuple[int, ...], ()),
        ("3e-3", float, 3e-3),
        ("no", bool, False),
        ("average", Literal["max", "average"], "average"),
    ],
)
def test_parse(text: str, annotation: object, value: object) -> None:
    assert fields.parse(text, annotation) == value


@pytest.mark.parametrize(
    ("text", "annotation"),
    [("x", int), ("1.5", int), ("maybe", bool), ("1,x", tuple[int, ...]), ("1,,2", tuple[int, ...])],
)
def test_parse_refuses_another_type(text: str, annotation: object) -> None:
    with pytest.raises(ValueError, match=r".*"):
        fields.parse(text, annotation)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("inner.rate", 1.5, "inner.rate=1.5: must be at least 0 and below 1"),
        ("inner.size", 0, "must be at least 1"),
        ("inner.size", True, "must be int"),
        ("inner.size", 2.5, "must be int"),
        ("kind", "averge", "Did you mean 'average'"),
        ("sizes", (1, "x"), "must be a list of int, such as 32 or 32,64."),
        ("sizes", np.zeros((300, 2)), "sizes=ndarray of float64 and shape (300, 2): must be a list of int"),
    ],
)
def test_check_value_names_the_field_and_the_way_out(path: str, value: object, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        fields.check_value(field(path), value)


def test_every_declared_field_of_a_value_is_checked_however_it_was_set() -> None:
    fields.check_fields(Outer(Inner(0.1, 7)))
    for wrong, message in (
        (Outer(Inner(rate=1.5)), r"inner\.rate=1\.5: must be at least 0 and below 1"),
        (Outer(kind="avrage"), r"unknown value for kind: 'avrage'\. Did you mean 'average'"),  # type: ignore[arg-type]
        (Outer(sizes=[1, 2]), r"sizes=\[1, 2\]: must be a list of int"),  # type: ignore[arg-type]
    ):
        with pytest.raises(UserError, match=message):
            fields.check_fields(wrong)


def test_what_a_users_own_module_declares_in_other_words_is_let_through() -> None:
    class Own(nn.Module):
        features: Sequence[int] = fields.static((3,), "sizes")
        function: Callable[..., Any] = nn.relu

    fields.check_fields(Own(features=(4, 5)))


@dataclasses.dataclass(frozen=True)
class Job:
    where: Literal["here", "there"] = fields.static("here", "where")
    workers: int = fields.static(0, "how many there", only_with=("where", ("there",)))


def test_a_field_that_says_nothing_beside_the_others_is_refused() -> None:
    fields.check_fields(Job("there", 2))
    fields.check_fields(Job("here", 0))
    with pytest.raises(UserError, match=r"^workers=2 only applies to where=there\.$"):
        fields.check_fields(Job("here", 2))


def test_each_item_of_a_list_of_fixed_length_has_its_own_type() -> None:
    value = fields.parse("3,0.5,none", tuple[int, float, str | None])
    assert value == (3, 0.5, None)
    assert fields.show(value) == "3,0.5,none"


@pytest.mark.parametrize("number", [2**31, 10**21])
def test_a_size_that_no_array_has_is_refused(number: int) -> None:
    with pytest.raises(UserError, match=rf"model.features=8,{number}: must be below 2\*\*31"):
        parse_command_line(["--experiment=digits_mlp", f"--model.features=8,{number}"], twin("digits_mlp"))
    with pytest.raises(UserError, match=r"must be below 2\*\*31"):
        make_space(twin("digits_mlp"), {"model.features": [(number,)]})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "features"), [("digits_mlp", (2**31 - 1, 2**31 - 1)), ("bits_rnn", (2**31 - 1,)), ("digits_mlp", (2**30,))]
)
def test_a_model_that_is_too_large_is_told_in_one_line(tmp_path: Path, name: str, features: tuple[int, ...]) -> None:
    recipe = jaxdl.replace(twin(name), {"model.features": features})
    with pytest.raises((UserError, jax.errors.JaxRuntimeError), match="the model is too large|[Oo]ut of memory"):
        jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path, notify=lambda text: None)
    assert not (tmp_path / "run").exists()
