"""Trials side by side are saved as one checkpoint: a sweep goes on from each of them, in any cohorts."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.checkpoint import Checkpoints, SharedCheckpoints
from jaxdl.errors import UserError
from jaxdl.training.cache import Cache
from jaxdl.training.saving import Saving
from tests.experiments.twins import twin

RECIPE = jaxdl.replace(
    twin("digits_mlp"), {"training.epochs": 3, "training.final": "best", "checkpoint.every": "10steps"}
)
SPACE = {"learning_rate": [1e-3, 1e-2], "seed": range(2)}


def sweep(sweep_dir: Path, batch: Any = 2, space: Any = SPACE, **given: Any) -> list[dict[str, Any]]:
    """Returns the table of a sweep, without what depends on the time."""
    recipe, execution = given.pop("recipe", RECIPE), jaxdl.Execution(batch=batch)
    found = jaxdl.sweep(recipe, space, sweep_dir=sweep_dir, execution=execution, notify=lambda text: None, **given)
    assert found.status == "completed" and not (sweep_dir / "programs").exists()
    return [
        {name: row[name] for name in row if name not in ("seconds", "examples_per_second", "attempts")}
        for row in found.rows
    ]


def copying(function: Callable[..., Any], folder: Path, copies: Path) -> Callable[..., Any]:
    """Returns a function that copies a folder after each call: what is there if the process is killed then."""
    one = threading.Lock()

    def call(*given: Any, **named: Any) -> Any:
        result = function(*given, **named)
        with one:
            try:
                shutil.copytree(folder, copies / str(len(list(copies.iterdir()))))
            except shutil.Error as error:  # another trial completed what it was writing
                assert all("No such file" in str(reason) for *_, reason in error.args[0]), error
        return result

    copies.mkdir()
    return call


@pytest.fixture
def resumed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps from which trials have begun."""
    steps: list[int] = []
    resume = Saving.resume

    def noted(self: Saving, *given: Any) -> Any:
        saved = resume(self, *given)
        steps.append(saved.step if saved is not None else 0)
        return saved

    monkeypatch.setattr(Saving, "resume", noted)
    return steps


@pytest.mark.slow
def test_a_killed_sweep_goes_on_from_its_shared_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resumed: list[int]
) -> None:
    copies = tmp_path / "copies"
    with monkeypatch.context() as patch:
        patch.setattr(SharedCheckpoints, "write", copying(SharedCheckpoints.write, tmp_path / "s", copies))
        whole = sweep(tmp_path / "s")
    count = len(list(copies.iterdir()))
    assert set(resumed) == {0} and count >= 4 and (copies / "1" / "programs").is_dir()
    with pytest.raises(UserError, match="is a trial of a sweep that has not ended: .*/1/programs"):
        jaxdl.load_run(copies / "1" / "trials" / "0000")
    for number, batch in ((count - 1, 2), (1, 3), (1, "off")):
        resumed.clear()
        shutil.copytree(copies / str(number), tmp_path / f"{number}-{batch}")
        found = sweep(tmp_path / f"{number}-{batch}", batch)
        assert max(resumed) > 0
        if batch == 2:
            assert found == whole
        else:  # the last bits depend on how many share a program
            assert [row["value"] for row in found] == pytest.approx([row["value"] for row in whole], abs=0.02)
        assert int(jaxdl.load_run(tmp_path / f"{number}-{batch}" / "trials" / "0003").state.step) > 0


@pytest.mark.slow
def test_a_sweep_whose_trials_were_saved_each_by_itself_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resumed: list[int]
) -> None:
    copies = tmp_path / "copies"
    with monkeypatch.context() as patch:
        patch.setattr(Cache, "shared", lambda *given: None)
        patch.setattr(Checkpoints, "save", copying(Checkpoints.save, tmp_path / "s", copies))
        whole = sweep(tmp_path / "s")
    middle = copies / str(len(list(copies.iterdir())) // 4)
    resumed.clear()
    assert any(middle.glob("trials/*/checkpoints/[0-9]*")) and sweep(middle) == whole
    assert max(resumed) > 0


@pytest.mark.slow
def test_paused_pruned_and_stopped_trials_go_on_from_their_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resumed: list[int]
) -> None:
    recipe = jaxdl.replace(RECIPE, {"training.epochs": 4, "training.patience": 1, "training.final": "last"})
    space = {"learning_rate": [3e-2, 1e-2, 3e-3, 1e-5, 1e-6], "seed": range(2)}
    given: dict[str, Any] = {"recipe": recipe, "prune": "asha", "space": space}
    copies = tmp_path / "copies"
    with monkeypatch.context() as patch:
        patch.setattr(SharedCheckpoints, "write", copying(SharedCheckpoints.write, tmp_path / "s", copies))
        whole = sweep(tmp_path / "s", 2, **given)
    assert {row["state"] for row in whole} == {"completed", "pruned"}
    for row in whole:
        assert jaxdl.load_run(tmp_path / "s" / row["run_dir"]).experiment.seed == row["seed"]
    middle = copies / str(len(list(copies.iterdir())) // 2)
    resumed.clear()
    assert sweep(middle, 2, **given) == whole
    assert max(resumed) > 0
