"""Evaluation in chunks: the figures of all examples at once, to the bit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import jaxdl
from jaxdl.data import chunks
from jaxdl.training.loop import Trainer
from tests.small import blobs


@pytest.mark.parametrize("size", [100, 900])
def test_figures_of_every_split_are_equal_to_the_bit(monkeypatch, size):
    monkeypatch.setattr(chunks, "CHUNK_BYTES", size)
    made = jaxdl.Experiment(
        name="parts",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(8,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
        training=jaxdl.Training(epochs=1, batch_size=16, eval_batch_size=7),
        metrics=("accuracy", "confusion"),
    )
    memory, parts = Trainer(made, blobs()), Trainer(made, dataclasses.replace(blobs(), in_parts=True))
    state = memory.init_state()
    for split in ("train", "validation", "test"):
        one, other = memory.evaluate(state, split), parts.evaluate(state, split)
        assert one.keys() == other.keys()
        assert all(np.array_equal(value, other[name]) for name, value in one.items())


@pytest.mark.slow
def test_a_saved_run_is_evaluated_from_disk_too(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    random = np.random.RandomState(0)
    np.savez(tmp_path / "a.npz", inputs=random.rand(90, 3), targets=np.arange(90) % 2)
    made = jaxdl.Experiment(
        name="saved",
        data=jaxdl.ArrayFile(path=str(tmp_path / "a.npz"), stream="on"),
        model=jaxdl.MLP(features=(4,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
        training=jaxdl.Training(epochs=1, batch_size=16),
    )
    summary = jaxdl.train(made, run_dir=tmp_path / "run", notify=None)
    found = jaxdl.evaluate(tmp_path / "run", notify=lambda line: None)
    assert found["metrics"]["test/loss"] == summary["metrics"]["test/loss"]
