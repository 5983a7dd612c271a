"""Trees in brackets against a reader by recursion, and what is said about those that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.data.trees.parsing import Binarize, Tree, TreeError, binary, parse
from tests.trees import Nested, nested, nodes, text


def again(tree: Tree, node: int = -1) -> Nested:
    """Returns a node of a parsed tree as nested tuples."""
    below = tuple(again(tree, child) for child in tree.children[node])
    return (tree.labels[node], *(below or (tree.words[node],)))


@given(nested(), st.sampled_from([" ", "  ", "\t"]))
def test_a_written_tree_is_read_again(tree: Nested, space: str) -> None:
    found = parse(text(tree).replace(" ", space).replace(")(", f"){space}("))
    assert again(found) == tree
    assert len(found.labels) == len(nodes(tree))


@given(nested())
def test_labels_may_be_left_out(tree: Nested) -> None:
    found = parse(text(tree, labels=False), labelled=False)
    assert [node[1] for node in nodes(tree) if isinstance(node[1], str)] == [w for w in found.words if w is not None]
    assert set(found.labels) == {None}


def test_words_without_labels_need_no_brackets_of_their_own() -> None:
    assert again(parse("(It (is good))", labelled=False)) == again(parse("((It) ((is) (good)))", labelled=False))
    assert again(parse("(3 (2 It) (good))")) == ("3", ("2", "It"), (None, "good"))


def test_columns_are_those_of_the_opening_brackets() -> None:
    assert parse("(3 (2 It) (4 works))").columns == [4, 11, 1]


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("(3 (2 It) (4 works)", 1, "not closed; at the end one closing bracket is missing"),
        ("(3 (2 It) (4 works", 11, "not closed; at the end 2 closing brackets are missing"),
        ("(3 (2 It) (4 works)))", 21, "closes nothing"),
        ("(2 It) (2 works)", 8, "after the end of the tree; give one tree a line"),
        ("(2 It) works", 8, "'works' stands after the end"),
        ("3 (2 It)", 1, "begins with an opening bracket, not with '3'"),
        (") (", 1, "begins with an opening bracket"),
        ("(3 (2 It) ())", 11, "nothing in these brackets"),
        ("()", 1, "nothing in these brackets"),
        ("   ", 1, "no tree"),
        ("(3 (2 New York) (2 works))", 4, "one word, and this one has 2: New York"),
        ("(3 It (2 works))", 7, "brackets beside the word 'It'"),
        ("(3 (2 It) works)", 11, "the word 'works' beside brackets"),
    ],
)
def test_what_is_no_tree_is_named_with_its_column(line: str, column: int, message: str) -> None:
    with pytest.raises(TreeError, match=message) as error:
        parse(line)
    assert error.value.column == column


def test_brackets_may_be_thousands_deep() -> None:
    depth = 20_000
    tree = parse("(1 (0 a) " * depth + "(1 b)" + ")" * depth)
    assert len(tree.labels) == 2 * depth + 1
    with pytest.raises(TreeError, match="is not closed"):
        parse("(" * depth)


@pytest.mark.parametrize(
    ("binarize", "expected"),
    [
        ("left", ("A", ("A", ("A", ("1", "a"), ("2", "b")), ("3", "c")), ("4", "d"))),
        ("right", ("A", ("1", "a"), ("A", ("2", "b"), ("A", ("3", "c"), ("4", "d"))))),
    ],
)
def test_wide_nodes_are_nested(binarize: Binarize, expected: Nested) -> None:
    assert again(binary(parse("(A (1 a) (2 b) (3 c) (4 d))"), binarize)) == expected


def test_a_node_with_one_child_is_joined_with_it_and_keeps_its_label() -> None:
    assert again(binary(parse("(A (B (C a)))"), "left")) == ("A", "a")
    assert again(binary(parse("( (S (NP (NN cat)) (VP sat)) )"), "right")) == ("S", ("NP", "cat"), ("VP", "sat"))


@pytest.mark.parametrize(
    ("line", "column", "count"), [("(A (1 a) (B (2 b)))", 10, "one child"), ("(A (1 a) (2 b) (3 c))", 1, "3 children")]
)
def test_a_tree_that_must_be_binary_is_refused_otherwise(line: str, column: int, count: str) -> None:
    with pytest.raises(TreeError, match=f"this one has {count}; --data.binarize=right") as error:
        binary(parse(line), "refuse")
    assert error.value.column == column


@given(nested(), st.sampled_from(["refuse", "left", "right"]))
def test_a_binary_tree_stays_as_it_is(tree: Nested, binarize: Binarize) -> None:
    assert again(binary(parse(text(tree)), binarize)) == tree
