"""Compares recipes by the figures of their runs: means over seeds, and each against a baseline."""

from __future__ import annotations

import dataclasses
import os
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jaxdl.comparison.runs import Run, data_frame, differing_fields, find_runs
from jaxdl.comparison.statistics import Difference, Estimate, difference, estimate
from jaxdl.errors import UserError, did_you_mean
from jaxdl.fields import show
from jaxdl.report.format import data_used, is_number

if TYPE_CHECKING:
    import pandas

# Runs that differ in these alone are of one recipe.
_BESIDE = ("seed", "checkpoint.")
_FEW_SEEDS = 5


@dataclasses.dataclass(frozen=True)
class Group:
    """The completed runs of one recipe, which differ in their seeds.

    Attributes:
        name: what differs from the other groups.
        values: the fields that differ between groups, by path.
        runs: the runs.
    """

    name: str
    values: Mapping[str, Any]
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
        return len({_seed(run) for run in self.runs})

    def by_seed(self, metric: str) -> dict[Any, float]:
        """Returns a figure by seed; of several runs with one seed the mean."""
        found: dict[Any, list[float]] = {}
        for run in self.runs:
            if is_number(run.metrics.get(metric)):
                found.setdefault(_seed(run), []).append(float(run.metrics[metric]))
        return {seed: statistics.fmean(values) for seed, values in found.items()}

    def median(self, fact: str) -> float | None:
        """Returns the median over the runs of a number of their summaries, such as ``wall_seconds``; None without."""
        values = [run.summary[fact] for run in self.runs if is_number(run.summary.get(fact))]
        return statistics.median(values) if values else None


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Recipes beside each other.

    Attributes:
        groups: the recipes.
        metrics: names of the compared figures, such as ``test/accuracy``.
        further: names of the other figures that runs have; empty where the compared ones were chosen by name.
        baseline: number of the group with which the others are compared.
        left_out: runs that are not completed.
    """

    groups: Sequence[Group]
    metrics: Sequence[str]
    further: Sequence[str]
    baseline: int
    left_out: Sequence[Run]

    def estimate(self, group: Group, metric: str) -> Estimate | None:
        """Returns a group's mean of a figure; None if no run has it."""
        values = list(group.by_seed(metric).values())
        return estimate(values) if values else None

    def difference(self, group: Group, metric: str) -> Difference | None:
        """Returns how a group differs from the baseline, over common seeds; None for the baseline and without any."""
        base = self.groups[self.baseline]
        if group is base:
            return None
        ours, theirs = group.by_seed(metric), base.by_seed(metric)
        common = [seed for seed in ours if seed in theirs]
        return difference([ours[seed] for seed in common], [theirs[seed] for seed in common]) if common else None

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One flat row for each group, with the same keys: ready for ``pandas.DataFrame(comparison.rows)``."""
        return [self._row(group) for group in self.groups]

    def to_pandas(self) -> pandas.DataFrame:
        """Returns the rows as a data frame.

        Raises:
            UserError: pandas is not installed.
        """
        return data_frame(self.rows, "recipe")

    @property
    def stand_ins(self) -> list[str]:
        """A line for each recipe whose figures are of other data than it asked for."""
        lines = []
        for group in self.groups:
            found = [run.summary["data"] for run in group.runs if isinstance(run.summary.get("data"), Mapping)]
            used = dict.fromkeys(data_used(data) for data in found if data.get("substituted"))
            lines += [f"{group.name}: measured on {name}" for name in used]
        return lines

    @property
    def said(self) -> list[str]:
        """A line for each recipe whose runs have tags or a note of the user's: all of them, each once."""
        lines = []
        for group in self.groups:
            tags = dict.fromkeys(tag for run in group.runs for tag in run.notes.tags)
            notes = dict.fromkeys(run.notes.note for run in group.runs if run.notes.note)
            if tags or notes:
                lines.append(f"{group.name}: {'; '.join(filter(None, [', '.join(tags), *notes]))}")
        return lines

    @property
    def caution(self) -> str:
        """What the number of seeds allows to conclude; empty where each recipe has enough."""
        fewest = min(group.seeds for group in self.groups)
        if fewest >= _FEW_SEEDS:
            return ""
        if fewest == 1:
            return (
                "A recipe has one seed: nothing here says whether a difference is more than chance. Train each with "
                f"{_FEW_SEEDS} or more (--sweep=seed=0:{_FEW_SEEDS})."
            )
        so_few = (
            "with two, the interval is 12.7 times the standard error of the mean, and even a large difference is "
            "seldom told from chance"
            if fewest == 2
            else "intervals are wide, p-values are rough, and one more seed may turn the order round"
        )
        return (
            f"A recipe has {fewest} seeds: {so_few}. Train each with {_FEW_SEEDS} or more "
            f"(--sweep=seed=0:{_FEW_SEEDS})."
        )

    def _row(self, group: Group) -> dict[str, Any]:
        row: dict[str, Any] = {"recipe": group.name, "seeds": group.seeds}
        row |= group.values
        for metric in (*self.metrics, *self.further):
            mean, against = self.estimate(group, metric), self.difference(group, metric)
            row[metric] = mean.mean if mean else None
            row[f"{metric} ci95"] = mean.half if mean else None
            row[f"{metric} difference"] = against.mean if against else None
            row[f"{metric} difference ci95"] = against.half if against else None
            row[f"{metric} p"] = against.p if against else None
            row[f"{metric} pairs"] = against.seeds if against else None
        return row


