"""What old runs hold, and what a rule removes of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.comparison.cleaning import Holding, Keep, holdings, remove, sources_of
from jaxdl.errors import UserError
from jaxdl.files.locks import FolderLock
from jaxdl.record import read_record, read_summary
from tests.comparison.made import made

RECIPE = jaxdl.replace(
    jaxdl.Experiment("old", jaxdl.Iris(), jaxdl.MLP(features=(8,)), jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam(0.05)),
    {"training.epochs": 12, "training.watch": "validation/accuracy", "checkpoint.every": "1epoch"},
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A completed run with its last two checkpoints, and an earlier one that is the best."""
    run_dir = tmp_path_factory.mktemp("cleaning") / "run"
    summary = jaxdl.train(RECIPE, run_dir=run_dir, data_dir=run_dir.parent, notify=None)
    best = summary["best"]["step"]
    assert best is not None and best < summary["step"] and len(steps(run_dir)) == 3
    (run_dir / "pictures.png").write_bytes(b"x" * 1000)
    return run_dir


@pytest.fixture
def run_dir(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "runs" / "run"))


def steps(run_dir: Path) -> list[int]:
    return sorted(int(each.name) for each in (run_dir / "checkpoints").iterdir())


def held(run_dir: Path, keep: Keep = "nothing", older_than: float = 0.0) -> Holding:
    [holding] = holdings(jaxdl.find_runs(run_dir), keep, older_than)
    return holding


def cleaned(run_dir: Path, keep: Keep) -> None:
    freed, why = remove(held(run_dir, keep), keep, 0.0, frozenset())
    assert freed > 0 and not why


def test_what_a_run_holds_is_measured_and_nothing_is_touched_without_a_rule(run_dir: Path) -> None:
    holding = held(run_dir, "")
    on_disk = sum(path.lstat().st_size for path in run_dir.rglob("*"))
    assert holding.total == on_disk and holding.pictures == 1000 and holding.checkpoints > holding.others / 100
    assert holding.removed == () and holding.freed == 0


def test_the_rest_predicts_and_what_is_gone_is_named(run_dir: Path) -> None:
    inputs = np.linspace(0, 5, 20, dtype=np.float32).reshape(5, 4)
    before = jaxdl.load_run(run_dir).predict(inputs)
    summary, before_it = read_summary(run_dir), set(steps(run_dir))
    cleaned(run_dir, "final")
    assert steps(run_dir) == [summary["step"]] and (run_dir / "pictures.png").exists()
    assert (jaxdl.load_run(run_dir).predict(inputs) == before).all()
    best = jaxdl.replace(RECIPE, {"training.final": "best"})
    with pytest.raises(UserError, match=rf"of step {summary['best']['step']}, was removed by --mode=clean on 20"):
        jaxdl.load_run(run_dir, best)
    assert set(read_record(run_dir)["cleaned"][0]["checkpoints"]) == before_it - {summary["step"]}


def test_the_best_alone_is_not_taken_for_the_last(run_dir: Path) -> None:
    summary = read_summary(run_dir)
    cleaned(run_dir, "best")
    assert steps(run_dir) == [summary["best"]["step"]]
    with pytest.raises(UserError, match=rf"of step {summary['step']}, was removed by .*--final=best takes that of"):
        jaxdl.load_run(run_dir)
    assert jaxdl.load_run(run_dir, jaxdl.replace(RECIPE, {"training.final": "best"})).state.step == steps(run_dir)[0]


def test_without_any_checkpoint_the_run_says_why_and_may_begin_again(run_dir: Path) -> None:
    cleaned(run_dir, "nothing")
    assert steps(run_dir) == [] and not (run_dir / "pictures.png").exists()
    with pytest.raises(UserError, match=r"there is no checkpoint in .*: each was removed by --mode=clean on .*again"):
        jaxdl.load_run(run_dir)
    assert jaxdl.find_runs(run_dir)[0].metrics["test/accuracy"] > 0.8, "its figures stay"
    expected = read_summary(run_dir)["params_sha256"]
    (run_dir / "summary.json").unlink()
    said: list[str] = []
    again = jaxdl.train(RECIPE, run_dir=run_dir, data_dir=run_dir.parent, notify=said.append)
    assert "(each was removed by --mode=clean on" in " ".join(said) and again["params_sha256"] == expected
    assert jaxdl.load_run(run_dir).state.step == again["step"], "what was removed before is not missed any more"


def test_a_run_that_is_not_completed_keeps_what_it_goes_on_from(run_dir: Path) -> None:
    (run_dir / "summary.json").unlink()
    expected = {steps(run_dir)[-1], steps(run_dir)[0]}
    cleaned(run_dir, "final")
    assert set(steps(run_dir)) == expected


def test_what_is_in_use_needed_elsewhere_or_no_run_of_jaxdl_is_never_touched(run_dir: Path, tmp_path: Path) -> None:
    lock = FolderLock(run_dir, "run directory", "--run_dir")
    assert held(run_dir).untouched == "it is running"
    lock.release()
    holding = held(run_dir)  # and begins to run between the look and the removal
    lock = FolderLock(run_dir, "run directory", "--run_dir")
    assert "is in use by process" in remove(holding, "nothing", 0.0, frozenset())[1]
    lock.release()
    fine = made(tmp_path / "runs" / "fine", changes=None)
    config = json.loads((fine / "config.json").read_text()) | {"init_from": str(run_dir / "checkpoints")}
    (fine / "config.json").write_text(json.dumps(config))
    runs = jaxdl.find_runs(tmp_path / "runs")
    by_name = {each.run.path.name: each for each in holdings(runs, "nothing", 0.0)}
    assert "another run takes its weights from it" in by_name["run"].untouched
    assert "takes its weights" in remove(held(run_dir), "nothing", 0.0, sources_of(runs))[1]
    assert by_name["fine"].untouched.startswith("no run of jaxdl")
    (tmp_path / "link").symlink_to(run_dir)
    assert held(tmp_path / "link").untouched == "a link to another place"
    sweep = tmp_path / "sweep"
    trial = Path(shutil.copytree(run_dir, sweep / "trials" / "0000"))
    (sweep / "sweep.json").write_text("{}")
    assert held(trial).untouched == "a trial of a sweep that has not ended"
    (sweep / "summary.json").write_text('{"status": "completed"}')
    assert not held(trial).untouched
    assert len(steps(run_dir)) == 3


def test_links_are_neither_followed_nor_removed(run_dir: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (run_dir / "checkpoints").rename(outside)
    (run_dir / "checkpoints").symlink_to(outside)
    (run_dir / "profile").symlink_to(outside)
    holding = held(run_dir)
    assert holding.checkpoints < 500 and [path.name for path in holding.removed] == ["pictures.png"]
    cleaned(run_dir, "nothing")
    assert len(steps(run_dir)) == 3 and (run_dir / "profile").is_symlink()
    (run_dir / ".removed").symlink_to(outside)
    (run_dir / "pictures.png").write_bytes(b"x")
    assert "cannot remove files of" in remove(held(run_dir), "nothing", 0.0, frozenset())[1]
    assert (run_dir / "pictures.png").exists()


def test_what_a_killed_removal_left_goes_with_the_next(run_dir: Path) -> None:
    (run_dir / ".removed" / "checkpoints-1").mkdir(parents=True)
    cleaned(run_dir, "final")
    assert not (run_dir / ".removed").exists() and len(steps(run_dir)) == 1
