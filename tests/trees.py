"""Trees drawn at random, as text and as nested tuples, and the plain recursions that tests compare with."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

WORDS = ("the", "film", "is", "good", "not", "bad", "\xa0", "d'où", "8/2", "-LRB-")
LABELS = ("0", "1", "2")

# A leaf is (label, word), another node (label, left, right).
Nested = tuple[Any, ...]


def nested(most_leaves: int = 12) -> st.SearchStrategy[Nested]:
    """Draws binary trees with a label at each node."""
    leaves = st.tuples(st.sampled_from(LABELS), st.sampled_from(WORDS))
    return st.recursive(leaves, lambda node: st.tuples(st.sampled_from(LABELS), node, node), max_leaves=most_leaves)


def text(tree: Nested, labels: bool = True) -> str:
    """Returns a tree in brackets."""
    inside = tree[1] if is_leaf(tree) else " ".join(text(child, labels) for child in tree[1:])
    return f"({tree[0]} {inside})" if labels else f"({inside})"


def is_leaf(tree: Nested) -> bool:
    return isinstance(tree[1], str)


def nodes(tree: Nested) -> list[Nested]:
    """Returns the nodes of a tree, children before their parents."""
    return [*([] if is_leaf(tree) else [node for child in tree[1:] for node in nodes(child)]), tree]
