"""How long to train, in what precision and batches."""

from __future__ import annotations

import pytest

import jaxdl


@pytest.mark.parametrize(("given", "scales"), [("fp16", True), ("float16", True), ("bf16", False), ("32", False)])
def test_only_float16_needs_a_scaled_loss(given: str, scales: bool) -> None:
    assert jaxdl.Training(precision=given).scales_loss is scales  # type: ignore[arg-type]


def test_without_flags_a_batch_is_one_part_and_nothing_is_averaged() -> None:
    training = jaxdl.Training()
    assert (training.accumulate, training.ema, training.precision) == (1, 0.0, "float32")
