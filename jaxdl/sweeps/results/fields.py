"""What the fields of a sweep do to its figure: importance, partial dependence, parallel coordinates and a heat map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaxdl.errors import UserError, unknown
from jaxdl.report.bars import Bar, interval_bars
from jaxdl.report.chart_svg import Look
from jaxdl.report.charts import Points, line_chart
from jaxdl.report.figures import fields_figure
from jaxdl.report.heat import heat_map
from jaxdl.report.page import plotted, titled, wide
from jaxdl.report.parallel import parallel_figure
from jaxdl.report.sweep_plots import Scale
from jaxdl.sweeps.definition import REPEATED, Definition
from jaxdl.sweeps.results.importance import FORESTS, Effect, effects
from jaxdl.sweeps.results.scales import Extent, extents
from jaxdl.sweeps.trials.trial import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jaxdl.sweeps.results.results import SweepResults

# A range is divided into this many parts for the heat map.
_PARTS = 6
_NOTE = (
    f"Bars and lines are means over {FORESTS} forests of random trees, each fitted to combinations that were drawn "
    "with replacement from the completed ones (bootstrap); whiskers and bands hold the middle 95 % of the forests. The "
    "share is that of a forest's variance over the whole space which the field explains alone (functional ANOVA, "
    "Hutter et al. 2014); what is missing to 1 is of several fields together. Partial dependence is a forest's mean "
    "over the space for each value (Friedman 2001)."
)


def fields_over(results: SweepResults, names: Sequence[str] = ()) -> Figure:
    """Draws the figure over fields; see `SweepResults.plot`."""
    definition = results.definition
    done = [trial for trial in results.trials if trial.completed and trial.objective is not None]
    if not done:
        raise UserError("no trial of the sweep was completed: there is nothing to draw.")
    fields = extents(definition.space, done)
    by_name = {path.rpartition(".")[2]: path for path in fields} | {path: path for path in fields}
    for name in names:
        if name not in by_name:
            raise unknown("field of the sweep", name, by_name)
    paths = [by_name[name] for name in names] or [path for path in fields if path not in REPEATED] or list(fields)
    figures = [float(trial.objective or 0.0) for trial in done]
    best = int(np.argmax(quality_of(definition, np.array(figures))))
    return fields_figure([fields[path].scale(done) for path in paths], figures, best, definition.objective)


def fields_section(definition: Definition, done: Sequence[Trial], used: str) -> str:
    """Returns the plots of all fields.

    Args:
        definition: the sweep.
        done: its completed trials.
        used: name of the data, to be shown beside every figure.
    """
    objective = definition.objective
    figures = np.array([trial.objective for trial in done], np.float64)
    quality = quality_of(definition, figures)
    fields = extents(definition.space, done)
    found = {effect.path: effect for effect in effects(definition, done)}
    parts = []
    if found:
        bars = [Bar(path, effect.share, *effect.interval) for path, effect in found.items()]
        title = titled(f"importance of fields for {objective}", used)
        parts.append(f'<div class="alone">{interval_bars(title, bars, "share of the variance", _NOTE)}</div>')
    best = int(np.argmax(quality))
    scales = [*(extent.scale(done) for extent in fields.values()), Scale(objective, figures.tolist())]
    title = titled(f"{objective} of {len(done)} trials by their values", used)
    parts.append(parallel_figure(title, scales, quality.tolist(), best, [trial.number for trial in done]))
    order = [*found, *(path for path in fields if path not in found)]
    charts = [_dependence(fields[path], found.get(path), done, best, objective, used) for path in order]
    pair = sorted(fields, key=lambda path: (path in REPEATED, order.index(path)))[:2]
    if len(pair) == 2:
        charts.append(_heat_map(definition, fields[pair[0]], fields[pair[1]], done, used))
    return "".join(parts) + f'<div class="plots">{"".join(charts)}</div>'


def _dependence(
    extent: Extent, effect: Effect | None, done: Sequence[Trial], best: int, objective: str, used: str
) -> str:
    """Draws the trials over one field, and its partial dependence where it is known."""
    having = [trial for trial in done if extent.path in trial.values]
    names = tuple(extent.scale(having).names)
    powers = extent.log and not names

    def x(value: float) -> float:
        return math.log10(value) if powers else value

    def points(trials: Sequence[Trial]) -> Points:
        return [x(at) for at in extent.scale(trials).positions], [float(trial.objective or 0.0) for trial in trials]

    series: dict[str, Points] = {"trials": points(having)}
    if done[best] in having:
        series["best"] = points([done[best]])
    bands: dict[str, Points] = {}
    if effect is not None:
        places = [float(extent.choices.index(v)) if names else x(extent.number(v)) for v in effect.values]
        series["partial dependence"] = places, effect.mean.tolist()
        bands["partial dependence"] = effect.low.tolist(), effect.high.tolist()
    look = Look(
        extent.path,
        objective,
        whole=False,
        scattered=effect is None,
        dots=("trials", "best"),
        names=names,
        powers=powers,
    )
    colours = {"trials": "train", "best": "validation", "partial dependence": "other"}
    return line_chart(titled(f"{objective} over {extent.path}", used), series, look, bands=bands, colours=colours)


def quality_of(definition: Definition, figures: np.ndarray) -> np.ndarray:
    """Returns for each trial the fraction of other trials that are not better: 0 for the worst, 1 for the best."""
    losses = np.array([definition.loss(figure) for figure in figures])
    order = np.array([np.mean(losses >= loss) for loss in losses])
    low = order.min()
    return (order - low) / (1 - low) if low < 1 else np.ones_like(order)


def _heat_map(definition: Definition, row: Extent, column: Extent, done: Sequence[Trial], used: str) -> str:
    done = [trial for trial in done if row.path in trial.values and column.path in trial.values]
    if not done:
        return ""
    rows, columns = (_parts(extent, done) for extent in (row, column))
    means = np.full((len(rows.names), len(columns.names)), np.nan)
    for y in range(means.shape[0]):
        for x in range(means.shape[1]):
            here = [
                trial.objective
                for trial, *place in zip(done, rows.positions, columns.positions, strict=True)
                if place == [y, x] and trial.objective is not None
            ]
            means[y, x] = np.mean(here) if here else np.nan
    present = np.isfinite(means)
    quality = np.full(means.shape, np.nan)
    quality[present] = quality_of(definition, means[present])
    title = titled(f"mean {definition.objective} over {row.path} and {column.path}", used)
    return plotted(title, wide(heat_map(title, rows, columns, means, quality), f"{title}, drawing"))


def _parts(extent: Extent, trials: Sequence[Trial]) -> Scale:
    """Returns the field's values as whole positions with names; those of a range are put into a few intervals."""
    scale = extent.scale(trials)
    if scale.names:
        return scale
    parts = extent.parts(_PARTS)
    edges = [low for low, *_ in parts]
    places = np.clip(np.searchsorted(edges, scale.positions, side="right") - 1, 0, _PARTS - 1)
    return Scale(extent.path, places.astype(float).tolist(), [float(n) for n in range(_PARTS)], [p[2] for p in parts])
