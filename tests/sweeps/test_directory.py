"""The sweep directory: held by one process, kept by its definition, and nobody else's folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.files.locks import InUse
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.directory import SweepDirectory, continued, read_definition
from jaxdl.sweeps.space.reading import make_space
from tests.experiments.twins import twin

RECIPE = twin("digits_mlp")


def define(seeds: str = "0:2") -> Definition:
    return make_definition(RECIPE, make_space(RECIPE, {"seed": seeds}))


def test_a_sweep_is_taken_up_by_its_definition(tmp_path: Path) -> None:
    with SweepDirectory.create(tmp_path / "s", define()) as made:
        assert made.definition == define()
        written = json.loads((tmp_path / "s" / "sweep.json").read_text())
        assert written["experiment"].pop("config_version") and written["experiment"].pop("jaxdl") == jaxdl.__version__
        assert written == define().to_json()
        with pytest.raises(InUse, match="the sweep directory .* is in use by process .* give another --sweep_dir"):
            SweepDirectory.create(tmp_path / "s", define())
    before = (tmp_path / "s" / "sweep.json").stat().st_mtime_ns
    SweepDirectory.create(tmp_path / "s", define()).close()
    assert (tmp_path / "s" / "sweep.json").stat().st_mtime_ns == before
    assert read_definition(tmp_path / "s", RECIPE) == define()


def test_more_trials_are_added_where_that_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--extend: there is no sweep in"):
        continued(tmp_path / "s", define(), extend=True)
    SweepDirectory.create(tmp_path / "s", define()).close()
    with pytest.raises(UserError, match=r"has another sweep: --sweep=seed=0:4 \(not 0:2\)"):
        SweepDirectory.create(tmp_path / "s", define("0:4"))
    with SweepDirectory.create(tmp_path / "s", define("0:4"), extend=True) as made:
        assert made.definition.trials == 4 and len(made.definition.grids) == 1
    assert read_definition(tmp_path / "s", RECIPE).trials == 4


def test_what_is_refused_leaves_no_trace(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is not empty and is not a sweep directory"):
        SweepDirectory.create(tmp_path / "notes", define())
    with pytest.raises(UserError, match="is a file"):
        SweepDirectory.create(tmp_path / "file", define())
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "file",
        "notes",
        "notes/mine.txt",
    ]


def test_what_a_killed_beginning_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".sweep.json.tmp").write_text('{"exper')
    SweepDirectory.create(tmp_path, define()).close()
    assert read_definition(tmp_path, RECIPE) == define()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"experiment": 3}', '{"experiment": {"name": "digits_mlp"}}'])
def test_a_damaged_definition_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(UserError, match="damaged"):
        read_definition(tmp_path, RECIPE)


def test_a_sweep_of_another_experiment_is_named(tmp_path: Path) -> None:
    SweepDirectory.create(tmp_path / "s", define()).close()
    with pytest.raises(UserError, match="has a sweep of 'digits_mlp', not of 'digits_cnn'"):
        read_definition(tmp_path / "s", twin("digits_cnn"))


def test_a_definition_with_a_name_twice_is_damaged(tmp_path: Path) -> None:
    SweepDirectory.create(tmp_path / "s", define()).close()
    file = tmp_path / "s" / "sweep.json"
    file.write_text(file.read_text().replace('"trials": 2', '"trials": 2, "trials": 3'))
    with pytest.raises(UserError, match=r"sweep.json is damaged .*\"trials\" stands twice.*: restore it"):
        read_definition(tmp_path / "s", RECIPE)
