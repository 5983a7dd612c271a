"""Plots as Matplotlib figures, for notebooks and for papers; a page has them as SVG, see `jaxdl.report.plots`."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jaxdl.report.plots import quiet_about_its_folder, shortened_name, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from jaxdl.report.sweep_plots import Scale

_COLOURS = {"train": "#2563eb", "validation": "#d97706", "test": "#059669"}
_OTHER = "#7c3aed"
_COLUMNS = 3


def curves_figure(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Returns learning curves: a plot for each metric, with a line for each split.

    Args:
        curves: by metric and split, the value after each epoch; one that is not finite leaves a gap.
    """
    figure = _figure(len(curves))
    for place, (metric, by_split) in enumerate(curves.items()):
        axes = _axes(figure, place, len(curves))
        for split, values in by_split.items():
            epochs = range(1, len(values) + 1)
            marker = "o" if len(values) <= 40 else ""
            line = [value if math.isfinite(value) else math.nan for value in values]
            axes.plot(epochs, line, color=_COLOURS.get(split, _OTHER), label=f" {split}", marker=marker, markersize=3)
        axes.set_title(metric, fontsize=10, parse_math=False)
        axes.set_xlabel("epoch", fontsize=9)
        whole_numbers(axes)
        axes.legend(fontsize=8, frameon=False)
    return figure


def fields_figure(scales: Sequence[Scale], figures: Sequence[float], best: int, name: str) -> Figure:
    """Returns the compared figure of a sweep over the values of each field, with a dot for each trial.

    Args:
        scales: the fields.
        figures: the figure of each trial.
        best: index of the best trial.
        name: of the figures.
    """
    figure = _figure(len(scales))
    for place, scale in enumerate(scales):
        axes = _axes(figure, place, len(scales))
        axes.scatter(scale.positions, figures, s=18, color=_COLOURS["train"], alpha=0.6, linewidths=0)
        axes.scatter([scale.positions[best]], [figures[best]], s=40, color=_COLOURS["validation"], linewidths=0)
        if scale.log:
            axes.set_xscale("log")
        if scale.names:
            names = [shortened_name(each) for each in scale.names]
            axes.set_xticks(list(scale.ticks), names, fontsize=8, parse_math=False)
        axes.set_xlabel(scale.name, fontsize=9, parse_math=False)
        axes.set_ylabel(name if place % _COLUMNS == 0 else "", fontsize=9, parse_math=False)
    return figure


def _figure(plots: int) -> Figure:
    columns = min(_COLUMNS, max(1, plots))
    return _figure_type()(figsize=(4.2 * columns, 2.9 * max(1, math.ceil(plots / _COLUMNS))), layout="constrained")


def _axes(figure: Figure, place: int, plots: int) -> Axes:
    axes: Axes = figure.add_subplot(math.ceil(plots / _COLUMNS), min(_COLUMNS, plots), place + 1)
    axes.tick_params(labelsize=8)
    axes.grid(lw=0.5, alpha=0.5)
    axes.set_axisbelow(True)
    return axes


@functools.cache
def _figure_type() -> type[Figure]:
    """Returns Matplotlib's figure, which a notebook then shows, also where pyplot was never imported."""
    quiet_about_its_folder()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            FigureCanvasAgg(self)
            self.savefig(file, format="png", dpi=100)
            return file.getvalue()

    return ShownFigure
