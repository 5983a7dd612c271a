"""Encoded trees: their order, and that they hold all of the tree."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.data.trees.encoding import TreeFormat, brackets, encode, heights, vocabulary
from jaxdl.data.trees.parsing import parse
from tests.trees import LABELS, WORDS, Nested, is_leaf, nested, nodes, text

FORM = TreeFormat(WORDS, lowercase=False)


def height(tree: Nested) -> int:
    return 0 if is_leaf(tree) else 1 + max(height(child) for child in tree[1:])


@given(st.lists(nested(), min_size=1, max_size=4), st.integers(0, 3))
def test_an_encoded_tree_holds_all_of_it_with_its_nodes_in_order(trees: list[Nested], more: int) -> None:
    size = max(len(nodes(tree)) for tree in trees) + more
    inputs, labels, lengths = encode(
        [parse(text(tree)) for tree in trees], size, FORM.ids().__getitem__, lambda label: LABELS.index(label or "")
    )
    assert inputs.shape == (len(trees), size, 3)
    for tree, rows, classes, length in zip(trees, inputs, labels, lengths, strict=True):
        assert length == len(nodes(tree))
        assert not rows[length:].any()
        assert not classes[length:].any()
        assert brackets(rows[:length], FORM, [LABELS[number] for number in classes]) == text(tree)
        assert [FORM.word(word) for word in rows[:length, 0] if word] == [n[1] for n in nodes(tree) if is_leaf(n)]
        leaves = (length + 1) // 2
        assert rows[:leaves, 0].all()
        assert not rows[leaves:, 0].any()
        found = [0] * length
        for node, (_, left, right) in enumerate(rows[leaves:length], leaves):
            assert max(left, right) < node
            found[node] = 1 + max(found[left], found[right])
        assert found == sorted(height(node) for node in nodes(tree))


def test_heights_are_steps_to_the_farthest_leaf() -> None:
    assert heights(parse("(0 (0 a) (0 (0 b) (0 (0 c) (0 d))))")) == [0, 0, 0, 0, 1, 2, 3]


def test_an_unknown_word_is_shown_as_such() -> None:
    assert brackets(parse_rows("(0 (1 the) (2 zebra))"), FORM) == "((the) (<unknown>))"


def parse_rows(line: str) -> np.ndarray:
    ids = FORM.ids()
    inputs, _, lengths = encode([parse(line)], 5, lambda word: ids.get(word, 1), lambda label: 0)
    return np.asarray(inputs[0, : lengths[0]])


def test_lower_case_is_a_field() -> None:
    assert TreeFormat().read("(1 (0 It) (0 IS))").words == ["it", "is", None]
    assert TreeFormat(lowercase=False).read("(1 (0 It) (0 IS))").words == ["It", "IS", None]


def test_a_vocabulary_has_the_commonest_words_first() -> None:
    words = ["b", "a", "c", "a", "b", "d"]
    assert vocabulary(words, 1) == ("a", "b", "c", "d")
    assert vocabulary(words, 2) == ("a", "b")


def test_a_form_survives_json() -> None:
    assert TreeFormat.from_json({"words": list(WORDS), "lowercase": False, "binarize": "refuse"}) == FORM
