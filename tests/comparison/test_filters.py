"""Conditions on runs, and their order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxdl
from jaxdl.comparison.filters import chosen, in_order, parse_conditions
from jaxdl.comparison.runs import Run
from tests.comparison.made import made


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("runs")
    made(folder / "a", accuracy=0.91, seed=1)
    made(folder / "b", accuracy=0.95, changes={"optimizer": {"learning_rate": 0.01}})
    made(folder / "c", accuracy=0.93, status="preempted", changes={"model": {"features": [16]}})
    made(folder / "d", status=None)
    return jaxdl.find_runs(folder)


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        ("", "abcd"),
        ("test/accuracy>0.92", "bc"),
        ("test/accuracy>=0.93 test/accuracy<0.95", "c"),
        ("status=completed", "ab"),
        ("status!=completed", "cd"),
        ("learning_rate=1e-2", "b"),
        ("optimizer.learning_rate<=0.001", "acd"),
        ("features=16", "c"),
        ("features=8,8 seed=1", "a"),
        ("optimizer=adam epoch=2", "abc"),
        ("wall_seconds>60", "abc"),
        ("experiment=none", ""),
    ],
)
def test_runs_are_chosen_by_conditions(runs: list[Run], conditions: str, names: str) -> None:
    assert "".join(run.path.name for run in chosen(runs, parse_conditions(conditions))) == names


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ("accuracy", "'accuracy' is no condition; write NAME=VALUE"),
        ("a > 1", "'a' is no condition"),
        ("a==1", "no run has anything of the name 'a'"),
        ("test/acuracy>0.9", "Did you mean 'test/accuracy'"),
        ("test/accuracy>high", "> compares numbers, and 'high' is none"),
        ("__import__('os')=1", "no run has anything of the name"),
    ],
)
def test_what_is_no_condition_is_refused_in_one_line(runs: list[Run], conditions: str, message: str) -> None:
    with pytest.raises(jaxdl.UserError, match=message.replace("(", r"\(").replace(")", r"\)")) as error:
        chosen(runs, parse_conditions(conditions))
    assert "\n" not in str(error.value)


@given(st.text(alphabet="ab/=<>!. 0'\"()[]{}\\", max_size=12))
def test_no_text_is_more_than_conditions_or_an_error_of_one_line(text: str) -> None:
    try:
        conditions = parse_conditions(text)
    except jaxdl.UserError as error:
        assert "\n" not in str(error)
    else:
        assert " ".join(f"{c.name}{c.sign}{c.value}" for c in conditions) == " ".join(text.split())


def test_runs_are_sorted_and_those_without_a_value_come_last(runs: list[Run]) -> None:
    def names(by: str) -> str:
        return "".join(run.path.name for run in in_order(runs, by))

    assert names("test/accuracy") == "acbd" and names("-test/accuracy") == "bcad"
    assert names("status") == "abcd" and names("-run") == "dcba"
    assert names("test/loss") == "abcd"  # nan is no number to sort by
    with pytest.raises(jaxdl.UserError, match="no run has anything of the name 'test/f1'"):
        in_order(runs, "test/f1")
