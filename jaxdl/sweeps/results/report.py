"""The report of a sweep: one self-contained HTML page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from jaxdl.fields import show
from jaxdl.files.atomic import replace_file
from jaxdl.record import REPORT
from jaxdl.report.chart_svg import Look
from jaxdl.report.charts import line_chart
from jaxdl.report.format import duration, figure, without_folders
from jaxdl.report.page import escaped, page, pairs, section, table, titled, wide
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.results.curves import curve_section
from jaxdl.sweeps.results.display import repeats, spread
from jaxdl.sweeps.results.fields import fields_section
from jaxdl.sweeps.results.results import SweepResults, best_command
from jaxdl.sweeps.results.tables import group_table
from jaxdl.sweeps.space.space import apply
from jaxdl.sweeps.trials.trial import Trial

_MOST_ROWS = 12  # in a notebook
_STYLE = """
.parallel .filters { display: grid; gap: .6rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)); }
.parallel fieldset { border: 1px solid var(--line); border-radius: 6px; margin: 0; padding: .2rem .6rem .5rem;
  min-width: 0; max-height: 9rem; overflow-y: auto; }
.parallel legend { font-size: .8rem; overflow-wrap: anywhere; }
.parallel label { font-size: .8rem; margin-right: .6rem; }
.parallel input[type="number"] { width: 4.9rem; font: inherit; color: var(--ink); background: var(--page);
  border: 1px solid var(--soft); border-radius: 4px; }
.parallel button { margin-top: .6rem; } .parallel svg { cursor: crosshair; user-select: none; }
.parallel { margin-bottom: 2rem; } .choose select { font: inherit; font-size: .85rem; color: var(--ink);
  background: var(--card); border: 1px solid var(--soft); border-radius: 4px; max-width: 100%; }
.choose label { font-size: .85rem; } ul.lines { font-size: .85rem; padding-left: 1.2rem; overflow-wrap: anywhere; }
 p.note { margin: .4rem 0 1.2rem; }
.plots .wide > svg[width] { width: auto; }
@media (max-width: 40rem) { .plots .wide > svg[width] { max-width: none; width: 36rem; } }
@media print { .parallel .filters, .choose p.controls { display: none; } }
"""


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
    used = _used(done)
    sections = [
        _head(results),
        _banner(definition, done),
        _best(results, command),
        section("Over the seeds", _groups(results)),
        _front(results, used),
        section("Against luck", f"<p>{escaped(_luck_text(results))}</p>") if done else "",
        section("Learning curves", curve_section(results, used)),
        section("Fields", fields_section(definition, done, used)) if done else "",
        _trials(results),
        section("Definition", pairs(_definition(definition))),
    ]
    title = f"sweep of {definition.experiment.name}"
    return page(title, sections, _STYLE, interactive=True, scripts=("sweep.js",))


def outcome_sections(results: SweepResults) -> list[str]:
    """Returns the parts of the page that tell the outcome: the best, all combinations, and the learning curves."""
    done = [trial for trial in results.trials if trial.completed]
    rows = len(results.groups)
    return [
        _head(results),
        _banner(results.definition, done),
        _best(results, ()),
        _groups(results, _MOST_ROWS),
        f"<p>and {rows - _MOST_ROWS} more</p>" if rows > _MOST_ROWS else "",
        section("Learning curves", curve_section(results, _used(done), one=True)),
    ]


def _used(done: Sequence[Trial]) -> str:
    """Returns the names of the data that trials were measured on."""
    names = {trial.outcome.data for trial in done if trial.outcome and trial.outcome.data}
    return without_folders(", ".join(sorted(names)))


def _groups(results: SweepResults, most: int | None = None) -> str:
    """Returns the table over the seeds."""
    head, rows = group_table(results)
    numbers = range(head.index("trials"), len(head) - 1)
    return wide(table(head, rows[:most], numbers), "over the seeds") if rows else ""


def _head(results: SweepResults) -> str:
    counts = [f"{results.count(s):,} {s}" for s in ("completed", "pruned", "failed", "waiting") if results.count(s)]
    name = results.definition.experiment.name
    took = f"{duration(results.wall_seconds)} ({results.wall_seconds:.1f} s)"
    facts = " &middot; ".join(map(escaped, [results.status, _trials_said(counts), took, results.sweep_dir]))
    return f'<h1>sweep of {escaped(name)}</h1>\n<p class="sub">{facts}</p>'


def _trials_said(counts: Sequence[str]) -> str:
    """Returns how the trials ended, such as ``trials: 18 completed, 2 failed``."""
    return f"trials: {', '.join(counts)}" if counts else "no trial"


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
    again = f'<pre class="command" tabindex="0">{escaped(best_command(best, command))}</pre>' if command else ""
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
        best = [group for group in shown if any(group is each for each in results.front)]
        points = {
            name: tuple(zip(*sorted((group.others[aim], group.mean or 0.0) for group in groups), strict=True))
            for name, groups in (("combinations", shown), ("front", best))
            if groups
        }
        series = {name: (list(each[0]), list(each[1])) for name, each in points.items()}
        title = titled(f"{definition.objective} over {aim} of {len(shown)} combinations", used)
        look = Look(aim, definition.objective, whole=False, dots=("combinations",), scattered="front" not in series)
        plots.append(line_chart(title, series, look, colours={"combinations": "train", "front": "validation"}))
    return section("Front", f'<div class="plots">{"".join(plots)}</div>') if plots else ""


def _trials(results: SweepResults) -> str:
    also = list(results.also[0]) if results.trials else []
    paths = list(dict.fromkeys([*(axis.path for axis in results.definition.space.axes), *also]))
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
    numbers = range(len(head) - 3, len(head) - 1)
    if not any(row[-1] for row in rows):  # all went well
        head, rows = head[:-1], [row[:-1] for row in rows]
    return section("Trials", wide(table(head, rows, numbers), "trials"))


def _definition(definition: Definition) -> dict[str, object]:
    value = definition.to_json()
    del value["experiment"]
    return value
