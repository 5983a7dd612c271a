"""The report of a sweep: one self-contained HTML page."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxdl.errors import UserError, unknown
from jaxdl.fields import show
from jaxdl.files.atomic import replace_file
from jaxdl.record import REPORT
from jaxdl.report.figures import fields_figure
from jaxdl.report.format import duration, figure
from jaxdl.report.page import escaped, page, pairs, plotted, section, table
from jaxdl.report.sweep_plots import Scale, curves, front_plot, heat_map, importances, parallel_coordinates, slice_plot
from jaxdl.sweeps.definition import REPEATED, Definition
from jaxdl.sweeps.results.display import repeats, spread
from jaxdl.sweeps.results.results import SweepResults, best_command
from jaxdl.sweeps.results.tables import group_table
from jaxdl.sweeps.space.axis import Axis, Choices
from jaxdl.sweeps.space.sampling import quiet, to_optuna
from jaxdl.sweeps.space.space import apply
from jaxdl.sweeps.trials.trial import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_ROWS = 12  # in a notebook
# A range is divided into this many parts for the heat map.
_PARTS = 6
# fANOVA needs at least this many trials; with fewer, its fractions are random.
_FEWEST_FOR_IMPORTANCE = 8
# As many trees as in the package of the method's authors. The cost of deeper and more trees grows quadratically (53 s
# for 1,000 trials with Optuna's 64 trees, 1 s with these), and they change the fractions by less than another seed
# does.
_TREES, _DEPTH = 16, 8


def write_sweep_report(results: SweepResults, command: Sequence[str]) -> Path:
    """Writes ``report.html`` into the sweep directory and returns its path.

    Args:
        results: results of the sweep.
        command: the command line of the recipe without the sweep.

    Raises:
        UserError: it cannot be written.
    """
    path = results.sweep_dir / REPORT
    replace_file(path, render(results, command))
    return path


def render(results: SweepResults, command: Sequence[str]) -> str:
    """Returns the page; see `write_sweep_report`."""
    definition = results.definition
    done = [trial for trial in results.trials if trial.completed]
    used = ", ".join(sorted({trial.outcome.data for trial in done if trial.outcome}))
    head, rows = group_table(results)
    sections = [
        _head(results),
        _banner(definition, done),
        _best(results, command),
        section("Over the seeds", table(head, rows, range(head.index("trials"), len(head) - 1)) if rows else ""),
        _front(results, used),
        section("Against luck", f"<p>{escaped(_luck_text(results))}</p>") if done else "",
        _curves(results, used),
        _fields(definition, done, used) if done else "",
        _trials(results),
        section("Definition", pairs(_definition(definition))),
    ]
    return page(f"sweep of {definition.experiment.name}", sections)


def outcome_sections(results: SweepResults) -> list[str]:
    """Returns the parts of the page that tell the outcome: the best, all combinations, and the learning curves."""
    done = [trial for trial in results.trials if trial.completed]
    used = ", ".join(sorted({trial.outcome.data for trial in done if trial.outcome}))
    head, rows = group_table(results)
    return [
        _head(results),
        _banner(results.definition, done),
        _best(results, ()),
        table(head, rows[:_MOST_ROWS], range(head.index("trials"), len(head) - 1)) if rows else "",
        f"<p>and {len(rows) - _MOST_ROWS} more</p>" if len(rows) > _MOST_ROWS else "",
        _curves(results, used),
    ]


def fields_over(results: SweepResults, names: Sequence[str] = ()) -> Figure:
    """Draws the figure over fields; see `SweepResults.plot`."""
    definition = results.definition
    done = [trial for trial in results.trials if trial.completed and trial.objective is not None]
    if not done:
        raise UserError("no trial of the sweep was completed: there is nothing to draw.")
    axes = {axis.path: axis for axis in definition.space.axes if all(axis.path in trial.values for trial in done)}
    by_name = {path.rpartition(".")[2]: path for path in axes} | {path: path for path in axes}
    for name in names:
        if name not in by_name:
            raise unknown("field of the sweep", name, by_name)
    paths = [by_name[name] for name in names] or [path for path in axes if path not in REPEATED] or list(axes)
    figures = [float(trial.objective or 0.0) for trial in done]
    best = int(np.argmax(_quality(definition, np.array(figures))))
    return fields_figure([_scale(axes[path], done) for path in paths], figures, best, definition.objective)


def _head(results: SweepResults) -> str:
    counts = [f"{results.count(s)} {s}" for s in ("completed", "pruned", "failed", "waiting") if results.count(s)]
    name = results.definition.experiment.name
    took = f"{duration(results.wall_seconds)} ({results.wall_seconds:.1f} s)"
    facts = " &middot; ".join(map(escaped, [results.status, ", ".join(counts), took, results.sweep_dir]))
    return f'<h1>sweep of {escaped(name)}</h1>\n<p class="sub">{facts}</p>'


def _banner(definition: Definition, done: Sequence[Trial]) -> str:
    """Names the stand-ins for data that the trials requested."""
    used = {(trial.outcome.data, _requested(definition, trial)) for trial in done if trial.outcome}
    stand_ins = sorted({name for name, requested in used if name not in ("", requested)})
    if not stand_ins:
        return ""
    return f'<p class="banner">Not measured on the requested data: {escaped(", ".join(stand_ins))}.</p>'


def _requested(definition: Definition, trial: Trial) -> str:
    """Returns the name of the data that a trial requested, which may be a varied field."""
    values = {path: value for path, value in trial.values.items() if path.split(".")[0] == "data"}
    return apply(definition.experiment, values).data.requested


def _best(results: SweepResults, command: Sequence[str]) -> str:
    best = results.best
    if best is None or best.outcome is None:
        return ""
    facts = {path: show(value) for path, value in {**best.values, **results.also[best.number]}.items()}
    facts |= {name: _spread(results, name) for name in best.outcome.metrics if not name.startswith("test/")}
    # Apart from the others, since they had no part in the choice.
    tested = {name: _spread(results, name) for name in best.outcome.metrics if name.startswith("test/")}
    facts |= {f"{name}, measured after the choice": text for name, text in tested.items()}
    again = f"<pre>{escaped(best_command(best, command))}</pre>" if command else ""
    return section(f"Best: trial {best.number}", again + pairs({**facts, "measured on": best.outcome.data}))


def _spread(results: SweepResults, name: str) -> str:
    found = results.mean_of(results.groups[0], name)
    return spread(*found[:2], repeats(results.trials_of(results.groups[0]))) if found is not None else ""


def _luck_text(results: SweepResults) -> str:
    if results.luck is not None:
        return results.luck.text()
    whole = [group for group in results.groups if group.complete]
    if len(whole) < 2:
        return "There are no two combinations to compare."
    return (
        f"The best of {len(whole)} combinations is better than the others in part by chance. How far is not known, "
        "since they have one seed each: add --sweep=seed=0:3."
    )


def _front(results: SweepResults, used: str) -> str:
    """Draws the first aim over each further one; the combinations of the front are connected."""
    definition = results.definition
    plots = []
    for aim in definition.others:
        shown = [group for group in results.groups if group.mean is not None and aim in group.others]
        if not shown:
            continue
        best = [place for place, group in enumerate(shown) if any(group is each for each in results.front)]
        points = [(group.others[aim], group.mean) for group in shown if group.mean is not None]
        title = f"{definition.objective} over {aim} of {len(shown)} combinations, {used}"
        plots.append(plotted(title, front_plot(title, points, best, aim, definition.objective)))
    return section("Front", f'<div class="plots">{"".join(plots)}</div>') if plots else ""


def _curves(results: SweepResults, used: str) -> str:
    shown = [trial for trial in results.trials if trial.outcome and trial.outcome.curve]
    if not shown:
        return ""
    lines = [_curve(trial) for trial in shown]
    best = next((n for n, trial in enumerate(shown) if results.best and trial.number == results.best.number), None)
    title = f"{results.definition.objective} of {len(shown)} trials, {used}"
    return section("Learning curves", plotted(title, curves(title, lines, best, results.definition.objective)))


def _curve(trial: Trial) -> tuple[list[float], list[float]]:
    assert trial.outcome is not None
    points = sorted(trial.outcome.curve.items())
    return [epoch for epoch, _ in points], [value for _, value in points]


def _fields(definition: Definition, done: Sequence[Trial], used: str) -> str:
    """Draws the figure over each field."""
    objective = definition.objective
    figures = np.array([trial.objective for trial in done], np.float64)
    quality = _quality(definition, figures)
    best = int(np.argmax(quality))
    axes = [axis for axis in definition.space.axes if all(axis.path in trial.values for trial in done)]
    scales = {axis.path: _scale(axis, done) for axis in axes}
    shares = field_importances(definition, done)
    parts = []
    if shares:
        title = f"importance of fields for {objective} (fANOVA), {used}"
        parts.append(plotted(title, importances(title, shares)))
    outcome = Scale(objective, figures.tolist())
    title = f"{objective} of {len(done)} trials by their values, {used}"
    parts.append(plotted(title, parallel_coordinates(title, [*scales.values(), outcome], quality.tolist(), best)))
    for path, scale in scales.items():
        title = f"{objective} over {path}, {used}"
        parts.append(plotted(title, slice_plot(title, scale, figures.tolist(), best, objective)))
    pair = _two_fields(axes, shares)
    if pair:
        parts.append(_heat_map(definition, pair, done, used))
    return section("Fields", f'<div class="plots">{"".join(parts)}</div>')


def _quality(definition: Definition, figures: np.ndarray) -> np.ndarray:
    """Returns for each trial the fraction of other trials that are not better: 0 for the worst, 1 for the best."""
    losses = np.array([definition.loss(figure) for figure in figures])
    order = np.array([np.mean(losses >= loss) for loss in losses])
    low = order.min()
    return (order - low) / (1 - low) if low < 1 else np.ones_like(order)


def _scale(axis: Axis, trials: Sequence[Trial]) -> Scale:
    values = [trial.values[axis.path] for trial in trials]
    if not isinstance(axis.values, Choices):
        return Scale(axis.path, [float(to_optuna(axis, value)) for value in values], log=axis.values.log)
    choices = axis.values.values
    places = [float(choices.index(value)) for value in values]
    return Scale(axis.path, places, [float(n) for n in range(len(choices))], [show(choice) for choice in choices])


def _two_fields(axes: Sequence[Axis], shares: Sequence[tuple[str, float]]) -> tuple[Axis, Axis] | None:
    """Returns the two most important fields; the seed counts as the least important."""
    rank = {path: number for number, (path, _) in enumerate(shares)}
    ordered = sorted(axes, key=lambda axis: (axis.path in REPEATED, rank.get(axis.path, len(rank))))
    return (ordered[0], ordered[1]) if len(ordered) > 1 else None


def _heat_map(definition: Definition, pair: tuple[Axis, Axis], done: Sequence[Trial], used: str) -> str:
    rows, columns = (_parts(axis, done) for axis in pair)
    means = np.full((len(rows.names), len(columns.names)), np.nan)
    for row in range(means.shape[0]):
        for column in range(means.shape[1]):
            here = [
                trial.objective
                for trial, y, x in zip(done, rows.positions, columns.positions, strict=True)
                if (y, x) == (row, column) and trial.objective is not None
            ]
            means[row, column] = np.mean(here) if here else np.nan
    present = np.isfinite(means)
    quality = np.full(means.shape, np.nan)
    quality[present] = _quality(definition, means[present])
    title = f"mean {definition.objective} over {pair[0].path} and {pair[1].path}, {used}"
    return plotted(title, heat_map(title, rows, columns, means, quality))


def _parts(axis: Axis, trials: Sequence[Trial]) -> Scale:
    """Returns the field's values as whole positions with names; those of a range are put into a few intervals."""
    scale = _scale(axis, trials)
    if scale.names:
        return scale
    assert not isinstance(axis.values, Choices)
    low, high = float(axis.values.low), float(axis.values.high)
    edges = np.geomspace(low, high, _PARTS + 1) if axis.values.log else np.linspace(low, high, _PARTS + 1)
    places = np.clip(np.searchsorted(edges, scale.positions, side="right") - 1, 0, _PARTS - 1)
    names = [f"{one:.2g} to {other:.2g}" for one, other in itertools.pairwise(edges)]
    return Scale(axis.path, places.astype(float).tolist(), [float(n) for n in range(_PARTS)], names)


