"""What the report of a run shows of metrics, in addition to the table of their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxdl.objectives.classes import class_figures, occurring
from jaxdl.report.format import amount, data_used, figure, is_number, without_folders
from jaxdl.report.matrices import confusion_matrix
from jaxdl.report.page import plotted, section, table, titled, wide


def classes_section(values: Mapping[str, Any], data: Mapping[str, Any], plots: bool) -> str:
    """Draws the confusion matrix of each split, with the figures of each class below.

    Args:
        values: by split, (classes, classes) numbers of examples by true class (rows) and predicted class (columns), as
            lists, with one more column if there are outputs with NaN; anything else, such as the matrices of several
            questions or what a damaged file holds, is left out.
        data: ``data`` of the run's summary; if it has no class names, the numbers of the classes are shown.
        plots: whether to draw plots; without them, there are only the figures of each class.

    Returns:
        A section of the page; empty if no split has a matrix.
    """
    used = without_folders(data_used(data)) if data else ""
    parts = []
    for split, counts in values.items():
        if not _is_matrix(counts):
            continue
        names = _names(data, len(counts))
        title = titled(f"{split} confusion", used)
        drawn = plotted(title, confusion_matrix(title, counts, names)) if plots else ""
        whole = np.asarray(counts, np.float64)
        # Of steps and pixels there are more than examples.
        known = data.get(f"{split}_examples")
        what = "labels" if is_number(known) and whole.sum() > known else "examples"
        parts.append(f"<div>{drawn}{_per_class(whole, names, split, '' if plots else used, what)}</div>")
    return section("Classes", f'<div class="plots">{"".join(parts)}</div>' if parts else "")


def questions_section(values: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """Shows for each split how the answers to each of several questions were right and wrong.

    Args:
        values: by split, (questions, 2, 2) numbers of examples by right answer (rows: no, yes) and predicted answer
            (columns: no, yes), as lists, with one more column if there are outputs with NaN; anything else is left out.
        data: ``data`` of the run's summary; if it does not name as many classes, the questions are numbered.

    Returns:
        A section of the page; empty if no split has several questions.
    """
    used = without_folders(data_used(data)) if data else ""
    parts = []
    for split, counts in values.items():
        if _is_matrices(counts):
            answers = _per_question(np.asarray(counts, np.float64), _names(data, len(counts)))
            parts.append(plotted(titled(f"{split} answers", used), answers))
    return section("Questions", "".join(parts))


def _names(data: Mapping[str, Any], count: int) -> list[str]:
    """Returns the names of the data's classes, or numbers where it does not have as many."""
    names = [str(name) for name in data.get("class_names") or ()]
    return names if len(names) == count else [str(n) for n in range(count)]


_FIGURES = ("precision", "recall", "f1")


def _per_class(counts: np.ndarray, names: Sequence[str], split: str, used: str, what: str) -> str:
    """Returns a table of precision, recall and F1 of each class; a class that does not occur has none.

    It says what it was measured on unless `used` is empty, since the matrix above it does.
    """
    actual, figures, known = counts.sum(axis=1), class_figures(counts), occurring(counts)
    rows = [
        [name, amount(actual[n]), *(figure(float(figures[key][n])) if known[n] else "" for key in _FIGURES)]
        + ([used] if used else [])
        for n, name in enumerate(names)
    ]
    head = ["class", what, "precision", "recall", "F1", *(["measured on"] if used else [])]
    return wide(table(head, rows, numbers=range(1, 5)), f"figures of each class, {split}")


def _per_question(counts: np.ndarray, names: Sequence[str]) -> str:
    """Returns a table of the answers to each question, and of precision, recall and F1 of its yes."""
    figures, known = class_figures(counts), occurring(counts)[:, 1]
    head = ["question", "no, rightly", "no, wrongly", "yes, rightly", "yes, wrongly", "precision", "recall", "F1"]
    rows = []
    for n, of in enumerate(counts):
        answered = [amount(count) for count in (of[0, 0], of[1, 0], of[1, 1], of[0, 1])]
        shown = [figure(float(figures[key][n, 1])) if known[n] else "" for key in _FIGURES]
        rows.append([names[n], *answered, *shown, *([amount(of[:, 2].sum())] if of.shape[1] > 2 else [])])
    return table(head + ["NaN"] * (counts.shape[2] - 2), rows, numbers=range(1, 9))


def _is_matrix(value: Any) -> bool:
    """Returns whether a value is a list of rows of numbers: square, or with one more column."""
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(row, list) for row in value):
        return False
    numbers = all(is_number(count) for row in value for count in row)
    return numbers and {len(row) for row in value} in ({len(value)}, {len(value) + 1})


def _is_matrices(value: Any) -> bool:
    """Returns whether a value is a list of matrices of two rows, all with as many columns."""
    if not isinstance(value, list) or not value or not all(_is_matrix(one) and len(one) == 2 for one in value):
        return False
    return len({len(one[0]) for one in value}) == 1
