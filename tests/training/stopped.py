"""Trainings that save often, and that a test stops in the middle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.checkpoint import Checkpoints
from jaxdl.training.summary import Summary

SAVED_OFTEN = {"checkpoint.every": "5steps", "training.epochs": 3}


class Stopped(Exception):
    """Ends a training in the middle, as a fault of any kind does."""


def run(recipe: jaxdl.Experiment, run_dir: Path, **options: Any) -> Summary:
    options = {"notify": lambda line: None} | options
    return jaxdl.train(jaxdl.replace(recipe, SAVED_OFTEN), run_dir=run_dir, data_dir=run_dir, **options)


def stop_after(monkeypatch: pytest.MonkeyPatch, recipe: jaxdl.Experiment, run_dir: Path, savings: int) -> None:
    """Trains until so many checkpoints were written, and fails then."""
    save, count = Checkpoints.save, 0

    def counted(self: Checkpoints, *arguments: Any, **options: Any) -> None:
        nonlocal count
        save(self, *arguments, **options)
        count += 1
        if count == savings:
            self.wait()
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", counted)
        with pytest.raises(Stopped):
            run(recipe, run_dir)


def checkpoint_steps(run_dir: Path) -> list[int]:
    return sorted(int(path.name) for path in (run_dir / "checkpoints").iterdir() if path.name.isdigit())


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
