"""What a person should know of encoded trees: sizes, heights, words, the classes of roots, and examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxdl.data.spec import Dataset, Spec, Split
from jaxdl.data.trees.encoding import UNKNOWN, TreeFormat, brackets

_COMMONEST = 20


def tree_facts(dataset: Dataset, form: TreeFormat) -> dict[str, str]:
    """Returns facts by name."""
    capitals = ", in lower case" if form.lowercase else ""
    facts = {
        "words": f"{len(form.words):,} known{capitals}, and one id for all others",
        "commonest words": " ".join(map(repr, form.words[:_COMMONEST])),
        "unknown words": ", ".join(f"{name} {_unknown(split):.2%}" for name, split in dataset.splits.items()),
    }
    for name, split in dataset.splits.items():
        facts[f"trees of {name}"] = f"{_range(split['lengths'])} nodes; height {_range(_heights(split))}"
    if dataset.spec.target_shape:
        for name, split in dataset.splits.items():
            facts[f"roots of {name}"] = _roots(split, dataset.spec)
    return facts


def shown_trees(inputs: np.ndarray, lengths: np.ndarray, form: TreeFormat) -> Sequence[str]:
    """Returns encoded trees (trees, nodes, 3) in brackets, in which unknown words are marked."""
    return [brackets(rows[:length], form) for rows, length in zip(inputs, lengths, strict=True)]


def root_targets(split: Split) -> np.ndarray:
    """Returns the target of each root, (trees,)."""
    targets: np.ndarray = split["targets"]
    if targets.ndim > 1:
        targets = targets[np.arange(len(targets)), np.maximum(split["lengths"] - 1, 0)]
    return targets


def _unknown(split: Split) -> float:
    words = split["inputs"][..., 0]
    return float((words == UNKNOWN).sum() / max(1, np.count_nonzero(words)))


def _heights(split: Split) -> np.ndarray:
    """Returns the height of each tree, (trees,): the steps from the root to the farthest leaf."""
    inputs, lengths = split["inputs"], split["lengths"]
    found = np.zeros(inputs.shape[:2], np.int32)
    tree = np.arange(len(inputs))
    for node in range(1, inputs.shape[1]):  # children come before their parents
        word, left, right = inputs[:, node].T
        below = np.maximum(found[tree, left], found[tree, right]) + 1
        found[:, node] = np.where((node < lengths) & (word == 0), below, 0)
    heights: np.ndarray = found[tree, np.maximum(lengths - 1, 0)]
    return heights


def _range(numbers: np.ndarray) -> str:
    return f"{numbers.min()} to {numbers.max()} (median {np.median(numbers):.0f})"


def _roots(split: Split, spec: Spec) -> str:
    targets = root_targets(split)
    counts = np.bincount(targets, minlength=spec.outputs)
    return ", ".join(
        f"{name} {count / len(targets):.1%}" for name, count in zip(spec.class_names, counts, strict=False)
    )
