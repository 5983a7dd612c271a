"""What is written, and that jaxdl's side runs."""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from benchmarks.process import ROOT
from benchmarks.sounds import write_recordings


def test_words_are_written_as_recordings_of_digits(tmp_path: Path) -> None:
    write_recordings(tmp_path, numbers=2, speakers=2)
    expected = {f"{label}_{who}_{number}.wav" for label in range(10) for who in "ab" for number in range(2)}
    assert {path.name for path in tmp_path.iterdir()} == expected
    with wave.open(str(tmp_path / "3_b_1.wav")) as file:
        assert file.getframerate() == 8000 and 2000 <= file.getnframes() <= 4800


@pytest.mark.slow
@pytest.mark.nightly
def test_jaxdl_makes_a_model_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    write_recordings(folder, numbers=8, speakers=1)
    command = [sys.executable, "-m", "benchmarks.sound_worker", "jaxdl", str(folder), "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    told = json.loads(done.stdout)
    assert len(told["epochs"]) == 2 and told["core_seconds"] > 0 and 0 <= told["accuracy"] <= 1
