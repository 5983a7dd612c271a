"""The benchmark of reports: what it trains, what it measures, and its table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.reports import BYTES, main, table
from benchmarks.reports_worker import KINDS, PARTS, recipe

FIGURES = {"looking": 0.5, "keeping": 0.125, "writing": 0.25, "core_seconds": 0.75, "bytes": 300_000}


def test_the_table_says_what_is_more_than_allowed() -> None:
    slow, large = FIGURES | {"looking": 0.75}, FIGURES | {"bytes": BYTES + 1}
    lines = table({"mlp": [FIGURES], "unet": [slow], "text": [FIGURES, large]}).splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["yes", "NO", "NO"]
    assert lines[1].split()[:6] == ["mlp", "0.88", "0.50", "0.12", "0.25", "0.75"]


def test_a_kind_that_is_not_known_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--kinds=mlp,tree"])
    assert ended.value.code == 2 and "tree is none of mlp" in capsys.readouterr().err


def test_each_kind_is_a_recipe_of_one_batch(tmp_path: Path) -> None:
    for kind in KINDS:
        assert recipe(kind).training.overfit_batches == 1
    letters = recipe("ctc").data.load(tmp_path, None)
    assert letters.spec.class_names == ("i", "e", "a", "o", "u") and letters.splits["test"]["targets"].shape == (250, 2)


@pytest.mark.slow
def test_a_report_is_measured(tmp_path: Path) -> None:
    assert main(["--kinds=numbers", "--rounds=1", f"--output={tmp_path / 'found.json'}"]) == 0
    found = json.loads((tmp_path / "found.json").read_text())["rounds"]["numbers"][0]
    assert all(found[part] > 0 for part in PARTS) and 10_000 < found["bytes"] < BYTES
