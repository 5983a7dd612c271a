"""A training whose examples come in chunks ends with the bits of one that has them all on the device."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxdl
from jaxdl.checkpoint.digest import params_sha256
from jaxdl.data.chunks import InParts
from jaxdl.errors import UserError
from jaxdl.record import read_record
from jaxdl.training.epoch import Pause
from jaxdl.training.feed import Feed
from jaxdl.training.streamed import StreamedFeed
from tests.data.pictures import classes
from tests.small import blobs
from tests.training.stopped import run, stop_after


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch, tmp_path):
    """Makes chunks of a few steps, and a cache folder of its own."""
    monkeypatch.setattr("jaxdl.data.chunks.CHUNK_BYTES", 3_500)
    monkeypatch.setattr("jaxdl.data.chunks._FEW_BATCHES", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def arrays_file(path: Path, shape: tuple[int, ...], count: int = 301) -> str:
    random = np.random.RandomState(0)
    inputs = random.randint(0, 256, (count, *shape)).astype(np.uint8)
    np.savez(path, inputs=inputs, targets=(inputs.reshape(count, -1).mean(1) > 127).astype(np.int64))
    return str(path)


def recipe(data: Any, model: Any = None, **changes: Any) -> jaxdl.Experiment:
    made = jaxdl.Experiment(
        name="streamed",
        data=data,
        model=model or jaxdl.MLP(features=(8,), dropout=0.1),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(epochs=2, batch_size=16, eval_batch_size=10),
    )
    return jaxdl.replace(made, changes)


def both(made: jaxdl.Experiment, tmp_path: Path, data_dir: Path | None = None) -> list[dict[str, Any]]:
    """Trains from memory and from disk; returns what must be equal."""
    found = []
    for stream in ("off", "on"):
        run_dir = tmp_path / f"run-{stream}"
        data = dataclasses.replace(made.data, stream=stream)
        summary = jaxdl.train(
            dataclasses.replace(made, data=data), run_dir=run_dir, data_dir=data_dir, notify=lambda line: None
        )
        assert read_record(run_dir)["streamed"] is (stream == "on")
        lines = (run_dir / "metrics.jsonl").read_text()
        found.append({"params": summary["params_sha256"], "data": summary["data"], "metrics": lines})
    return found


def test_an_mlp_on_arrays_ends_with_the_same_bits(tmp_path):
    file = arrays_file(tmp_path / "a.npz", (60,))
    memory, disk = both(recipe(jaxdl.ArrayFile(path=file, scale=1 / 255)), tmp_path)
    assert memory == disk


def test_folds_from_disk_end_with_the_bits_of_folds_in_memory(tmp_path):
    """Their steps, examples, statistics and out-of-fold predictions are the same; one program trains all of them."""
    data = jaxdl.ArrayFile(path=arrays_file(tmp_path / "a.npz", (12,)), scale=1 / 255, folds=3)
    found = []
    for stream in ("off", "on"):
        made = recipe(dataclasses.replace(data, stream=stream), **{"training.epochs": 1})
        execution = jaxdl.Execution(batch="off")
        found.append(jaxdl.sweep(made, sweep_dir=tmp_path / stream, execution=execution, notify=None))
    memory, disk = found
    assert disk.compiled == {"train": 1, "eval": 1}
    for one, other in zip(memory.trials, disk.trials, strict=True):
        assert one.outcome is not None and other.outcome is not None
        assert one.outcome.params_sha256 == other.outcome.params_sha256 and one.outcome.metrics == other.outcome.metrics
    predictions = [results.out_of_fold() for results in found]
    assert len(np.unique(predictions[1]["examples"])) == len(predictions[1]["examples"]) > 200
    for name, array in predictions[0].items():
        assert np.array_equal(array, predictions[1][name])


@pytest.mark.slow
def test_class_weights_and_weighted_metrics_are_the_same(tmp_path):
    file = arrays_file(tmp_path / "a.npz", (60,))
    made = recipe(
        jaxdl.ArrayFile(path=file),
        **{"training.class_weight": "balanced", "weighted_metrics": True, "training.epochs": 1},
    )
    memory, disk = both(made, tmp_path)
    assert memory == disk and len(memory["data"]["class_weight"]) == 2


@pytest.mark.slow
def test_a_cnn_on_a_folder_with_augmentation_ends_with_the_same_bits(tmp_path):
    data = jaxdl.Folder(path=str(classes(tmp_path / "set", 30)), size=8)
    made = recipe(data, jaxdl.CNN(features=(4,), dense=(8,), pool_after=None), augmentation=jaxdl.Augmentation(shift=2))
    memory, disk = both(made, tmp_path)
    assert memory == disk


@pytest.mark.slow
def test_sequences_in_buckets_end_with_the_same_bits(tmp_path):
    random = np.random.RandomState(0)
    lengths = np.where(np.arange(90) % 3, random.randint(1, 9, 90), 40)
    np.savez(tmp_path / "a.npz", inputs=random.randn(90, 40, 2), targets=random.randint(0, 2, 90), lengths=lengths)
    made = recipe(jaxdl.ArrayFile(path=str(tmp_path / "a.npz")), jaxdl.RNN(features=(4,)))
    memory, disk = both(made, tmp_path)
    assert memory == disk


@pytest.fixture
def tiny_chunks(monkeypatch):
    """Makes chunks of two steps of `blobs`."""
    monkeypatch.setattr("jaxdl.data.chunks.CHUNK_BYTES", 700)


def in_parts() -> jaxdl.Trainer:
    made = recipe(jaxdl.Digits(), **{"training.epochs": 3})
    return jaxdl.Trainer(made, dataclasses.replace(blobs(), in_parts=True))


def test_steps_take_the_batches_that_they_take_from_memory(tiny_chunks):
    memory, parts = jaxdl.Trainer(recipe(jaxdl.Digits()), blobs()), in_parts()
    assert isinstance(memory.feed, Feed) and isinstance(parts.feed, StreamedFeed)
    assert (parts.feed.steps_per_chunk, parts.feed.steps_per_epoch) == (2, 4)
    for step in range(2 * memory.steps_per_epoch):
        one, other = memory.feed.batch(step), parts.feed.batch(step)
        for name, array in one.items():
            assert np.array_equal(array, other[name])


@pytest.mark.slow
def test_losses_and_gradients_of_any_step_are_the_same(tiny_chunks):
    memory, parts = jaxdl.Trainer(recipe(jaxdl.Digits(), **{"training.epochs": 3}), blobs()), in_parts()
    states = [trainer.init_state() for trainer in (memory, parts)]
    found = [trainer.advance(state, 5) for trainer, state in zip((memory, parts), states, strict=True)]
    assert np.array_equal(found[0][1], found[1][1])
    gradients = [t.loss_and_gradients(state) for t, (state, _) in zip((memory, parts), found, strict=True)]
    for one, other in zip(*map(jax.tree.leaves, gradients), strict=True):
        assert np.array_equal(one, other)


class At:
    """Pauses at some steps."""

    def __init__(self, steps: set[int]):
        self._steps = steps

    def at_most(self, step: int) -> int:
        return min((each - step for each in self._steps if each > step), default=1000)

    def due(self, step: int) -> bool:
        return step in self._steps


@pytest.mark.parametrize("steps", [{1, 3, 6}, {2, 3, 9}])
def test_pausing_anywhere_and_starting_anew_changes_no_bit(tiny_chunks, steps):
    expected = [epoch for epoch in in_parts().train(in_parts().init_state())][-1]
    trainer = in_parts()
    state, rows, epoch = trainer.init_state(), None, None
    while epoch is None or not epoch.is_last:
        for point in trainer.train(state, rows=rows, pauses=At(steps)):
            if isinstance(point, Pause):
                state, rows, steps = point.state, point.rows, steps - {point.step}
                trainer.close()
                trainer = in_parts()
                break
            epoch, rows = point, None
    assert params_sha256(epoch.state.params) == params_sha256(expected.state.params)
    assert epoch.metrics == expected.metrics


@pytest.mark.slow
def test_a_run_that_fails_in_the_middle_resumes_to_the_same_bits(tmp_path, monkeypatch):
    file = arrays_file(tmp_path / "a.npz", (60,))
    made = recipe(jaxdl.ArrayFile(path=file, stream="on"))
    straight = run(made, tmp_path / "straight")
    stop_after(monkeypatch, made, tmp_path / "stopped", 2)
    assert run(made, tmp_path / "stopped")["params_sha256"] == straight["params_sha256"]


@pytest.mark.slow
def test_a_run_may_resume_from_memory(tmp_path, monkeypatch):
    file = arrays_file(tmp_path / "a.npz", (60,))
    made = recipe(jaxdl.ArrayFile(path=file, stream="off"))
    straight = run(made, tmp_path / "straight")
    stop_after(monkeypatch, recipe(jaxdl.ArrayFile(path=file, stream="on")), tmp_path / "stopped", 2)
    assert run(made, tmp_path / "stopped")["params_sha256"] == straight["params_sha256"]


def test_a_file_that_becomes_shorter_ends_the_training_with_one_message(tmp_path, monkeypatch):
    file = Path(arrays_file(tmp_path / "a.npz", (60,)))
    read = InParts.read

    def cut(self: InParts, split: str, numbers: np.ndarray, room: int) -> dict[str, np.ndarray]:
        with file.open("r+b") as opened:
            opened.truncate(1000)
        return read(self, split, numbers, room)

    monkeypatch.setattr(InParts, "read", cut)
    with pytest.raises(UserError, match=r"a\.npz became shorter while it was read"):
        run(recipe(jaxdl.ArrayFile(path=str(file), stream="on")), tmp_path / "run")


def test_chunks_under_way_count_as_memory_of_the_program(tiny_chunks):
    trainer = in_parts()
    assert isinstance(trainer.feed, StreamedFeed)
    assert trainer.feed.bytes_beside == 4 * 2 * 16 * (4 * 4 + 4)
    assert trainer.programs.memory_needed() > 5 * 2 * 16 * (4 * 4 + 4)


def test_no_thread_is_left_and_nothing_is_read_beyond_the_last_epoch(tiny_chunks, monkeypatch):
    asked = []
    read = InParts.read

    def noted(self: InParts, split: str, numbers: np.ndarray, room: int) -> dict[str, np.ndarray]:
        asked.append((split, len(numbers)))
        return read(self, split, numbers, room)

    monkeypatch.setattr(InParts, "read", noted)
    before = set(threading.enumerate())
    trainer = in_parts()
    list(trainer.train(trainer.init_state()))
    trainer.close()
    trainer.close()
    visited = sum(count for split, count in asked if split == "train")
    assert visited == 3 * trainer.steps_per_epoch * 16
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("jaxdl-stream"):
            thread.join(5)
            assert not thread.is_alive()


@pytest.mark.slow
def test_a_sweep_trains_one_after_another_and_says_why(tmp_path):
    file = arrays_file(tmp_path / "a.npz", (60,), 120)
    lines: list[str] = []
    results = jaxdl.sweep(
        recipe(jaxdl.ArrayFile(path=file, stream="on")),
        {"optimizer.learning_rate": "1e-3,1e-2"},
        sweep_dir=tmp_path / "sweep",
        data_dir=tmp_path,
        notify=lines.append,
    )
    assert len(results.trials) == 2
    assert "one trial after another, since each reads its examples in an order of its own" in "\n".join(lines)
