"""What came of a sweep: its table in several forms, statistics over seeds, and the best trial."""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import math
import shlex
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxdl.experiment import Experiment
from jaxdl.fields import short_names, show
from jaxdl.files.atomic import named_cause, replace_file
from jaxdl.report.terminal import figure
from jaxdl.sweeps.definition import SEED, Definition
from jaxdl.sweeps.directory import read_definition
from jaxdl.sweeps.space.sampling import Key, grid_values, key_of
from jaxdl.sweeps.trials.schedule import with_waiting
from jaxdl.sweeps.trials.table import TABLE, Table
from jaxdl.sweeps.trials.trial import Trial, as_row

if TYPE_CHECKING:
    import pandas


@dataclasses.dataclass(frozen=True)
class Group:
    """Trials that differ in their seed alone.

    Attributes:
        values: what they have in common, by dotted path.
        trials: numbers of those that were completed.
        of: how many there are in all.
        mean: of the figure to compare by, each seed once; None where no trial was completed.
        std: its standard deviation over the seeds, with n - 1 in the denominator; None for fewer than two.
        ci95: half the width of the mean's confidence interval of 95 %, from Student's t; None for fewer than two.
    """

    values: Mapping[str, Any]
    trials: tuple[int, ...]
    of: int
    mean: float | None
    std: float | None
    ci95: float | None


@dataclasses.dataclass(frozen=True)
class SweepResults:
    """What came of a sweep.

    Attributes:
        definition: what the sweep is.
        sweep_dir: its directory.
        status: ``completed``, or ``preempted`` where trials are left.
        trials: all trials, by number.
        wall_seconds: time of the command, in seconds.
        compiled: how many train and eval programs this process compiled, or read from the cache.
    """

    definition: Definition
    sweep_dir: Path
    status: str
    trials: Sequence[Trial]
    wall_seconds: float = 0.0
    compiled: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One flat row for each trial, with the same keys: ready for ``pandas.DataFrame(results.rows)``."""
        rows = [as_row(trial) for trial in self.trials]
        keys = dict.fromkeys(key for row in rows for key in row)
        return [{key: row.get(key) for key in keys} for row in rows]

    def to_pandas(self) -> pandas.DataFrame:
        """Returns the rows as a data frame, indexed by trial; needs pandas."""
        import pandas

        return pandas.DataFrame(self.rows).set_index("trial")

    @property
    def best(self) -> Trial | None:
        """The first completed trial of the best combination (see `groups`); None where none was completed."""
        best = self.groups[0] if self.trials else None
        return self.trials[best.trials[0]] if best is not None and best.trials else None

    @functools.cached_property
    def groups(self) -> list[Group]:
        """Statistics over the seeds, the best combination first.

        One of which a seed failed, was given up, or is yet to run comes after those without, also where there are fewer
        trials than the grid has: the seeds that are left may be its lucky ones. Trials that are the same, because they
        were drawn twice, count once.
        """
        found: dict[Key, list[Trial]] = {}
        for trial in self.trials:
            found.setdefault(_combination(trial.values), []).append(trial)
        groups = [_group(trials) for trials in found.values()]
        wanted = self._seeds()

        def rank(group: Group) -> tuple[bool, float]:
            done = {_seed(self.trials[number].values) for number in group.trials}
            lacks = not wanted[_combination(group.values)] <= done
            return lacks, math.inf if group.mean is None else self.definition.loss(group.mean)

        return sorted(groups, key=rank)

    def _seeds(self) -> dict[Key, set[str]]:
        """Returns the seeds that each combination is to be run with."""
        definition = self.definition
        grids = grid_values([*definition.grids, definition.space]) if definition.mode == "grid" else []
        listed = {show(seed) for seed in definition.seeds}
        seeds: dict[Key, set[str]] = {}
        for values in (*(trial.values for trial in self.trials), *grids):
            seeds.setdefault(_combination(values), set(listed)).add(_seed(values))
        return seeds

    def count(self, state: str) -> int:
        """Returns how many trials are in a state."""
        return sum(trial.state == state for trial in self.trials)


def load_sweep(sweep_dir: Path | str, experiment: Experiment) -> SweepResults:
    """Returns what the trial table of a sweep directory holds now, a running sweep's too.

    Args:
        sweep_dir: the sweep directory.
        experiment: the recipe of the sweep's experiment, as its file defines it.

    Raises:
        UserError: there is no sweep, it is of another experiment, or a file is damaged.
    """
    sweep_dir = Path(sweep_dir)
    definition = read_definition(sweep_dir, experiment)
    trials = with_waiting(Table(sweep_dir / TABLE, definition).trials(), definition)
    over = sum(trial.outcome is not None for trial in trials)
    return SweepResults(definition, sweep_dir, "completed" if over == definition.trials else "running", trials)


def _combination(values: Mapping[str, Any]) -> Key:
    """Returns what trials have in common that differ in their seed alone."""
    return key_of({path: value for path, value in values.items() if path != SEED})


def _seed(values: Mapping[str, Any]) -> str:
    """Returns a trial's seed; empty where it is not varied."""
    return show(values[SEED]) if SEED in values else ""


