"""The page of a comparison: the table, what differs, and learning curves laid over each other."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from jaxdl.comparison.compare import Comparison, Group
from jaxdl.errors import UserError
from jaxdl.fields import show
from jaxdl.record import read_metrics
from jaxdl.report.format import is_number
from jaxdl.report.page import escaped, page, plotted, section, table
from jaxdl.report.plots import INK, drawing, dress, shortened_name, svg, whole_numbers

# Readable on a light page and on a dark one, and told apart by people who confuse red and green; with more recipes the
# lines would not be told apart by anyone.
_COLOURS = ("#2f7ed8", "#d9822b", "#2ca25f", "#c0392b", "#8e5bd0", "#8c6d31", "#d16ba5", "#5f7d8c")
_MOST_CURVES = 6

Curve = tuple[list[float], list[float]]


def comparison_page(comparison: Comparison, head: Sequence[str], rows: Sequence[Sequence[str]], legend: str) -> str:
    """Returns the page, which refers to nothing outside itself.

    Args:
        comparison: what is compared.
        head: names of the table's columns.
        rows: a row of text for each recipe.
        legend: what the numbers mean.
    """
    base = comparison.groups[comparison.baseline].name
    parts = [
        "<h1>Comparison</h1>",
        f'<p class="sub">{len(comparison.groups)} recipes, '
        f"{sum(len(group.runs) for group in comparison.groups)} completed runs; baseline: {escaped(base)}</p>",
        *(f'<p class="banner">{escaped(note)}</p>' for note in comparison.stand_ins),
        section("Results", table(head, rows, range(1, len(head))) + f"<p>{escaped(legend)}</p>"),
        section("What differs", _differences(comparison)),
        section("Learning curves", _curves(comparison)),
        section("Runs", _runs(comparison)),
    ]
    return page("Comparison", parts)


def _differences(comparison: Comparison) -> str:
    paths = list(dict.fromkeys(path for group in comparison.groups for path in group.values))
    if not paths:
        return "<p>The runs differ in nothing but their seeds.</p>"
    rows = [[group.name, *(_shown(group, path) for path in paths)] for group in comparison.groups]
    return table(["recipe", *paths], rows)


def _shown(group: Group, path: str) -> str:
    return show(group.values[path]) if path in group.values else ""


def _runs(comparison: Comparison) -> str:
    rows = [[group.name, str(run.seed), str(run.path)] for group in comparison.groups for run in group.runs]
    rows += [[f"left out: {run.status}", str(run.seed), str(run.path)] for run in comparison.left_out]
    return table(["recipe", "seed", "run directory"], rows)


def _curves(comparison: Comparison) -> str:
    """Draws each figure that was measured after each epoch, as means over the seeds of a recipe."""
    groups = comparison.groups[: len(_COLOURS)]
    curves = [_mean_curves(group) for group in groups]
    names = list(dict.fromkeys(name for each in curves for name in each))[:_MOST_CURVES]
    plots = [
        plotted(
            name,
            _drawn(name, {group.name: each[name] for group, each in zip(groups, curves, strict=True) if name in each}),
        )
        for name in names
    ]
    more = len(comparison.groups) - len(groups)
    note = f"<p>The first {len(groups)} recipes; {more} more are in the table.</p>" if more > 0 else ""
    return f'<div class="plots">{"".join(plots)}</div>{note}' if plots else ""


def _mean_curves(group: Group) -> dict[str, Curve]:
    """Returns epochs and means over the runs by ``validation/NAME``; an epoch needs a value of each run."""
    values: dict[str, dict[float, list[float]]] = {}
    for run in group.runs:
        try:
            lines = read_metrics(run.path)
        except UserError:
            continue
        for line in lines:
            for name, value in line.items() if line.get("split") == "validation" else ():
                if name not in ("step", "epoch") and is_number(value):
                    values.setdefault(f"validation/{name}", {}).setdefault(line["epoch"], []).append(value)
    found: dict[str, Curve] = {}
    for name, by_epoch in values.items():
        epochs = [epoch for epoch in sorted(by_epoch) if len(by_epoch[epoch]) == len(group.runs)]
        found[name] = (epochs, [statistics.fmean(by_epoch[epoch]) for epoch in epochs])
    return found


def _drawn(title: str, curves: Mapping[str, Curve]) -> str:
    with drawing() as Figure:
        figure = Figure(figsize=(6.2, 3.6), layout="constrained")
        axes = figure.add_subplot()
        for (name, (epochs, values)), colour in zip(curves.items(), _COLOURS, strict=False):
            finite = [value if math.isfinite(value) else math.nan for value in values]
            marker = "o" if len(epochs) <= 40 else ""
            axes.plot(
                epochs, finite, color=colour, label=f" {shortened_name(name)}", marker=marker, markersize=3, lw=1.6
            )
        axes.set_xlabel("epoch", fontsize=9, color=INK, parse_math=False)
        whole_numbers(axes)
        dress(axes)
        for text in axes.legend(fontsize=8, frameon=False, labelcolor=INK).get_texts():
            text.set_parse_math(False)
        return svg(figure, f"{title} by epoch: {', '.join(curves)}")
