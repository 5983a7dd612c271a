"""Runs are found by their files, wherever they lie."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

import jaxdl
from jaxdl.comparison.runs import Run, differing_fields
from tests.comparison.made import made


def test_runs_are_found_in_folders_sweeps_and_by_patterns_each_once(tmp_path: Path) -> None:
    first, second = made(tmp_path / "digits" / "a"), made(tmp_path / "digits" / "b")
    trial = made(tmp_path / "sweep-1" / "trials" / "00000")
    made(first / "checkpoints" / "not-a-run")  # below a run directory nothing is searched
    (tmp_path / ".hidden").mkdir()
    made(tmp_path / ".hidden" / "c")

    def paths(*places: object) -> list[Path]:
        return [run.path for run in jaxdl.find_runs(*map(str, places))]

    assert paths(tmp_path) == [first, second, trial]
    assert paths(tmp_path / "digits" / "*") == [first, second]
    assert paths(second, tmp_path / "digits") == [second, first]
    assert paths(tmp_path / "sweep-1") == [trial]
    assert paths(second / "config.json") == [second]


def test_a_place_without_a_run_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(jaxdl.UserError, match="there is no folder none"):
        jaxdl.find_runs("none")
    with pytest.raises(jaxdl.UserError, match="there is no run in "):
        jaxdl.find_runs(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(jaxdl.UserError, match="there is no folder runs"):
        jaxdl.find_runs()


def test_a_run_is_known_by_its_facts_figures_and_fields(tmp_path: Path) -> None:
    (run,) = jaxdl.find_runs(made(tmp_path / "a", accuracy=0.95, seed=3))
    assert (run.experiment, run.status, run.seed) == ("digits", "completed", 3)
    assert math.isnan(run.value("test/loss")) and run.value("test/accuracy") == 0.95
    assert run.value("optimizer") == "adam" and run.value("optimizer.learning_rate") == 0.001
    assert run.value("learning_rate") == 0.001 and run.value("features") == (8, 8)
    assert run.value("step") == 20 and run.value("used") == "digits" and run.value("nothing") is None
    assert run.value("test/nothing") is None


def test_an_unfinished_run_has_the_last_figures_of_each_split(tmp_path: Path) -> None:
    path = made(tmp_path / "a", status=None, curve=(0.5, 0.7))
    (run,) = jaxdl.find_runs(path)
    assert (run.status, run.experiment) == ("unfinished", "digits")
    assert run.metrics == {"validation/accuracy": 0.7, "validation/loss": pytest.approx(0.3)}
    with (path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 30, "ep')  # as a reader sees it while it is written
    (run,) = jaxdl.find_runs(path)
    assert run.metrics == {}


def test_damaged_files_are_as_missing_ones(tmp_path: Path) -> None:
    path = made(tmp_path / "a")
    (path / "summary.json").write_text("[1")
    (path / "config.json").write_text("{")
    (run,) = jaxdl.find_runs(path)
    assert (run.status, run.experiment, run.config) == ("unfinished", "", {})


def test_a_last_name_that_several_fields_have_is_refused(tmp_path: Path) -> None:
    (run,) = jaxdl.find_runs(made(tmp_path / "a", changes={"data": {"dropout": 1}}))
    with pytest.raises(jaxdl.UserError, match=r"dropout is ambiguous: write data\.dropout or model\.dropout"):
        run.value("dropout")


def test_only_fields_that_differ_are_named(tmp_path: Path) -> None:
    made(tmp_path / "a")
    made(tmp_path / "b", seed=1, changes={"model": {"dropout": 0.5}, "optimizer": {"type": "sgd"}})
    assert differing_fields(jaxdl.find_runs(tmp_path)) == ["model.dropout", "optimizer", "seed"]


@pytest.mark.parametrize("name", ["cifar10_resnet", "sentiment_lstm"])
def test_a_field_that_is_read_out_of_the_text_is_that_of_the_parsed_recipe(tmp_path: Path, name: str) -> None:
    golden = Path(__file__).resolve().parents[1] / "experiments" / "golden" / f"{name}.json"
    (tmp_path / "config.json").write_text(golden.read_text())
    parsed, asked = Run(tmp_path, {"experiment": "x"}), 0
    for path in parsed.config:
        short = path.rpartition(".")[2]
        try:
            expected = parsed.value(short)
        except jaxdl.UserError as error:
            with pytest.raises(jaxdl.UserError, match=re.escape(str(error))):
                Run(tmp_path, {"experiment": "x"}).value(short)
            continue
        fresh = Run(tmp_path, {"experiment": "x"})
        assert fresh.value(short) == expected
        asked += "config" not in fresh.__dict__
    assert asked > 10 and Run(tmp_path, {"experiment": "x"}).value("no_such_field") is None