def _group(trials: Sequence[Trial]) -> Group:
    done = [trial for trial in trials if trial.completed]
    by_seed = {_seed(trial.values): trial.objective for trial in done if trial.objective is not None}
    figures = list(by_seed.values())
    std = statistics.stdev(figures) if len(figures) > 1 else None
    ci95 = None
    if std is not None:
        from scipy.special import stdtrit  # the quantile of Student's t, without the second that scipy.stats takes

        ci95 = float(stdtrit(len(figures) - 1, 0.975)) * std / math.sqrt(len(figures))
    values = {path: value for path, value in trials[0].values.items() if path != SEED}
    mean = statistics.fmean(figures) if figures else None
    return Group(values, tuple(trial.number for trial in done), len(trials), mean, std, ci95)


def summary(results: SweepResults, command: Sequence[str]) -> dict[str, Any]:
    """Returns what stands in the sweep's ``summary.json``."""
    best = results.best
    definition = results.definition
    return {
        "experiment": definition.experiment.name,
        "status": results.status,
        "objective": definition.objective,
        "direction": definition.direction,
        "trials": {state: results.count(state) for state in ("completed", "pruned", "failed", "running", "waiting")},
        "best": None
        if best is None
        else {
            "trial": best.number,
            "values": {path: show(value) for path, value in best.values.items()},
            "objective": best.objective,
            "metrics": dict(best.outcome.metrics) if best.outcome else {},
            "data": best.outcome.data if best.outcome else "",
            "command": best_command(best, command) if command else None,
        },
        "groups": [
            {**dataclasses.asdict(group), "values": {path: show(value) for path, value in group.values.items()}}
            for group in results.groups
        ],
        "compiled": dict(results.compiled),
        "wall_seconds": results.wall_seconds,
    }


def best_command(trial: Trial, command: Sequence[str]) -> str:
    """Returns a command line that runs a trial again."""
    values = [f"--{path}={show(value)}" for path, value in trial.values.items()]
    return shlex.join(["python", *command, *values])


def write_tables(results: SweepResults) -> None:
    """Writes the rows as ``results.csv`` and ``results.parquet``, and the groups as Markdown and LaTeX.

    Raises:
        UserError: a file cannot be written.
    """
    folder = results.sweep_dir
    write_rows(results)
    replace_file(folder / "results.parquet", _parquet(results))
    head, rows = group_table(results)
    replace_file(folder / "results.md", markdown_table(head, rows))
    replace_file(folder / "results.tex", latex_table(head, rows))


def write_rows(results: SweepResults) -> None:
    """Writes the rows as ``results.csv``.

    Raises:
        UserError: it cannot be written.
    """
    replace_file(results.sweep_dir / "results.csv", csv_text(results))


def csv_text(results: SweepResults) -> str:
    """Returns the rows as CSV with a header (RFC 4180, lines ended by a line feed)."""
    text = io.StringIO()
    rows = results.rows
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    return "" if value is None else show(value) if isinstance(value, tuple | float | bool) else value


def _parquet(results: SweepResults) -> bytes:
    import pyarrow
    from pyarrow import parquet

    # Lists and parts as text: a column of a file has one type.
    rows = [{k: show(v) if isinstance(v, tuple) else v for k, v in row.items()} for row in results.rows]
    columns = {key: _column([row[key] for row in rows]) for key in (rows[0] if rows else ())}
    buffer = pyarrow.BufferOutputStream()
    with named_cause(results.sweep_dir, "write"):
        parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue().to_pybytes()


def _column(values: Sequence[Any]) -> list[Any]:
    """Returns a column in one type: numbers where all are, else text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int} or kinds <= {float} or kinds <= {bool} or kinds <= {str}:
        return list(values)
    if kinds <= {int, float}:
        return [None if value is None else float(value) for value in values]
    return [None if value is None else show(value) for value in values]


def group_table(results: SweepResults) -> tuple[list[str], list[list[str]]]:
    """Returns head and rows of the table over seeds, the best combination first."""
    name = results.definition.objective
    paths = [axis.path for axis in results.definition.space.axes if axis.path != SEED]
    data = ", ".join(sorted({trial.outcome.data for trial in results.trials if trial.outcome and trial.outcome.data}))
    short = {path: last for last, path in short_names(paths).items()}
    names = [short.get(path, path) for path in paths]
    head = [*names, "trials", f"{name}, mean", "std", "95 % interval", "measured on"]
    rows = [
        [
            *(show(group.values[path]) if path in group.values else "" for path in paths),
            str(len(group.trials)) if len(group.trials) == group.of else f"{len(group.trials)} of {group.of}",
            *("" if value is None else figure(value) for value in (group.mean, group.std)),
            "" if group.ci95 is None else f"± {figure(group.ci95)}",
            data,
        ]
        for group in results.groups
    ]
    return head, rows


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def latex_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table in LaTeX, for the package ``booktabs``."""
    body = "".join("  " + " & ".join(map(_latex, row)) + r" \\" + "\n" for row in rows)
    return (
        f"\\begin{{tabular}}{{{'l' * len(head)}}}\n  \\toprule\n  {' & '.join(map(_latex, head))} \\\\\n"
        f"  \\midrule\n{body}  \\bottomrule\n\\end{{tabular}}\n"
    )


_LATEX = {
    **{character: "\\" + character for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
}


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
