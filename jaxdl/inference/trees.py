"""Trees in brackets as inputs for predictions: read as those of the training, with or without labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from jaxdl.data import Spec
from jaxdl.data.trees.encoding import UNKNOWN, TreeFormat, encode
from jaxdl.data.trees.files import Line, Problem, read_lines
from jaxdl.data.trees.parsing import Tree, TreeError
from jaxdl.errors import UserError

# The first text of a tree, and what follows it.
_FIRST = re.compile(r"\s*\(\s*([^()\s]+)\s*(.?)", re.ASCII)


def as_trees(
    lines: str | Sequence[str], spec: Spec, name: str, notify: Callable[[str], None]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns trees in brackets as a model reads them.

    A tree has labels if its first text is one of `spec.class_names` and something follows it in its brackets; they are
    not used. Otherwise all its texts are words, in brackets of their own or not: ``((It) ((is) (good)))`` is
    ``(It (is good))``.

    Args:
        lines: one tree each.
        spec: describes the data of the training, which are trees.
        name: what the lines are called in messages.
        notify: called with a line that says how many words the model does not know.

    Returns:
        (trees, *spec.input_shape) int32, and the number of nodes of each, (trees,) int32.

    Raises:
        UserError: a line is no tree, or one with more nodes than those of the training had.
    """
    if isinstance(lines, str):
        raise UserError(f"{name} is one text; give a list of trees, such as [{lines[:20]!r}].")
    trees: list[Tree] = []
    for number, line in enumerate(lines):
        try:
            trees.append(_form(spec).read(line, has_labels(line, spec)))
        except TreeError as error:
            raise UserError(f"{name}[{number}], column {error.column}: {error}.") from None
    return _encoded(trees, spec, lambda number: f"{name}[{number}]", name, notify)


def read_trees(path: Path, spec: Spec, notify: Callable[[str], None]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the trees of a file, one a line, as `as_trees` does.

    Raises:
        UserError: as `as_trees`, or the file cannot be read, or has no tree.
    """
    if not path.is_file():
        raise UserError(f"--input={path}: there is no such file; give a file of trees in brackets, one a line.")
    lines = list(_good(read_lines(path, _form(spec), lambda line: has_labels(line, spec))))
    if not lines:
        raise UserError(f"--input={path} has no tree.")
    trees = [line.tree for line in lines]
    return _encoded(trees, spec, lambda number: f"{path}, line {lines[number].number}", path.name, notify)


def _good(lines: Iterable[Line | Problem]) -> Iterable[Line]:
    for line in lines:
        if isinstance(line, Problem):
            raise UserError(f"{line}.")
        yield line


def has_labels(line: str, spec: Spec) -> bool:
    """Returns whether the nodes of a tree have labels, see `as_trees`."""
    first = _FIRST.match(line)
    return first is not None and first[1] in spec.class_names and first[2] != ")"


def at_root(predictions: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
    """Returns of predictions for each node, (trees, nodes, ...), those of the roots, (trees, ...)."""
    root = np.full(len(predictions), -1) if lengths is None else np.maximum(lengths - 1, 0)
    found: np.ndarray = predictions[np.arange(len(predictions)), root]
    return found


def _form(spec: Spec) -> TreeFormat:
    assert spec.trees is not None
    return spec.trees


def _encoded(
    trees: Sequence[Tree], spec: Spec, place: Callable[[int], str], name: str, notify: Callable[[str], None]
) -> tuple[np.ndarray, np.ndarray]:
    most, ids = spec.input_shape[0], _form(spec).ids()
    for number, tree in enumerate(trees):
        if len(tree.labels) > most:
            raise UserError(
                f"{place(number)}: this tree has {len(tree.labels)} nodes, and the model takes up to {most}; train "
                f"with --data.nodes={len(tree.labels)} or more."
            )
    inputs, _, lengths = encode(trees, most, lambda word: ids.get(word, UNKNOWN), lambda label: 0)
    words, unknown = np.count_nonzero(inputs[..., 0]), np.count_nonzero(inputs[..., 0] == UNKNOWN)
    if unknown:
        notify(f"{name}: {unknown:,} of {words:,} words are unknown: train does not have them, or too rarely.")
    return inputs, lengths
