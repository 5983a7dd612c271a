"""Generated trees of subtractions: the value of each node against Python's own arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import jaxdl


def test_each_node_is_left_minus_right_modulo_5(tmp_path: Path) -> None:
    dataset = jaxdl.Subtraction(leaves=9, train_examples=200, test_examples=50).load(tmp_path)
    lengths = dataset.splits["train"]["lengths"]
    assert set((lengths + 1) // 2) == set(range(2, 10))
    for split in dataset.splits.values():
        for rows, targets, length in zip(split["inputs"], split["targets"], split["lengths"], strict=True):
            values: list[int] = []
            for word, left, right in rows[:length]:
                values.append(word - 2 if word else (values[left] - values[right]) % 5)
            assert targets[:length].tolist() == values
    assert dataset.spec.vocabulary == 17


def test_all_values_occur_and_splits_differ(tmp_path: Path) -> None:
    dataset = jaxdl.Subtraction().load(tmp_path)
    train, test = dataset.splits["train"], dataset.splits["test"]
    roots = train["targets"][np.arange(len(train["targets"])), train["lengths"] - 1]
    assert (np.bincount(roots) > 0.15 * len(roots)).all()
    assert not np.array_equal(train["inputs"][: len(test["inputs"])], test["inputs"])
    assert jaxdl.Subtraction().load(tmp_path).fingerprint == dataset.fingerprint
