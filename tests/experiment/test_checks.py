"""Checks of an experiment's fields."""

from __future__ import annotations

import pytest

from jaxdl.experiment import checks


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (checks.watch, "validation/ema_loss", "test/loss"),
        (checks.batch_size, 1, 2**24),
        (checks.seed, 2**32 - 1, -1),
        (checks.interval, "30s", "often"),
        (checks.class_weight, (0.0, 1.0), (0.0, 0.0)),
    ],
)
def test_a_check_says_what_is_wrong(check: object, good: object, bad: object) -> None:
    assert callable(check)
    assert check(good) is None
    assert isinstance(check(bad), str)


def test_other_names_stand_for_standard_ones() -> None:
    assert set(checks.PRECISIONS.values()) == {"float32", "bfloat16", "float16"}
