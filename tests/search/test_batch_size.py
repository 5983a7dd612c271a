"""The batch sizes that fit, and the fastest one."""

from __future__ import annotations

from pathlib import Path

import pytest

import jaxdl.search.batch_size
from jaxdl.backend.memory import free_memory
from jaxdl.errors import UserError
from jaxdl.search.batch_size import BatchSize, batch_find, fastest, largest
from jaxdl.training.loop import Trainer
from tests.experiments.twins import twin


@pytest.mark.slow
def test_sizes_double_until_the_train_split_is_used_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxdl.search.batch_size, "_MEASURED_SECONDS", 0.02)
    monkeypatch.setattr(jaxdl.search.batch_size, "_MOST_SLOWER", 100)
    lines: list[str] = []
    found = batch_find(twin("digits_mlp"), data_dir=tmp_path, notify=lines.append)
    train = 1797 - 359 - 360
    assert [each.size for each in found] == [size for size in (8 * 2**n for n in range(12)) if size <= train]
    assert all(each.examples_per_second and each.examples_per_second > 0 for each in found)
    # Activations and inputs grow with the batch: 64 inputs in float32 at least.
    assert found[-1].bytes_needed and found[0].bytes_needed
    assert found[-1].bytes_needed - found[0].bytes_needed > (found[-1].size - found[0].size) * 64 * 4
    assert len(lines) >= len(found)


@pytest.mark.slow
def test_a_size_that_does_not_fit_ends_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxdl.search.batch_size, "_MEASURED_SECONDS", 0.02)
    sizes = {each.size: each.bytes_needed for each in batch_find(twin("digits_mlp"), data_dir=tmp_path)}
    monkeypatch.setattr(jaxdl.search.batch_size, "free_memory", lambda: sizes[32] / 0.9 + 1)  # type: ignore[operator]
    found = batch_find(twin("digits_mlp"), data_dir=tmp_path)
    assert [(each.size, each.examples_per_second is not None) for each in found] == [
        (8, True),
        (16, True),
        (32, True),
        (64, False),
    ]
    monkeypatch.setattr(jaxdl.search.batch_size, "free_memory", lambda: 1)
    with pytest.raises(UserError, match="not even a batch of 8 fits"):
        batch_find(twin("digits_mlp"), data_dir=tmp_path)


def test_the_fastest_and_the_largest_are_told_apart() -> None:
    timed = [BatchSize(8, 1, True, 5.0), BatchSize(16, 2, True, 9.0), BatchSize(32, 3, True, 7.0)]
    found = [*timed, BatchSize(64, 4, True, None), BatchSize(128, 9, False, None)]
    assert fastest(found).size == 16 and largest(found).size == 64


@pytest.mark.slow
def test_sizes_beyond_the_fastest_are_not_run_but_told_whether_they_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaxdl.search.batch_size, "_MEASURED_SECONDS", 0.02)
    monkeypatch.setattr(jaxdl.search.batch_size, "seconds_each", lambda run, first, most, seconds: 1.0 * run(1))
    monkeypatch.setattr(Trainer, "time_steps", lambda trainer, count: float(8**9))
    monkeypatch.setattr(jaxdl.search.batch_size, "_slower", lambda found: len(found) >= 2)
    found = batch_find(twin("digits_mlp"), data_dir=tmp_path)
    assert all(each.fits for each in found) and largest(found).size == 1024
    assert [each.examples_per_second is not None for each in found] == [True, True] + [False] * (len(found) - 2)


def test_free_memory_is_that_of_the_machine() -> None:
    assert 2**20 < free_memory() < 2**50
