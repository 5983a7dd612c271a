"""Learning curves: each metric of train and validation, what hooks logged, learning rate and speed."""

from __future__ import annotations

import re

from jaxdl.report.curves import curves_section

LINES = [
    {"step": 10, "epoch": 1, "split": "train", "loss": 2.0, "gradient_norm": 5.0},
    {"step": 10, "epoch": 1, "split": "validation", "loss": 1.5, "accuracy": 0.5, "confusion": [[1]]},
    {"step": 15, "epoch": 1, "split": "hooks", "extra": 7.0},
    {"step": 20, "epoch": 2, "split": "train", "loss": 1.0, "gradient_norm": 4.0},
    {"step": 20, "epoch": 2, "split": "test", "loss": 9.0},
]
PROGRESS = [{"step": 10, "epoch": 1, "examples_per_second": 100.0, "learning_rate": 0.1}]


def test_the_loss_comes_first_and_norms_rate_and_speed_last() -> None:
    text = curves_section(LINES, PROGRESS, {}, "digits", 10)
    titles = re.findall("<figcaption>(.*?)</figcaption>", text)
    expected = ["loss", "accuracy", "extra", "gradient_norm", "learning rate", "examples per second in training"]
    assert titles == [f"{title}, digits" for title in expected]
    assert '"x":[1.5]' in text  # of a hook in the middle of an epoch
    assert '"y":[9.0]' not in text  # test is measured once


def test_the_best_possible_loss_is_a_level_of_the_loss_alone() -> None:
    text = curves_section(LINES, [], {"best_loss": 0.25}, "", None)
    assert text.count('"reference":["best possible",0.25]') == 1 and text.count(">best possible<") == 1


def test_without_figures_there_is_no_section() -> None:
    assert curves_section([], [], {}, "digits", None) == ""
