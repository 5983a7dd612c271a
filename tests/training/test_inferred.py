"""What is inferred from the targets of a data source where `jaxdl.fit` is given no loss; of arrays see `test_fit`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.data import DATA
from jaxdl.objectives import OBJECTIVES
from jaxdl.training.inferred import objective_for_source

X = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)


@jaxdl.source
def sides(*, columns: int = 3) -> Any:
    """Points, and for some axes whether they lie above the middle."""
    y = (X[:, :columns] > 0).astype(int)
    return {"train": (X[::2], y[::2]), "test": (X[1::2], y[1::2])}


@jaxdl.source
def both() -> Any:
    """Two targets by their names."""
    targets = {"side": (X[:, 0] > 0).astype(int), "sum": X.sum(1)}
    return {"train": (X, targets), "test": (X, targets)}


@pytest.mark.parametrize(
    ("data", "loss", "said"),
    [
        (sides(columns=3), "sigmoid_cross_entropy", "3 columns of 0 and 1 are yes-or-no questions"),
        ("iris", "softmax_cross_entropy", "the targets of iris are 3 classes"),
        ("diabetes", "mean_squared_error", "the targets of diabetes are numbers to predict"),
        ("bits", "sigmoid_cross_entropy", "the targets of bits are 0 or 1"),
    ],
)
def test_the_loss_of_a_source_follows_from_its_targets(data: Any, loss: str, said: str) -> None:
    lines: list[str] = []
    found = objective_for_source(None, None, lambda: loaded(data), lines.append)
    assert (OBJECTIVES.name_of(found), lines) == (loss, [f"fit: {said}; loss={loss}."])


def loaded(data: Any) -> jaxdl.data.Dataset:
    """Returns the set that is meant by a name or a source."""
    source: jaxdl.Data = DATA.make(data) if isinstance(data, str) else data
    return source.load(None, lambda line: None)


def test_each_of_several_targets_has_the_loss_that_it_needs() -> None:
    lines: list[str] = []
    found: Any = objective_for_source({"sum": "huber"}, {"sum": 0.5}, lambda: loaded(both()), lines.append)
    assert {name: OBJECTIVES.name_of(each) for name, each in found.parts.items()} == {
        "side": "softmax_cross_entropy",
        "sum": "huber",
    }
    assert lines == ["fit: side: the targets of both are 2 classes; loss=softmax_cross_entropy."]
    with pytest.raises(jaxdl.UserError, match=r"several targets; give loss=\{'side': ..., 'sum': ...\}"):
        objective_for_source(jaxdl.losses, None, lambda: loaded(both()), lines.append)


def test_what_is_named_is_taken_without_reading_the_data() -> None:
    def never() -> jaxdl.data.Dataset:
        raise AssertionError

    assert OBJECTIVES.name_of(objective_for_source("mse", None, never, print)) == "mean_squared_error"