def field_importances(definition: Definition, done: Sequence[Trial]) -> list[tuple[str, float]]:
    """Returns the fraction of the figure's variance that each field explains, the largest first; they sum to 1.

    By fANOVA (Hutter et al. 2014, "An efficient approach for assessing hyperparameter importance"), in Optuna's
    implementation. Empty if there are too few trials, or if they do not differ.

    Args:
        definition: the sweep.
        done: trials that were completed.
    """
    import optuna
    from optuna.distributions import BaseDistribution, FloatDistribution
    from optuna.trial import create_trial

    figures = {trial.objective for trial in done}
    everywhere = [axis for axis in definition.space.axes if all(axis.path in trial.values for trial in done)]
    axes = [axis for axis in everywhere if len({show(trial.values[axis.path]) for trial in done}) > 1]
    if len(done) < _FEWEST_FOR_IMPORTANCE or len(figures) < 2 or not axes:
        return []
    with quiet():
        study = optuna.create_study(direction=definition.direction)
        # All values are given as numbers: choices by their position, a logarithmic range by its logarithm. fANOVA
        # weighs all parts of a span equally, and takes minutes with categories.
        places = {axis.path: _scale(axis, done).fractions() for axis in axes}
        distributions: dict[str, BaseDistribution] = {path: FloatDistribution(0.0, 1.0) for path in places}
        for number, trial in enumerate(done):
            params = {path: float(each[number]) for path, each in places.items()}
            study.add_trial(create_trial(params=params, distributions=distributions, value=trial.objective))
        try:
            shares = optuna.importance.get_param_importances(
                study,
                evaluator=optuna.importance.FanovaImportanceEvaluator(n_trees=_TREES, max_depth=_DEPTH, seed=0),
            )
        except RuntimeError:  # the figures differ too little for the trees
            return []
    return sorted(((path, float(share)) for path, share in shares.items()), key=lambda item: -item[1])


def _trials(results: SweepResults) -> str:
    also = list(results.also[0]) if results.trials else []
    paths = [*(axis.path for axis in results.definition.space.axes), *also]
    head = ["trial", "state", *paths, results.definition.objective, "seconds", "reason"]
    rows = []
    for trial in results.trials:
        outcome, values = trial.outcome, {**trial.values, **results.also[trial.number]}
        rows.append(
            [
                str(trial.number),
                trial.state,
                *(show(values[path]) if path in values else "" for path in paths),
                figure(trial.objective) if trial.objective is not None and math.isfinite(trial.objective) else "",
                f"{outcome.seconds:.1f}" if outcome else "",
                outcome.reason if outcome else "",
            ]
        )
    return section("Trials", table(head, rows, range(len(head) - 3, len(head) - 1)))


def _definition(definition: Definition) -> dict[str, object]:
    value = definition.to_json()
    del value["experiment"]
    return value
