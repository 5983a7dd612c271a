"""Names of other tools as splits and figures."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from jaxdl.comparison.importers.values import Point, flat, imported_run, parsed, split_of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("val_loss", ("validation", "loss")),
        ("validation/accuracy", ("validation", "accuracy")),
        ("Loss/val", ("validation", "loss")),
        ("eval-f1", ("validation", "f1")),
        ("test_acc", ("test", "acc")),
        ("train/loss", ("train", "loss")),
        ("accuracy_train", ("train", "accuracy")),
        ("learning_rate", ("train", "learning_rate")),
        ("value", ("train", "value")),
    ],
)
def test_a_name_says_its_split(name: str, expected: tuple[str, str]) -> None:
    assert split_of(name) == expected


def test_texts_are_read_as_what_they_are() -> None:
    assert [parsed(text) for text in ("3", "0.1", "1e-3", "True", "none", "adam", "")] == [
        *(3, 0.1, 1e-3, True, None, "adam", "")
    ]
    assert flat({"a": {"b": 1, "c": [1, 2]}, "d": None}) == {"a.b": 1, "a.c": (1, 2), "d": None}


def test_a_run_has_lines_by_step_and_split_and_the_last_figures() -> None:
    points = [
        Point(1, "train/loss", 2.0),
        Point(1, "epoch", 0),
        Point(2, "train/loss", 1.0),
        Point(1, "val_loss", 3.0),
        Point(2, "epoch", 1.0),
        Point(3, "test/accuracy", math.nan),
    ]
    run = imported_run(
        Path("x"), "tool", experiment="e", status="completed", config={"seed": 1}, points=points, seconds=4.0
    )
    assert list(run.history)[:3] == [
        {"step": 1, "split": "train", "loss": 2.0, "epoch": 0},
        {"step": 1, "split": "validation", "loss": 3.0, "epoch": 0},
        {"step": 2, "split": "train", "loss": 1.0, "epoch": 1},
    ]
    assert run.metrics["train/loss"] == 1.0 and math.isnan(run.metrics["test/accuracy"])
    assert {**run.facts, "run": ""} == {
        "experiment": "e",
        "status": "completed",
        "run": "",
        "tool": "tool",
        "step": 3,
        "epoch": 1,
        "wall_seconds": 4.0,
    }
    assert run.seed == 1 and run.value("train/loss") == 1.0