def compare(
    *places: str | os.PathLike[str],
    metrics: Sequence[str] = (),
    baseline: str | os.PathLike[str] | None = None,
) -> Comparison:
    """Compares the completed runs in some places; runs that differ in their seed alone are one recipe.

    Args:
        *places: as for `jaxdl.find_runs`; sweeps are their trials.
        metrics: names of the figures, such as ``test/accuracy``; none: all figures on test, or else on validation.
        baseline: with what the others are compared: the name of a recipe, or a run directory or another place with runs
            of one recipe; None: the recipe of the first run.

    Raises:
        UserError: there is no completed run, no run has a figure, or the baseline is none of the recipes.
    """
    found = find_runs(*places)
    done = [run for run in found if run.status == "completed"]
    if not done:
        raise UserError(f"none of the {len(found)} runs is completed, so there is nothing to compare.")
    groups = _groups(done)
    shown, further = _metrics(done, metrics)
    left_out = [run for run in found if run.status != "completed"]
    return Comparison(groups, shown, further, _baseline(groups, baseline), left_out)


def _seed(run: Run) -> Any:
    """Returns a run's seed; a run of another tool that names none has one of its own."""
    return str(run.path) if run.seed is None else run.seed


def _groups(runs: Sequence[Run]) -> list[Group]:
    """Sorts runs into recipes, in the order of their first runs.

    Fields are compared among the runs of one experiment: two experiments differ in most of them, and their names say
    it.
    """
    by_origin: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        by_origin.setdefault((run.experiment, run.tool), []).append(run)
    origins = Counter(experiment for experiment, _ in by_origin)
    everywhere = [path for path in differing_fields(runs) if not path.startswith(_BESIDE)]
    groups = []
    for (experiment, tool), same in by_origin.items():
        head = [experiment] if len(origins) > 1 else []
        head += [f"({tool})"] if origins[experiment] > 1 else []
        differing = [path for path in differing_fields(same) if not path.startswith(_BESIDE)]
        by_values: dict[str, list[Run]] = {}
        for run in same:
            by_values.setdefault(repr([run.config.get(path) for path in differing]), []).append(run)
        for equal in by_values.values():
            first = equal[0]
            values = {path: first.config[path] for path in everywhere if path in first.config}
            name = " ".join([*head, *_said({path: values[path] for path in differing if path in values}, differing)])
            groups.append(Group(name or experiment, values, tuple(equal)))
    order = {run.path: number for number, run in enumerate(runs)}
    return sorted(groups, key=lambda group: order[group.runs[0].path])


def _said(values: Mapping[str, Any], differing: Sequence[str]) -> list[str]:
    """Returns the differing fields of a recipe as text: by their last names where these are different ones."""
    last = [path.rpartition(".")[2] for path in differing]
    said = []
    for path, value in values.items():
        short = path.rpartition(".")[2]
        # The parts themselves come first, and their fields are those that others do not have.
        said.append(f"{short if last.count(short) == 1 else path}={show(value)}")
    return said


def _metrics(runs: Sequence[Run], wanted: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the names of the figures to compare, and of the others."""
    known = dict.fromkeys(name for run in runs for name, value in run.metrics.items() if is_number(value))
    for name in wanted:
        if name not in known:
            raise UserError(f"no run has the figure {name!r}.{did_you_mean(name, known)}")
    if wanted:
        return tuple(wanted), ()
    for split in ("test", "validation", ""):
        found = tuple(name for name in known if name.startswith(split and f"{split}/"))
        if found:
            return found, tuple(name for name in known if name not in found)
    raise UserError("no run has a figure.")


def _baseline(groups: Sequence[Group], baseline: str | os.PathLike[str] | None) -> int:
    if baseline is None:
        return 0
    names = [group.name for group in groups]
    if baseline in names:
        return names.index(str(baseline))
    paths = {run.path.resolve() for run in find_runs(baseline)}
    having = [number for number, group in enumerate(groups) if any(run.path.resolve() in paths for run in group.runs)]
    if len(having) != 1:
        what = "is none of the compared runs" if not having else "has runs of several recipes"
        raise UserError(
            f"--baseline={os.fspath(baseline)} {what}; give a run directory of one of them, or its name: "
            f"{', '.join(names)}."
        )
    return having[0]
