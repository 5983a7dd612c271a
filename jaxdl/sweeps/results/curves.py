"""The learning curves of a sweep: of its best combinations, and of all trials by the values of a field."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from jaxdl.fields import short_names, show
from jaxdl.report.chart_svg import Look
from jaxdl.report.charts import Points, line_chart
from jaxdl.report.page import escaped, titled
from jaxdl.sweeps.definition import REPEATED
from jaxdl.sweeps.results.groups import interval, repeat_of
from jaxdl.sweeps.results.results import SweepResults
from jaxdl.sweeps.results.scales import Extent, extents
from jaxdl.sweeps.trials.trial import Trial

_MOST_LINES = 6  # as many as there are colours
_PARTS = 4  # of a range
_OF_BEST = "the best combinations"
_NOTE = (
    "A line is the mean of the trials that came so far, and its band the 95 % interval of this mean over the seeds; a "
    "line of one seed has none."
)


def curve_section(results: SweepResults, used: str, *, one: bool = False) -> str:
    """Returns the charts, of which the page shows one at a time; empty where no trial has a curve.

    Args:
        results: of the sweep.
        used: name of the data, to be shown beside every figure.
        one: only the first chart, for a place where nothing can be chosen.
    """
    shown = [trial for trial in results.trials if trial.outcome and trial.outcome.curve]
    charts = {name: lines for name, lines in _charts(results, shown).items() if lines}
    if not charts:
        return ""
    parts = []
    for name, lines in list(charts.items())[: 1 if one else None]:
        title = titled(f"{results.definition.objective} of {name}", used)
        chart = _chart(title, results.definition.objective, lines)
        said = _said(results, lines) if name == _OF_BEST else ""
        parts.append(f'<div data-name="{escaped(name)}">{chart}{said}</div>')
    note = f'<p class="note">{_NOTE}</p>'
    return f'<div class="alone"><div class="choose" data-label="Lines for">{"".join(parts)}</div>{note}</div>'


def _charts(results: SweepResults, shown: Sequence[Trial]) -> dict[str, dict[str, list[Trial]]]:
    """Returns for each chart its lines, and the trials of each."""
    found = {_OF_BEST: _best(results)}
    fields = extents(results.definition.space, shown)
    for path, extent in fields.items():
        if path not in REPEATED:
            found[f"all trials by {path}"] = _by_value(results, extent, shown)
    if not any(found.values()):
        found["all trials"] = {"all trials": list(shown)} if shown else {}
    return found


def _best(results: SweepResults) -> dict[str, list[Trial]]:
    """Returns the trials of the best combinations, by the number of the first one."""
    lines = {}
    for group in results.groups[:_MOST_LINES]:
        trials = [trial for trial in results.trials_of(group) if trial.outcome and trial.outcome.curve]
        if trials:
            lines[f"trial {group.trials[0]}"] = trials
    return lines


def _said(results: SweepResults, lines: Mapping[str, Sequence[Trial]]) -> str:
    """Returns the values of combinations in words."""
    values = [{path: v for path, v in trials[0].values.items() if path not in REPEATED} for trials in lines.values()]
    short = {path: last for last, path in short_names(list(dict.fromkeys(p for each in values for p in each))).items()}
    items = []
    for name, each in zip(lines, values, strict=True):
        text = " ".join(f"{short.get(path, path)}={show(value)}" for path, value in each.items())
        items += [f"<li>{escaped(name)}: {escaped(text)}</li>"] if text else []
    return f'<ul class="lines">{"".join(items)}</ul>' if items else ""


def _by_value(results: SweepResults, extent: Extent, shown: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Returns the trials by the value of a field, or by the part of its range; at most six, those with the best trials.

    Trials that do not vary it are a line of their own.
    """
    lines: dict[str, list[Trial]] = {}
    for trial in shown:
        lines.setdefault(_name(extent, trial), []).append(trial)
    definition = results.definition

    def best(trials: Sequence[Trial]) -> float:
        losses = [definition.loss(trial.objective) for trial in trials if trial.objective is not None]
        return min(losses, default=math.inf)

    kept = sorted(lines, key=lambda name: best(lines[name]))[:_MOST_LINES]
    order = list(_names(extent))
    return {name: lines[name] for name in sorted(kept, key=lambda name: order.index(name) if name in order else -1)}


def _names(extent: Extent) -> list[str]:
    return [show(value) for value in extent.choices] or [name for *_, name in extent.parts(_PARTS)]


def _name(extent: Extent, trial: Trial) -> str:
    if extent.path not in trial.values:
        return "not varied"
    value = trial.values[extent.path]
    if extent.choices:
        return show(value)
    parts = extent.parts(_PARTS)
    return next((name for _, high, name in parts if extent.number(value) < high), parts[-1][2])


def _chart(title: str, objective: str, lines: Mapping[str, Sequence[Trial]]) -> str:
    series: dict[str, Points] = {}
    bands: dict[str, Points] = {}
    for name, trials in lines.items():
        epochs, means, halves = mean_curve(trials)
        series[name] = epochs, means
        if any(map(math.isfinite, halves)):
            ends = zip(means, halves, strict=True)
            low, high = zip(*((mean - half, mean + half) for mean, half in ends), strict=True)
            bands[name] = low, high
    return line_chart(title, series, Look(y_label=objective), bands=bands)


def mean_curve(trials: Sequence[Trial]) -> tuple[list[float], list[float], list[float]]:
    """Returns epochs, the mean after each of the trials that came so far, and half the width of its 95 % interval.

    Trials of the same seed and fold are averaged first, so that the interval is one over these; NaN for one of them.
    """
    curves = [(trial, dict(trial.outcome.curve)) for trial in trials if trial.outcome]
    epochs = sorted({epoch for _, curve in curves for epoch in curve})
    means, halves = [], []
    for epoch in epochs:
        of_seed: dict[str, tuple[Trial, list[float]]] = {}
        for trial, curve in curves:
            if math.isfinite(curve.get(epoch, math.nan)):
                of_seed.setdefault(repeat_of(trial.values), (trial, []))[1].append(curve[epoch])
        figures = [statistics.fmean(each) for _, each in of_seed.values()]
        half = interval([trial for trial, _ in of_seed.values()], figures)
        means.append(statistics.fmean(figures) if figures else math.nan)
        halves.append(math.nan if half is None else half)
    return [float(epoch) for epoch in epochs], means, halves
