"""Plots of a sweep as SVG text; see `jaxdl.report.plots`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxdl.report.plots import INK, LINE, OTHER, SERIES, drawing, dress, shortened_name, svg, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BEST, _OTHERS = SERIES["validation"], SERIES["train"]
_TEXT: dict[str, Any] = {"fontsize": 8, "color": INK, "parse_math": False}
_EARLY = 20  # steps for the loss before anything was learned
_LABEL: dict[str, Any] = {"fontsize": 9, "color": INK, "parse_math": False}
_MOST_NUMBERED = 400  # cells of a heat map; a thousand numbers take seconds to draw and are too small to read


class Scale(NamedTuple):
    """The positions of a field's values on an axis.

    Attributes:
        name: the field.
        positions: the position of each trial's value.
        ticks: positions that have a label.
        names: their labels.
        log: whether the axis is logarithmic.
    """

    name: str
    positions: Sequence[float]
    ticks: Sequence[float] = ()
    names: Sequence[str] = ()
    log: bool = False

    def fractions(self) -> np.ndarray:
        """Returns the positions as fractions of the axis, (trials,) float64 in [0, 1]."""
        place = np.asarray(self.positions, np.float64)
        return _fractions(np.log(place) if self.log else place)


def _fractions(values: np.ndarray) -> np.ndarray:
    low, high = np.nanmin(values), np.nanmax(values)
    return (values - low) / (high - low) if high > low else np.full(values.shape, 0.5)


def curves(title: str, lines: Sequence[tuple[Sequence[float], Sequence[float]]], best: int | None, y_label: str) -> str:
    """Returns the learning curves of all trials, with the best one highlighted.

    Args:
        title: read out by screen readers.
        lines: for each trial, the epochs and the figures.
        best: index of the best trial.
        y_label: name of the figures.
    """
    with drawing() as Figure:
        figure = Figure(figsize=(7.2, 3.6), layout="constrained")
        axes = figure.add_subplot()
        alpha = max(0.15, min(0.6, 8 / max(1, len(lines))))
        others = [(x, _finite(y)) for number, (x, y) in enumerate(lines) if number != best]
        _draw_lines(axes, [np.column_stack(line) for line in others if len(line[0]) > 1], color=_OTHERS, alpha=alpha)
        dots = [line for line in others if len(line[0]) == 1]
        axes.plot([x for x, _ in dots], [y for _, y in dots], color=_OTHERS, alpha=alpha, ls="", marker="o")
        if best is not None:
            epochs, figures = lines[best]
            marker = "o" if len(epochs) == 1 else ""
            axes.plot(list(epochs), _finite(figures), color=_BEST, lw=2, marker=marker, label="best")
            axes.legend(fontsize=8, frameon=False, labelcolor=INK)
        axes.set_xlabel("epoch", **_LABEL)
        axes.set_ylabel(y_label, **_LABEL)
        whole_numbers(axes)
        dress(axes)
        return svg(figure, title)


def _draw_lines(axes: Axes, lines: Sequence[np.ndarray], **how: Any) -> None:
    """Draws many lines, (points, 2) each, at once, which is much faster than one by one."""
    from matplotlib.collections import LineCollection

    if lines:
        axes.add_collection(LineCollection(lines, linewidths=1, **how))
        axes.autoscale_view()


def _finite(values: Sequence[float]) -> list[float]:
    return [value if math.isfinite(value) else math.nan for value in values]


def slice_plot(title: str, scale: Scale, figures: Sequence[float], best: int, y_label: str) -> str:
    """Returns the compared figure over the values of one field, with a dot for each trial.

    Args:
        title: read out by screen readers.
        scale: the field.
        figures: the figure of each trial.
        best: index of the best trial.
        y_label: name of the figures.
    """
    with drawing() as Figure:
        figure = Figure(figsize=(3.6, 2.7), layout="constrained")
        axes = figure.add_subplot()
        axes.scatter(scale.positions, _finite(figures), s=18, color=_OTHERS, alpha=0.6, linewidths=0)
        axes.scatter([scale.positions[best]], [figures[best]], s=40, color=_BEST, linewidths=0)
        if scale.log:
            axes.set_xscale("log")
        dress(axes)
        if scale.names:
            axes.set_xticks(list(scale.ticks), [shortened_name(name) for name in scale.names], **_TEXT)
        axes.set_xlabel(scale.name, **_LABEL)
        axes.set_ylabel(y_label, **_LABEL)
        return svg(figure, title)


def front_plot(
    title: str, points: Sequence[tuple[float, float]], front: Sequence[int], x_label: str, y_label: str
) -> str:
    """Returns two figures of each combination over one another; those that none beats are connected.

    Args:
        title: read out by screen readers.
        points: the two figures of each combination.
        front: indices of the combinations that no other one beats.
        x_label: name of the first figures.
        y_label: name of the second ones.
    """
    with drawing() as Figure:
        figure = Figure(figsize=(3.6, 2.7), layout="constrained")
        axes = figure.add_subplot()
        axes.scatter(
            [x for x, _ in points], _finite([y for _, y in points]), s=18, color=_OTHERS, alpha=0.6, linewidths=0
        )
        best = sorted(points[place] for place in front)
        axes.plot([x for x, _ in best], [y for _, y in best], marker="o", ms=5, lw=1, color=_BEST)
        dress(axes)
        axes.set_xlabel(x_label, **_LABEL)
        axes.set_ylabel(y_label, **_LABEL)
        return svg(figure, title)


def parallel_coordinates(title: str, scales: Sequence[Scale], quality: Sequence[float], best: int) -> str:
    """Returns one line for each trial through its values; better trials have stronger lines.

    Args:
        title: read out by screen readers.
        scales: the fields, and last the compared figure.
        quality: of each trial, 0 for the worst to 1 for the best.
        best: index of the best trial.
    """
    with drawing() as Figure:
        figure = Figure(figsize=(1.6 + 1.7 * len(scales), 3.4), layout="constrained")
        axes = figure.add_subplot()
        columns = np.stack([scale.fractions() for scale in scales], axis=1)
        places = range(len(scales))
        others = [number for number in np.argsort(quality) if number != best]
        lines = [np.column_stack((places, columns[number])) for number in others]
        _draw_lines(axes, lines, color=_OTHERS, alpha=[0.1 + 0.6 * quality[number] ** 2 for number in others])
        axes.plot(places, columns[best], color=_BEST, lw=2.2)
        for place, scale in zip(places, scales, strict=True):
            axes.axvline(place, color=LINE, lw=1)
            for fraction, name in _named_fractions(scale):
                axes.text(place + 0.03, fraction, shortened_name(name), va="center", **_TEXT)
        axes.set_xticks(places, [shortened_name(scale.name) for scale in scales], **_TEXT)
        axes.set_xlim(-0.15, len(scales) - 0.55)
        axes.set_yticks([])
        dress(axes, grid=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return svg(figure, title)


def _named_fractions(scale: Scale) -> list[tuple[float, str]]:
    """Returns which heights of a column get a label: all values if they are few, otherwise the two ends."""
    if scale.names:
        place = np.asarray(scale.ticks, np.float64)
        low, high = min(scale.positions), max(scale.positions)
        return [
            (float((tick - low) / (high - low)) if high > low else 0.5, name)
            for tick, name in zip(place, scale.names, strict=True)
            if low <= tick <= high
        ]
    ends = sorted({min(scale.positions), max(scale.positions)})
    return [
        (fraction, f"{end:.4g}") for fraction, end in zip((0.0, 1.0) if len(ends) > 1 else (0.5,), ends, strict=True)
    ]


def heat_map(title: str, row: Scale, column: Scale, means: np.ndarray, quality: np.ndarray) -> str:
    """Returns the mean figure for each pair of values of two fields.

    Args:
        title: read out by screen readers.
        row: the first field; its names label the rows.
        column: the second field.
        means: (rows, columns) float64, nan if no trial was completed.
        quality: (rows, columns) float64, 0 for the worst to 1 for the best.
    """
    rows, columns = means.shape
    with drawing() as Figure:
        figure = Figure(figsize=(1.8 + 0.75 * columns, 1.3 + 0.42 * rows), layout="constrained")
        axes = figure.add_subplot()
        shading = np.zeros((rows, columns, 4))
        shading[..., :3] = np.array([37, 99, 235]) / 255  # transparent: readable on a light page and on a dark one
        shading[..., 3] = np.nan_to_num(0.08 + 0.72 * quality)
        axes.imshow(shading, interpolation="nearest", aspect="auto")
        for y, x in zip(*np.nonzero(np.isfinite(means)), strict=True) if means.size <= _MOST_NUMBERED else ():
            axes.text(x, y, f"{means[y, x]:.4g}", ha="center", va="center", **{**_TEXT, "fontsize": 7})
        axes.set_xticks(range(columns), [shortened_name(name) for name in column.names], **_TEXT)
        axes.set_yticks(range(rows), [shortened_name(name) for name in row.names], **_TEXT)
        axes.set_xlabel(column.name, **_LABEL)
        axes.set_ylabel(row.name, **_LABEL)
        dress(axes, grid=False)
        return svg(figure, title)


def importances(title: str, shares: Sequence[tuple[str, float]]) -> str:
    """Returns bars that show how much of the figure's variance each field explains.

    Args:
        title: read out by screen readers.
        shares: fields with their shares, which sum to 1, the largest first.
    """
    with drawing() as Figure:
        figure = Figure(figsize=(4.8, 0.9 + 0.32 * len(shares)), layout="constrained")
        axes = figure.add_subplot()
        places = range(len(shares))
        axes.barh(places, [share for _, share in shares], color=OTHER, height=0.6)
        axes.set_yticks(places, [shortened_name(name) for name, _ in shares], **_TEXT)
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of the variance", **_LABEL)
        dress(axes)
        return svg(figure, title)


def range_test(
    title: str, rates: np.ndarray, losses: np.ndarray, smoothed: np.ndarray, suggestion: float | None
) -> str:
    """Returns the train loss over the learning rate.

    Args:
        title: read out by screen readers.
        rates: (steps,) the learning rates.
        losses: (steps,) the loss at each; a value that is not finite leaves a gap.
        smoothed: (steps,) its running mean.
        suggestion: a rate to mark.
    """
    with drawing() as Figure:
        figure = Figure(figsize=(7.2, 3.6), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(rates, _finite(losses.tolist()), color=_OTHERS, alpha=0.3, lw=1)
        axes.plot(rates, smoothed, color=_OTHERS, lw=2)
        if suggestion is not None:
            axes.axvline(suggestion, color=_BEST, lw=1.6, ls="--", label=f"suggested {suggestion:.2g}")
            axes.legend(fontsize=8, frameon=False, labelcolor=INK)
        axes.set_xscale("log")
        axes.set_ylim(0.95 * float(np.min(smoothed)), 1.6 * float(np.max(smoothed[:_EARLY])))
        axes.set_xlabel("learning rate", **_LABEL)
        axes.set_ylabel("train loss", **_LABEL)
        dress(axes)
        return svg(figure, title)
