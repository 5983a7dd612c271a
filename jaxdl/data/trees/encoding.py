"""Trees as arrays: one row for each node, with the id of its word or the places of its children."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxdl.data.trees.parsing import Binarize, Tree, TreeError, binary, parse

COLUMNS = ("word", "left", "right")
"""The columns of an encoded tree. Rows are its nodes, the leaves first, from left to right, the others by height: so
children come before their parents, and the root is last. ``word`` is the id of a leaf's word, 0 for other nodes;
``left`` and ``right`` are the rows of the children, 0 for a leaf."""

NO_WORD, UNKNOWN = 0, 1
"""The ids of nodes that are no leaves, and of words that the vocabulary does not have."""


@dataclass(frozen=True)
class TreeFormat:
    """How trees become arrays; prediction does it as training did.

    Attributes:
        words: the vocabulary; the id of the first is 2, after `NO_WORD` and `UNKNOWN`.
        lowercase: whether words are in lower case.
        binarize: how trees become binary, see `jaxdl.data.trees.parsing.binary`.
    """

    words: tuple[str, ...] = ()
    lowercase: bool = True
    binarize: Binarize = "refuse"

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> TreeFormat:
        """Rebuilds it from the JSON form of `dataclasses.asdict`, in which tuples have become lists."""
        return cls(**{**fields, "words": tuple(fields["words"])})

    def read(self, line: str, labelled: bool = True) -> Tree:
        """Returns the binary tree of a line, in lower case where that is asked for.

        Raises:
            TreeError: as `parse` and `binary`.
        """
        tree = binary(parse(line, labelled), self.binarize)
        if not self.lowercase:
            return tree
        return tree._replace(words=[None if word is None else word.lower() for word in tree.words])

    def ids(self) -> dict[str, int]:
        """Returns the id of each word."""
        return {word: number for number, word in enumerate(self.words, UNKNOWN + 1)}

    def word(self, number: int) -> str:
        """Returns the word of an id; the unknown one as ``<unknown>``."""
        return "<unknown>" if number == UNKNOWN else self.words[number - UNKNOWN - 1]


def heights(tree: Tree) -> list[int]:
    """Returns for each node the number of steps to the farthest leaf below it."""
    found: list[int] = []
    for children in tree.children:
        found.append(1 + max(found[child] for child in children) if children else 0)
    return found


def encode(
    trees: Sequence[Tree], nodes: int, word_id: Callable[[str], int], label_id: Callable[[str | None], int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns trees as arrays.

    Args:
        trees: binary trees of at most `nodes` nodes.
        nodes: rows of each tree, with padding.
        word_id: gives the id of a word.
        label_id: gives the class of a label.

    Returns:
        (trees, nodes, 3) int32, see `COLUMNS`; the classes (trees, nodes) int32; and the number of nodes of each,
        (trees,) int32. Rows beyond it are 0.
    """
    inputs = np.zeros((len(trees), nodes, len(COLUMNS)), np.int32)
    labels = np.zeros((len(trees), nodes), np.int32)
    lengths = np.array([len(tree.labels) for tree in trees], np.int32)
    for number, tree in enumerate(trees):
        order = np.argsort(heights(tree), kind="stable")
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        words = [NO_WORD if word is None else word_id(word) for word in tree.words]
        pairs = np.array([children or (0, 0) for children in tree.children])
        leaves = (len(order) + 1) // 2
        rows = inputs[number, : len(order)]
        rows[:, 0] = np.array(words)[order]
        rows[leaves:, 1:] = place[pairs[order[leaves:]]]
        labels[number, : len(order)] = np.array([label_id(label) for label in tree.labels])[order]
    return inputs, labels, lengths


def brackets(rows: np.ndarray, form: TreeFormat, labels: Sequence[str] = ()) -> str:
    """Returns an encoded tree as text in brackets; `encode` of its parse gives the same rows.

    Args:
        rows: (nodes, 3) int, without padding.
        form: has the words.
        labels: the label of each node; empty for none.
    """
    texts: list[str] = []
    for number, (word, left, right) in enumerate(rows.tolist()):
        inside = form.word(word) if word else f"{texts[left]} {texts[right]}"
        texts.append(f"({labels[number]} {inside})" if labels else f"({inside})")
    return texts[-1]


def vocabulary(words: Iterable[str], min_count: int) -> tuple[str, ...]:
    """Returns the words that occur often enough, the commonest first, and in alphabetical order where equally common.

    Args:
        words: all words, each as often as it occurs.
        min_count: occurrences that a word must have.
    """
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return tuple(sorted((w for w, n in counts.items() if n >= min_count), key=lambda word: (-counts[word], word)))


__all__ = ["COLUMNS", "NO_WORD", "UNKNOWN", "TreeError", "TreeFormat", "brackets", "encode", "heights", "vocabulary"]
