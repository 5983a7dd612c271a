"""What a hook may log, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.steps.functions import make_steps
from jaxdl.training.moment import MomentOf
from tests.small import blobs


@pytest.fixture
def now(recipe: jaxdl.Experiment) -> MomentOf:
    trainer = jaxdl.Trainer(recipe, blobs())
    steps = make_steps(trainer.experiment, trainer.spec, total_steps=1)
    return MomentOf(trainer, steps, blobs(), Path("run"), trainer.init_state(), 3, {"train/loss": 1.0})


def test_numbers_pictures_and_values_are_told_apart(now: MomentOf) -> None:
    now.log("one", np.float32(0.5))
    now.log("two", 2)
    now.log("grey", np.array([[0.0, 1.0], [0.5, 0.25]]))
    now.log("bytes", np.zeros((2, 3, 4), np.uint8))
    now.log("values", np.arange(5.0))
    assert now.numbers == {"one": 0.5, "two": 2}
    assert now.arrays["grey"].dtype == np.uint8 and now.arrays["grey"].tolist() == [[0, 255], [128, 64]]
    assert now.arrays["bytes"].shape == (2, 3, 4) and now.arrays["values"].shape == (5,)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["text"], "log\\('it'\\): give a number, values of one axis, a picture"),
        (np.zeros((2, 3, 5)), "not ndarray of float64 and shape \\(2, 3, 5\\)"),
        (np.full((2, 2), 1.5), "must have values from 0 to 1"),
        (np.full((2, 2), np.nan), "must have values from 0 to 1"),
    ],
)
def test_what_cannot_be_logged_is_said(now: MomentOf, value: Any, message: str) -> None:
    with pytest.raises(jaxdl.UserError, match=message):
        now.log("it", value)


def test_it_is_over_when_the_hook_has_returned(now: MomentOf) -> None:
    inputs = blobs().splits["test"]["inputs"]
    assert now.predict(inputs).shape == (33, 3)
    with pytest.raises(jaxdl.UserError, match="there is no split 'val'; the splits are train, validation, test"):
        now.evaluate("val")
    now.end()
    for use in (lambda: now.predict(inputs), lambda: now.params, lambda: now.evaluate("test")):
        with pytest.raises(jaxdl.UserError, match="this moment of the training is over"):
            use()
