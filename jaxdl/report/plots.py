"""Plots as SVG text that is embedded in a page and uses its colours.

Matplotlib draws in placeholder colours that are then replaced by the page's own, so that one drawing fits light and
dark.
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxdl.report.format import amount

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Placeholder colours, and the colours of the page that replace them.
INK, LINE = "#010203", "#010204"
SERIES = {"train": "#010205", "validation": "#010206", "test": "#010207"}
OTHER = "#010208"
_PAGE = {
    INK: "var(--ink)",
    LINE: "var(--line)",
    SERIES["train"]: "var(--train)",
    SERIES["validation"]: "var(--validation)",
    SERIES["test"]: "var(--test)",
    OTHER: "var(--other)",
}
# With more classes, the confusion matrix has no numbers and names: they would not be readable.
_MOST_NAMED = 30
_LONGEST_NAME = 24


def learning_curve(
    title: str,
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x_label: str = "epoch",
    reference: tuple[str, float] | None = None,
) -> str:
    """Returns a plot of one metric.

    Args:
        title: read out by screen readers; the page shows it above.
        series: for each split, the positions on the x axis and the values; a value that is not finite leaves a gap.
        x_label: what the positions are.
        reference: name and value of a level to compare with, such as the smallest loss that can be reached.
    """
    with drawing() as Figure:
        figure = Figure(figsize=(4.6, 2.7), layout="constrained")
        axes = figure.add_subplot()
        for split, (positions, values) in series.items():
            finite = [value if np.isfinite(value) else np.nan for value in values]
            marker = "o" if len(finite) <= 40 else ""
            colour = SERIES.get(split, OTHER)
            axes.plot(list(positions), finite, color=colour, label=_entry(split), marker=marker, markersize=3, lw=1.6)
        if reference is not None:
            axes.axhline(reference[1], color=INK, lw=1, ls="--", label=_entry(reference[0]))
        axes.set_xlabel(x_label, fontsize=9, color=INK, parse_math=False)
        whole_numbers(axes)
        dress(axes)
        legend = axes.legend(fontsize=8, frameon=False, labelcolor=INK)
        for text in legend.get_texts():
            text.set_parse_math(False)
        return svg(figure, title)


def confusion_matrix(title: str, counts: Sequence[Sequence[float]], class_names: Sequence[str] = ()) -> str:
    """Returns a heat map of a confusion matrix, shaded by the fraction of each true class.

    Args:
        title: read out by screen readers; the page shows it above.
        counts: (classes, classes) numbers of examples, or sums of weights, by true class (rows) and predicted class
            (columns), or with one more column for outputs with NaN.
        class_names: names of the classes; without them, their numbers are shown.
    """
    matrix = np.asarray(counts, dtype=np.float64)
    classes = len(matrix)
    sums = matrix.sum(axis=1, keepdims=True)
    shares = matrix / np.where(sums > 0, sums, 1)
    named = classes <= _MOST_NAMED
    names = list(class_names) if len(class_names) == classes else [str(n) for n in range(classes)]
    names = [shortened_name(name) for name in names]
    with drawing() as Figure:
        side = 1.4 + (0.36 * classes + 0.09 * max(map(len, names)) if named else 4.4)
        figure = Figure(figsize=(side, side), layout="constrained")
        axes = figure.add_subplot()
        # A transparent ink of one colour is readable on a light page and on a dark one.
        shading = np.zeros((*matrix.shape, 4))
        shading[..., :3] = np.array([37, 99, 235]) / 255
        shading[..., 3] = 0.85 * shares**0.5
        axes.imshow(shading, interpolation="nearest")
        if named:
            ticks: dict[str, Any] = {"fontsize": 8, "color": INK, "parse_math": False}
            columns = names + ["NaN"] * (matrix.shape[1] - classes)
            axes.set_xticks(range(len(columns)), columns, rotation=90 if max(map(len, columns)) > 2 else 0, **ticks)
            axes.set_yticks(range(classes), names, **ticks)
            for row, column in zip(*np.nonzero(matrix), strict=True):
                number = amount(matrix[row, column]).replace(",", "")
                axes.text(column, row, number, ha="center", va="center", fontsize=7, color=INK)
        axes.set_xlabel("predicted class", fontsize=9, color=INK)
        axes.set_ylabel("true class", fontsize=9, color=INK)
        dress(axes, grid=False)
        return svg(figure, title)


# Used for the plots of a run and those of a sweep.


def quiet_about_its_folder() -> None:
    """Keeps Matplotlib from two warnings where the home is not writable; call it before the first import.

    It then uses a temporary folder, and is only slower.
    """
    logging.getLogger("matplotlib").addFilter(_is_of_other_matters)  # added once, however often


def _is_of_other_matters(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(("mkdir -p failed for path", "Matplotlib created a temporary"))


@contextlib.contextmanager
def drawing() -> Iterator[type[Figure]]:
    """Yields a Matplotlib figure with our own settings, independent of the user's configuration files."""
    quiet_about_its_folder()
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "jaxdl"})
        yield Figure


def whole_numbers(axes: Axes) -> None:
    """Labels only whole numbers on the x axis, even if there is only one."""
    from matplotlib.ticker import MaxNLocator

    low, high = axes.get_xlim()
    if high - low < 1:
        axes.set_xlim((low + high - 1) / 2, (low + high + 1) / 2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def dress(axes: Axes, grid: bool = True) -> None:
    """Gives axes the page's colours and font sizes."""
    axes.patch.set_visible(False)
    axes.tick_params(labelsize=8, color=LINE, labelcolor=INK)
    for spine in axes.spines.values():
        spine.set_color(LINE)
    if grid:
        axes.grid(color=LINE, lw=0.6)
        axes.set_axisbelow(True)


def shortened_name(name: str) -> str:
    """Shortens a name to leave room for the plot; the page's tables show all of it."""
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _entry(label: str) -> str:
    """Returns a label for the legend; Matplotlib would leave out one that begins with an underscore."""
    return f" {shortened_name(label)}" if label.startswith("_") else shortened_name(label)


def svg(figure: Figure, title: str) -> str:
    """Returns the figure as one ``<svg>`` element that refers to nothing outside the page."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    figure.patch.set_visible(False)
    FigureCanvasSVG(figure)
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # The text is drawn in the page's fonts, so a letter missing in Matplotlib's fonts does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'\sxmlns(:xlink)?="[^"]*"|<!--.*?-->|font-family: [^;"]*; ?', "", text, flags=re.DOTALL)
    # One page has several drawings, and each names its parts axes_1, patch_2 and so on.
    prefix = "p" + hashlib.sha256(text.encode()).hexdigest()[:8]
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", text)
    for drawn, shown in _PAGE.items():
        text = text.replace(drawn, shown)
    return text.replace("<svg", f'<svg role="img" aria-label="{html.escape(title)}"', 1)
