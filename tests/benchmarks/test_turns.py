"""Whose turn it is, and what becomes of a framework that cannot be measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.turns import Turns, parser_of


def test_another_framework_begins_each_round_and_one_with_a_problem_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, str]] = []

    def measure(name: str, python: str) -> dict[str, object]:
        asked.append((name, python))
        return {"problem": "is not installed" if name == "keras" else None, "speed": len(asked)}

    turns = Turns(parser_of(None, "x.json"), [f"torch={sys.executable}"], ["jaxdl", "torch", "keras"])
    rounds = [turns.round(number, measure) for number in range(2)]
    assert [name for name, _ in asked] == ["jaxdl", "torch", "keras", "torch", "jaxdl"]
    assert rounds == [
        {"jaxdl": {"problem": None, "speed": 1}, "torch": {"problem": None, "speed": 2}},
        {"torch": {"problem": None, "speed": 4}, "jaxdl": {"problem": None, "speed": 5}},
    ]
    assert turns.conclude(tmp_path / "x.json", rounds, "the table", epochs=3) == 0
    assert capsys.readouterr().out == "the table\nkeras is left out: is not installed\n"
    written = json.loads((tmp_path / "x.json").read_text())
    assert (written["epochs"], written["rounds"]) == (3, rounds)


def test_only_some_frameworks_may_have_a_turn_and_without_jaxdl_the_status_is_1(tmp_path: Path) -> None:
    turns = Turns(parser_of(None, "x.json"), [], ["jaxdl", "torch"])
    found = turns.round(0, lambda name, python: {"problem": "broken"}, ["jaxdl"])
    assert found == {} and turns.left_out == {"jaxdl": "broken"}
    assert turns.conclude(tmp_path / "x.json", [found], "") == 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("tensorflow=python", "--python=tensorflow=python: must be FRAMEWORK=PATH, with one of jaxdl, torch"),
        ("torch", "--python=torch: there is no program"),
        ("torch=/nowhere/python", "--python=torch=/nowhere/python: there is no program /nowhere/python"),
    ],
)
def test_a_wrong_interpreter_ends_with_status_2(
    override: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        Turns(parser_of(None, "x.json"), [override], ["jaxdl", "torch"])
    assert ended.value.code == 2 and message in capsys.readouterr().err
