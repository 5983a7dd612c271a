"""Reads trees in brackets, such as ``(3 (2 It) (4 (2 's) (4 good)))``, the form of the Penn Treebank."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Binarize = Literal["refuse", "left", "right"]
# Only ASCII space divides words: in the Stanford treebank some hold a no-break space.
_TOKENS = re.compile(r"[()]|[^()\s]+", re.ASCII)
_MOST_WORDS = 5  # that a message quotes


class Tree(NamedTuple):
    """The nodes of a tree, children before their parents and from left to right; the root is the last.

    Attributes:
        labels: the label of each node; None where it has none.
        words: the word of each leaf; None for other nodes.
        children: the places of each node's children in these lists; none for a leaf.
        columns: the column of the line at which each node begins, from 1.
    """

    labels: list[str | None]
    words: list[str | None]
    children: list[tuple[int, ...]]
    columns: list[int]

    def add(self, label: str | None, word: str | None, children: tuple[int, ...], column: int) -> int:
        """Appends a node and returns its place."""
        self.labels.append(label)
        self.words.append(word)
        self.children.append(children)
        self.columns.append(column)
        return len(self.labels) - 1


class TreeError(ValueError):
    """What is wrong with a tree, and the column of its line, from 1."""

    def __init__(self, column: int, message: str):
        super().__init__(message)
        self.column = column


class _Open(NamedTuple):
    """A node whose bracket is not closed yet."""

    column: int
    tokens: list[str]
    children: list[int]


def parse(line: str, labelled: bool = True) -> Tree:
    """Reads one tree.

    Args:
        line: the tree in brackets.
        labelled: whether the first text of a node that has more is its label; otherwise each text is a word, in
            brackets of its own or not.

    Raises:
        TreeError: brackets are not closed, closed too often or empty, a leaf has several words, or there is something
            outside of the tree.
    """
    tree, unclosed = Tree([], [], [], []), list[_Open]()
    for match in _TOKENS.finditer(line):
        token, column = match[0], match.start() + 1
        if not unclosed and (tree.labels or token != "("):
            raise TreeError(column, _outside(token, bool(tree.labels)))
        if token == "(":
            if labelled and unclosed and len(unclosed[-1].tokens) > 1:
                raise TreeError(column, f"brackets beside the word {unclosed[-1].tokens[1]!r}: {_ONE_OR_OTHER}")
            unclosed.append(_Open(column, [], []))
        elif token != ")":
            _add_word(tree, unclosed[-1], token, column, labelled)
        else:
            node = unclosed.pop()
            place = _close(tree, node) if labelled else _close_unlabelled(tree, node)
            if unclosed:
                unclosed[-1].children.append(place)
    if unclosed:
        raise TreeError(unclosed[-1].column, f"this bracket is not closed; at the end {_missing(len(unclosed))}")
    if not tree.labels:
        raise TreeError(1, "there is no tree")
    return tree


_ONE_OR_OTHER = "a node has either one word or children in brackets"
_BINARIZE = "--data.binarize=right or left makes trees binary"
_NOTHING = "there is nothing in these brackets"


def _missing(count: int) -> str:
    return "one closing bracket is missing" if count == 1 else f"{count} closing brackets are missing"


def _outside(token: str, after: bool) -> str:
    if not after:
        return f"a tree begins with an opening bracket, not with {token!r}"
    if token == ")":
        return "this bracket closes nothing"
    return f"{token!r} stands after the end of the tree; give one tree a line"


def _add_word(tree: Tree, node: _Open, token: str, column: int, labelled: bool) -> None:
    if labelled and node.children:
        raise TreeError(column, f"the word {token!r} beside brackets: {_ONE_OR_OTHER}")
    node.tokens.append(token)
    if not labelled:
        node.children.append(tree.add(None, token, (), column))


def _close(tree: Tree, node: _Open) -> int:
    """Adds a node, whose children have been added, and returns its place."""
    if node.children:
        return tree.add(node.tokens[0] if node.tokens else None, None, tuple(node.children), node.column)
    if not node.tokens:
        raise TreeError(node.column, _NOTHING)
    label, words = (node.tokens[0], node.tokens[1:]) if len(node.tokens) > 1 else (None, node.tokens)
    if len(words) > 1:
        quoted = " ".join(words[:_MOST_WORDS]) + (" ..." if len(words) > _MOST_WORDS else "")
        raise TreeError(node.column, f"a leaf has one word, and this one has {len(words)}: {quoted}")
    return tree.add(label, words[0], (), node.column)


def _close_unlabelled(tree: Tree, node: _Open) -> int:
    """As `_close`, where each text is a word; brackets round one word alone are its own."""
    if not node.children:
        raise TreeError(node.column, _NOTHING)
    if node.tokens and len(node.children) == 1:
        return node.children[0]
    return tree.add(None, None, tuple(node.children), node.column)


def binary(tree: Tree, binarize: Binarize) -> Tree:
    """Returns a tree in which each node that is no leaf has two children.

    Args:
        tree: any tree.
        binarize: ``"refuse"``: it must be one already. ``"left"``: a node of children a, b, c becomes ``((a b) c)``;
            ``"right"``: it becomes ``(a (b c))``; the new node has the label of the one that it comes from. With both,
            a node with one child becomes one with it, and keeps its label, if it has one.

    Raises:
        TreeError: it has to be binary, and a node has one child or more than two.
    """
    if all(len(children) in (0, 2) for children in tree.children):
        return tree
    result, places = Tree([], [], [], []), list[int]()
    for label, word, children, column in zip(*tree, strict=True):
        if binarize == "refuse" and len(children) not in (0, 2):
            count = "one child" if len(children) == 1 else f"{len(children)} children"
            raise TreeError(column, f"a node has two children, and this one has {count}; {_BINARIZE}")
        nodes = [places[child] for child in children]
        if len(nodes) == 1:
            places.append(nodes[0])
            if label is not None:
                result.labels[nodes[0]] = label
            continue
        while len(nodes) > 2:
            pair = slice(0, 2) if binarize == "left" else slice(-2, None)
            nodes[pair] = [result.add(label, None, tuple(nodes[pair]), column)]
        places.append(result.add(label, word, tuple(nodes), column))
    return result
