"""Damaged checkpoints, metrics, records and data: each ends with a clear line, and what was there before is whole."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.checkpoint import Checkpoints
from jaxdl.errors import UserError
from jaxdl.record import read_metrics, read_summary
from jaxdl.training.reproduce import compare
from tests.training.stopped import Stopped, checkpoint_steps, cut_short, run, stop_after


def test_a_run_goes_on_in_the_middle_of_an_epoch(recipe: jaxdl.Experiment, whole: Path, cut: Path) -> None:
    assert read_summary(cut)["status"] == "failed"
    run(recipe, cut)
    assert compare(whole, cut) == []


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def change_a_digit(about: Path) -> None:
    """Changes the number of bytes that the metrics file had, and nothing else."""
    text = about.read_text()
    changed = re.sub(r'("bytes": )(\d)', lambda found: f"{found[1]}{(int(found[2]) + 1) % 10}", text)
    assert changed != text
    about.write_text(changed)


def damage_arrays(how: Callable[[Path], object]) -> Callable[[Path], None]:
    def damage(checkpoint: Path) -> None:
        files = [path for path in (checkpoint / "state").rglob("d/*") if path.is_file()]
        how(max(files, key=lambda path: path.stat().st_size))

    return damage


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        damage_arrays(cut_short),
        damage_arrays(flip_a_bit),
        damage_arrays(Path.unlink),
        lambda checkpoint: cut_short(checkpoint / "about" / "metadata"),
        lambda checkpoint: change_a_digit(checkpoint / "about" / "metadata"),
        lambda checkpoint: shutil.rmtree(checkpoint / "state"),
        lambda checkpoint: (checkpoint / "state" / "_METADATA").write_text("[]"),
    ],
    ids=["cut", "bit", "missing", "about", "digit", "folder", "metadata"],
)
def test_a_damaged_checkpoint_is_set_aside_for_the_one_before(
    recipe: jaxdl.Experiment, whole: Path, cut: Path, damage: Callable[[Path], None]
) -> None:
    before, last = checkpoint_steps(cut)[-2:]
    damage(cut / "checkpoints" / str(last))
    lines: list[str] = []
    run(recipe, cut, notify=lines.append)
    (named,) = [line for line in lines if "damaged" in line]
    assert f"{cut}/checkpoints/{last} is damaged (" in named
    assert "bound method" not in named  # as Orbax describes TensorStore's reader
    assert named.endswith(f"the run resumes from step {before}.")
    assert (cut / "checkpoints" / f"damaged-{last}").is_dir()
    assert compare(whole, cut) == []


def test_where_all_checkpoints_are_damaged_the_run_says_so(recipe: jaxdl.Experiment, cut: Path) -> None:
    for step in checkpoint_steps(cut):
        cut_short(cut / "checkpoints" / str(step) / "about" / "metadata")
    with pytest.raises(UserError, match="is damaged .*, and there is no older one; restore it, or start again"):
        run(recipe, cut)


def test_metrics_that_were_cut_short_are_noticed(recipe: jaxdl.Experiment, cut: Path) -> None:
    file = cut / "metrics.jsonl"
    whole_lines = file.read_bytes()
    file.write_bytes(whole_lines[: len(whole_lines) // 3])
    others = {name: (cut / name).read_bytes() for name in ("config.json", "record.json", "summary.json")}
    with pytest.raises(UserError, match=r"metrics\.jsonl is not what it was when step \d+ was saved"):
        run(recipe, cut)
    assert file.read_bytes() == whole_lines[: len(whole_lines) // 3]
    assert others == {name: (cut / name).read_bytes() for name in others}


@pytest.mark.slow
def test_a_last_line_that_was_cut_short_is_written_again(recipe: jaxdl.Experiment, whole: Path, cut: Path) -> None:
    with (cut / "metrics.jsonl").open("a") as file:
        file.write('{"step": 99, "epo')
    run(recipe, cut)
    assert compare(whole, cut) == []


@pytest.mark.parametrize("name", ["config.json", "record.json"])
def test_a_damaged_config_or_record_is_named(recipe: jaxdl.Experiment, cut: Path, name: str) -> None:
    cut_short(cut / name)
    before = {path: path.read_bytes() for path in cut.rglob("*") if path.is_file() and path.name != ".jaxdl.lock"}
    with pytest.raises(UserError, match=f"{name} is damaged"):
        run(recipe, cut)
    assert before == {path: path.read_bytes() for path in before}


def test_changed_data_are_refused_unless_they_are_accepted(
    recipe: jaxdl.Experiment, cut: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jaxdl.data.sources.digits._SPLIT_SEED", 1)
    with pytest.raises(UserError, match="was started with other data .* or --accept_changed_data"):
        run(recipe, cut)
    lines: list[str] = []
    summary = run(recipe, cut, notify=lines.append, accept_changed_data=True)
    assert summary["status"] == "completed"
    assert any("under other conditions" in line and "data_fingerprint" in line for line in lines)


@pytest.mark.slow
def test_data_of_another_size_are_never_accepted_and_accepted_data_are_remembered(
    recipe: jaxdl.Experiment, cut: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = checkpoint_steps(cut)
    load = jaxdl.Digits.load

    def fewer(self: jaxdl.Digits, *arguments: Any) -> Any:
        dataset = load(self, *arguments)
        train = {name: array[:-100] for name, array in dataset.splits["train"].items()}
        return dataclasses.replace(dataset, splits={**dataset.splits, "train": train}, fingerprint="fewer")

    with monkeypatch.context() as patch:
        patch.setattr(jaxdl.Digits, "load", fewer)
        with pytest.raises(UserError, match=r"an epoch had 21 steps and has 19 now"):
            run(recipe, cut, accept_changed_data=True)
    assert checkpoint_steps(cut) == before
    stop_after(monkeypatch, recipe, cut, savings=1)
    with monkeypatch.context() as patch:
        patch.setattr("jaxdl.data.sources.digits._SPLIT_SEED", 1)
        with pytest.raises(Stopped):
            patch.setattr(Checkpoints, "save", lambda *arguments, **options: (_ for _ in ()).throw(Stopped))
            run(recipe, cut, accept_changed_data=True)
    with pytest.raises(UserError, match="was started with other data"):  # those of the beginning are the others now
        run(recipe, cut)


@pytest.mark.slow
def test_a_source_that_fails_leaves_no_directory_and_keeps_an_earlier_run(
    recipe: jaxdl.Experiment, whole: Path, cut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(5, "Input/output error", "/data/set/train-00003")

    with monkeypatch.context() as patch:
        patch.setattr(jaxdl.Digits, "read", fail)
        for folder in (tmp_path / "new", cut):
            with pytest.raises(OSError, match="Input/output error"):
                run(recipe, folder)
    assert not (tmp_path / "new").exists()
    run(recipe, cut)
    assert compare(whole, cut) == []


def test_the_metrics_of_a_cut_run_are_those_before_the_cut(cut: Path) -> None:
    assert [line["epoch"] for line in read_metrics(cut)] == [1, 1]
    assert json.loads((cut / "summary.json").read_text())["epoch"] == 1
