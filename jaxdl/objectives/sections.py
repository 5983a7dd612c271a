"""What the report of a run shows of metrics, in addition to the table of their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxdl.objectives.classes import class_figures
from jaxdl.report.format import data_used, figure
from jaxdl.report.page import plotted, section, table, titled
from jaxdl.report.plots import confusion_matrix


def classes_section(values: Mapping[str, Any], data: Mapping[str, Any], plots: bool) -> str:
    """Draws the confusion matrix of each split, with the figures of each class below.

    Args:
        values: by split, (classes, classes) numbers of examples by true class (rows) and predicted class (columns), as
            lists; anything else, as from a damaged file, is left out.
        data: ``data`` of the run's summary; if it has no class names, the numbers of the classes are shown.
        plots: whether to draw plots; without them, there are only the figures of each class.

    Returns:
        A section of the page; empty if no split has a matrix.
    """
    used = data_used(data) if data else ""
    parts = []
    for split, counts in values.items():
        if not _is_matrix(counts):
            continue
        names = [str(name) for name in data.get("class_names") or ()]
        names = names if len(names) == len(counts) else [str(n) for n in range(len(counts))]
        if plots:
            title = titled(f"{split} confusion", used)
            parts.append(plotted(title, confusion_matrix(title, counts, names)))
        parts.append(_per_class(np.asarray(counts, np.float64), names, used))
    return section("Classes", "".join(parts))


def _per_class(counts: np.ndarray, names: Sequence[str], used: str) -> str:
    """Returns a table of precision, recall and F1 of each class."""
    actual, figures = counts.sum(axis=1), class_figures(counts)
    rows = [
        [name, f"{actual[n]:,.0f}", *(figure(float(figures[key][n])) for key in ("precision", "recall", "f1")), used]
        for n, name in enumerate(names)
    ]
    return table(["class", "examples", "precision", "recall", "F1", "measured on"], rows, numbers=range(1, 5))


def _is_matrix(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(r, list) and len(r) == len(value) for r in value)
