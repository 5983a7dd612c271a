"""What is written and read, and that jaxdl's side runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import jaxdl
from benchmarks.process import ROOT
from benchmarks.text_worker import sentences
from benchmarks.texts import write_sentences


def test_the_peers_read_as_jaxdl_does(tmp_path: Path) -> None:
    write_sentences(tmp_path, count=50)
    read, vocabulary = sentences(tmp_path)
    assert {split: len(both) for split, both in read.items()} == {"test": 20, "train": 80}
    assert {label for _, label in read["train"]} == {0, 1}
    assert max(max(ids) for ids, _ in read["train"]) == vocabulary - 1
    data = jaxdl.Text(str(tmp_path), min_count=2, validation=0.0, test=0.2).load(notify=lambda line: None)
    assert {split: len(arrays["targets"]) for split, arrays in data.splits.items()} == {"test": 20, "train": 80}


@pytest.mark.slow
@pytest.mark.nightly
def test_jaxdl_makes_a_model_of_sentences(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    write_sentences(folder, count=400)
    command = [sys.executable, "-m", "benchmarks.text_worker", "jaxdl", str(folder), "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    told = json.loads(done.stdout)
    assert len(told["epochs"]) == 2 and told["core_seconds"] > 0 and 0 <= told["accuracy"] <= 1
