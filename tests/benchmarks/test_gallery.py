"""The gallery: the page is what the recorded runs and the files of the experiments say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import jaxdl
from benchmarks.gallery import CURVES, PAGE, RECORDED, add, command_of, experiments, page, paragraphs
from tests.comparison.made import made

RECORD = {
    "command": ["launch.py", "--quiet", "--experiment=digits", "--run_dir=/a/b", "--data=series:/a/b.csv", "--seed=1"],
    "devices": [{"platform": "cpu", "kind": "cpu", "count": 1}],
    "cpu": {"model": "A processor", "cores": 4, "cores_usable": 2},
    "versions": {"python": "3.11", "jaxdl": "0.3.0", "jax": "0.10.2"},
}


def test_the_page_in_docs_is_made_of_what_was_recorded() -> None:
    text, curves = page(experiments())
    assert PAGE.read_text() == text, "python -m benchmarks.gallery write"
    assert {path.name: path.read_text() for path in CURVES.glob("*.svg")} == curves
    for file in experiments():
        assert f"## {file.stem}\n" in text


def test_no_path_of_a_machine_is_recorded() -> None:
    for file in RECORDED.glob("*.json"):
        for run in json.loads(file.read_text()):
            assert run["machine"] and not re.search(r"(?<![\w:/])/\w|:/", json.dumps(run))


def test_a_command_has_no_paths() -> None:
    assert command_of(RECORD["command"]) == "launch.py --experiment=digits --data=series:PATH --seed=1"
    assert command_of(["launch.py", "--init_from=/a/b"]) == "launch.py --init_from=PATH"


def test_runs_are_added_by_seed_and_shown_by_their_median(tmp_path: Path) -> None:
    for seed, accuracy in enumerate((0.9, 0.96, 0.95)):
        path = made(tmp_path / f"runs/{seed}", seed=seed, accuracy=accuracy, curve=(0.5, 0.75, accuracy))
        summary = json.loads((path / "summary.json").read_text())
        summary |= {"parameters": 1234, "train_examples_per_second": 1000.4}
        (path / "summary.json").write_text(json.dumps(summary))
        (path / "record.json").write_text(json.dumps(RECORD))
    for _ in range(2):
        add(jaxdl.find_runs(tmp_path / "runs"), tmp_path / "recorded")
    (tmp_path / "digits.py").write_text(
        '"""A title.\n\n    python launch.py --experiment=digits\n\nRecipe: a book,\npage 3.\nExpected: much.\n"""\n'
    )
    assert paragraphs(tmp_path / "digits.py")["Recipe"] == "Recipe: a book, page 3."
    text, curves = page([tmp_path / "digits.py"], tmp_path / "recorded")
    assert "| test/accuracy | 0.9500 (median; 0.9000 to 0.9600) |" in text and "| seeds | 0, 1, 2 |" in text
    assert "| machine | A processor, 2 cores; Python 3.11, JAX 0.10.2 |" in text and "1:01 (61 s)" in text
    assert "Recipe: a book, page 3." in text and "Expected: much." in text
    assert curves["digits.svg"].count("<polyline") == 1 and "accuracy by epoch" in curves["digits.svg"]


def test_a_stand_in_is_named_and_what_is_not_completed_is_refused(tmp_path: Path) -> None:
    used = {"requested": "mnist", "used": "digits", "substituted": True}
    path = made(tmp_path / "a", data=used)
    summary = json.loads((path / "summary.json").read_text()) | {"parameters": 1, "train_examples_per_second": 1.0}
    (path / "summary.json").write_text(json.dumps(summary))
    (path / "record.json").write_text(json.dumps(RECORD))
    add(jaxdl.find_runs(path), tmp_path / "recorded")
    (tmp_path / "digits.py").write_text('"""A title.\n\n    python launch.py\n"""\n')
    text, curves = page([tmp_path / "digits.py"], tmp_path / "recorded")
    assert "**Measured on a stand-in, digits (stand-in for mnist): not comparable" in text and curves == {}
    with pytest.raises(SystemExit, match="is preempted: only completed"):
        add(jaxdl.find_runs(made(tmp_path / "b", status="preempted")), tmp_path / "recorded")
    text, _ = page([tmp_path / "digits.py"], tmp_path / "none")
    assert text.endswith("Measured: not yet, in this gallery.\n")
