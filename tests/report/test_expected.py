"""What the experiments' docstrings expect is read as it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

import jaxdl.errors
from jaxdl.experiment.registry import docstring_of
from jaxdl.report.expected import compared, expectations, expected_text

EXPERIMENTS = Path(jaxdl.errors.__file__).parents[1] / "experiments"
TEXT = "Expected: test accuracy 0.9916 (median; 0.9861 to 0.9944), measured over the seeds 0, 1 and 2."


def test_the_paragraph_is_found_and_its_lines_are_joined() -> None:
    assert expected_text("A line.\n\nRecipe: x.\nExpected: test accuracy\n0.9 or so.\n\nMore.") == (
        "Expected: test accuracy 0.9 or so."
    )
    assert expected_text("A line.\n\nRecipe: x.") == ""


def test_a_run_is_within_what_was_seen_after_rounding() -> None:
    ((found, value),) = compared(TEXT, {"test/accuracy": 0.98607, "test/loss": 0.1})
    assert (found.metric, found.median, found.least, found.most, value) == ("accuracy", 0.9916, 0.9861, 0.9944, 0.98607)
    assert [found.verdict(each) for each in (0.98607, 0.9859, 0.9961)] == ["within", "below", "above"]
    assert compared(TEXT, {"test/loss": 0.1}) == []


@pytest.mark.parametrize(
    ("name", "metrics"),
    [
        ("digits_cnn", ["accuracy"]),
        ("diabetes_mlp", ["mean_absolute_error", "r_squared"]),
        ("temperature_rnn", ["mean_absolute_error", "root_mean_squared_error"]),
        ("segmentation_unet", ["mean_iou"]),
    ],
)
def test_shipped_experiments_are_read(name: str, metrics: list[str]) -> None:
    text = expected_text(docstring_of(EXPERIMENTS / f"{name}.py"))
    found = [each.metric for each in expectations(text)]
    assert found == metrics[: len(found)] and found


def test_every_shipped_experiment_says_what_to_expect() -> None:
    for path in EXPERIMENTS.glob("*.py"):
        assert expected_text(docstring_of(path)), path.name
