"""Spellings of Hydra, Optuna and Ray Tune: each row of the table in the docs, and Optuna's objects."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from jaxdl.fields import walk
from jaxdl.sweeps.space.axis import Axis, axis_of, parse_axis
from jaxdl.sweeps.space.sampling import distribution
from jaxdl.sweeps.space.spellings import in_our_words, split
from tests.experiments.twins import twin

PAGE = Path(__file__).resolve().parents[3] / "docs/coming-from/hydra-and-optuna.md"
FIELDS = {field.path: field for field in walk(twin("mnist_mlp"))}
TABLE = PAGE.read_text(encoding="utf-8").partition("## Spellings")[2].partition("\n\n```")[0]
ROWS = re.findall(r"^\| `(.*?)` \| `(.*?)` \|$", TABLE, re.MULTILINE)[1:]


def field_of(ours: str) -> str:
    """Returns a field that takes the values: a list, a whole number or a real one."""
    if "((" in ours or ours.startswith("("):
        return "model.features"
    return "optimizer.learning_rate" if "." in ours or "e-" in ours else "training.batch_size"


def test_the_table_is_there() -> None:
    assert len(ROWS) >= 16


@pytest.mark.parametrize(("theirs", "ours"), ROWS)
def test_each_row_of_the_table_says_the_same_twice(theirs: str, ours: str) -> None:
    field = FIELDS[field_of(ours)]
    found, expected = parse_axis(field, theirs), parse_axis(field, ours)
    assert found.values == expected.values


@pytest.mark.parametrize(
    "spec", ["1e-4,1e-3", "0:5", "log(1e-4,1e-1)", "uniform(0,0.5,step=0.1)", "int(1,8)", "a(b", ""]
)
def test_our_own_spellings_and_unknown_ones_stay_as_they_are(spec: str) -> None:
    assert in_our_words(spec) == spec


@pytest.mark.parametrize(
    ("path", "given_one"),
    [
        ("optimizer.learning_rate", FloatDistribution(1e-4, 1e-1, log=True)),
        ("optimizer.learning_rate", FloatDistribution(0.1, 0.5, step=0.1)),
        ("optimizer.learning_rate", FloatDistribution(0.1, 0.5)),
        ("training.batch_size", IntDistribution(16, 256, step=16)),
        ("training.batch_size", IntDistribution(1, 256, log=True)),
        ("training.batch_size", IntDistribution(1, 8)),
        ("optimizer", CategoricalDistribution(["adam", "sgd"])),
    ],
)
def test_optunas_distributions_come_through_as_they_are(path: str, given_one: BaseDistribution) -> None:
    made: Axis = axis_of(FIELDS[path], given_one)
    assert distribution(made) == given_one
    assert distribution(parse_axis(FIELDS[path], made.spec)) == given_one


@given(st.text(alphabet="rangeintervltogcsu_fx(),[]=\"'0123456789. ", max_size=40))
def test_any_text_is_translated_or_left(text: str) -> None:
    assert isinstance(in_our_words(text), str) and isinstance(split(text), list)
