"""Tags and notes of runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.record import NOTES, Notes, read_notes
from tests.comparison.made import made


def test_tags_are_added_and_taken_away_and_a_note_is_replaced(tmp_path: Path) -> None:
    run = made(tmp_path / "a")
    assert read_notes(run) == Notes((), None) and not (run / NOTES).exists()
    jaxdl.annotate(run, ["draft", "paper-2"], "first try")
    assert read_notes(run) == Notes(("draft", "paper-2"), "first try")
    jaxdl.annotate(run, ["-draft", "best", "best"])
    assert read_notes(run) == Notes(("paper-2", "best"), "first try")
    jaxdl.annotate(run, note="")
    assert json.loads((run / NOTES).read_text()) == {"tags": ["paper-2", "best"], "note": ""}


@pytest.mark.parametrize("tag", ["", "-", "--a", "two words", "a,b", "a=b", "(a)", "a" * 101, "a\x1b"])
def test_what_is_no_tag_is_refused(tag: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no tag"):
        jaxdl.annotate(made(tmp_path / "a"), [tag])
    assert not (tmp_path / "a" / NOTES).exists()


def test_where_there_is_no_run_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no run in"):
        jaxdl.annotate(tmp_path, ["a"])
    with pytest.raises(UserError, match="give a list of words"):
        jaxdl.annotate(made(tmp_path / "a"), "word")
    assert not list(tmp_path.rglob(NOTES))


@pytest.mark.parametrize("content", ["", "[", "[1]", '{"tags": 3, "note": []}', '{"tags": [1, "a"]}'])
def test_damaged_notes_do_not_hide_a_run(content: str, tmp_path: Path) -> None:
    (made(tmp_path / "a") / NOTES).write_text(content)
    [run] = jaxdl.find_runs(tmp_path)
    assert run.notes.tags in ((), ("a",)) and not run.notes.note


def test_a_training_keeps_them_beside_its_recipe(tmp_path: Path) -> None:
    recipe = jaxdl.Experiment(
        "noted", jaxdl.Iris(), jaxdl.MLP(features=(2,)), jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam()
    )
    recipe = jaxdl.replace(recipe, {"training.epochs": 1})
    with pytest.raises(UserError, match="is no tag"):
        jaxdl.train(recipe, run_dir=tmp_path / "a", data_dir=tmp_path, notify=None, tags=["a b"])
    assert not (tmp_path / "a").exists()
    said = {"run_dir": tmp_path / "a", "data_dir": tmp_path, "notify": None}
    summary = jaxdl.train(recipe, **said, tags=["one"], note="<b>why</b>")  # type: ignore[arg-type]
    assert "&lt;b&gt;why&lt;/b&gt;" in (tmp_path / "a" / "report.html").read_text()
    again = jaxdl.train(recipe, **said, tags=["two"])  # type: ignore[arg-type]
    assert again["params_sha256"] == summary["params_sha256"]
    assert read_notes(tmp_path / "a") == Notes(("one", "two"), "<b>why</b>")
    config = (tmp_path / "a" / "config.json").read_text()
    assert "why" not in config and '"one"' not in config
