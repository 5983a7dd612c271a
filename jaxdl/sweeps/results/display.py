"""The display of a sweep in the terminal while it runs, and at its end."""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from jaxdl.errors import printable
from jaxdl.fields import show
from jaxdl.report.format import duration, figure
from jaxdl.report.progress import Reached
from jaxdl.report.terminal import LiveArea, console_of
from jaxdl.sweeps.definition import FOLD, REPEATED, SEED, Definition
from jaxdl.sweeps.results.results import SweepResults
from jaxdl.sweeps.results.tables import group_table
from jaxdl.sweeps.space.sampling import Key, combination_key
from jaxdl.sweeps.trials.trial import Trial

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

_MOST_ROWS = 12


def values_text(values: Mapping[str, Any]) -> str:
    """Returns values in one line, such as ``optimizer.learning_rate=0.001 seed=2``."""
    return printable(" ".join(f"{path}={show(value)}" for path, value in values.items()))


class TrialDisplay:
    """Reports the progress of one trial; a `Display`.

    Args:
        epochs: epochs of the trial.
        tell: called with the text to show and the fraction of the trial that is done.
    """

    def __init__(self, epochs: int, tell: Callable[[str, float], None]):
        self._epochs = epochs
        self._tell = tell

    def update(self, reached: Reached) -> None:
        """Reports the progress within an epoch."""
        self._show(reached, reached.epoch - 0.5)

    def end_epoch(self, reached: Reached) -> None:
        """Reports the end of an epoch."""
        self._show(reached, reached.epoch)

    def _show(self, reached: Reached, epochs_done: float) -> None:
        loss = figure(reached.metrics["train"]["loss"])
        self._tell(f"epoch {reached.epoch}/{self._epochs}  loss {loss}", epochs_done / self._epochs)


@dataclasses.dataclass
class _Running:
    """A running trial, its text, and the fraction of it that is done."""

    trial: Trial
    epochs: int
    text: str = "running"
    done: float = 0.0


class SweepDisplay:
    """Shows the progress of a sweep; a context manager.

    A terminal shows one line for each finished trial and a live table below, a notebook only the table; elsewhere there
    are only the lines.

    Args:
        definition: the sweep.
        file: where to write; None means stderr.
        clock: returns seconds; for tests.
    """

    def __init__(
        self,
        definition: Definition,
        *,
        file: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._definition = definition
        self._clock = clock
        self._began = clock()
        self._ended: list[Trial] = []
        self._earlier = 0
        self._running: dict[int, _Running] = {}
        self._combinations: dict[Key, dict[str, Trial]] = {}  # their completed trials, by seed
        # The smallest is the best; None: one that keeps no bound. Each line about a trial looks at those of all.
        self._ranks: dict[Key, tuple[int, float] | None] = {}
        self._area = LiveArea(self._rendered, file)
        self._lock = threading.Lock()

    def begin(self, trial: Trial, epochs: int) -> None:
        """Shows that a trial with that many epochs starts."""
        with self._lock:
            self._running[trial.number] = _Running(trial, epochs)

    def show(self, number: int, text: str, done: float) -> None:
        """Shows a text for a running trial.

        Args:
            number: number of the trial; ignored if it is finished.
            text: what to show.
            done: the fraction of the trial that is done, to estimate the remaining time.
        """
        with self._lock:
            running = self._running.get(number)
            if running is not None:
                running.text, running.done = text, done
        self._area.refresh()

    def of(self, number: int) -> TrialDisplay:
        """Returns the display of a trial that has started."""
        return TrialDisplay(self._running[number].epochs, functools.partial(self.show, number))

    def end(self, trial: Trial, *, earlier: bool = False) -> None:
        """Shows that a trial is finished.

        Args:
            trial: the trial.
            earlier: whether an earlier process ran it; in that case no line is written.
        """
        with self._lock:
            self._running.pop(trial.number, None)
            self._ended.append(trial)
            self._earlier += earlier
        if trial.completed:
            self._take(trial)
        if not earlier:
            self._area.line(self._line(trial))

    def say(self, text: str) -> None:
        """Writes a text, above the table if there is one."""
        self._area.say(text)

    def _line(self, trial: Trial) -> str:
        """Returns the line of a finished trial."""
        parts = [f"trial {trial.number} {trial.state}", values_text(trial.values)]
        if trial.objective is not None:
            parts.append(f"{self._definition.objective} {figure(trial.objective)}")
        if trial.outcome and trial.outcome.reason:
            parts.append(trial.outcome.reason)
        return "  ".join([*parts, self._best_text(), self._counts()])

    def _take(self, trial: Trial) -> None:
        """Notes a completed trial, and ranks its combination by the number of its seeds and the mean over them."""
        key = combination_key(trial.values)
        with self._lock:
            same = self._combinations.setdefault(key, {})
            same.setdefault(values_text({path: trial.values.get(path) for path in REPEATED}), trial)
            seeds = list(same.values())
            rank = -len(seeds), self._definition.loss(_mean(seeds))
            self._ranks[key] = rank if self._keeps_bounds(seeds) else None

    def _best_text(self) -> str:
        """Returns the best combination so far, by the mean over its seeds, of those with the most seeds."""
        with self._lock:
            ranks = {key: rank for key, rank in self._ranks.items() if rank is not None}
            best = list(self._combinations[min(ranks, key=ranks.__getitem__)].values()) if ranks else []
        if not best:
            return "no best yet"
        over = f" over {repeats(best)}" if len(best) > 1 else ""
        return f"best {figure(_mean(best))}{over} (trial {min(trial.number for trial in best)})"

    def _keeps_bounds(self, seeds: Sequence[Trial]) -> bool:
        def mean(aim: str) -> float | None:
            figures = [trial.outcome.figure(aim) for trial in seeds if trial.outcome]
            known = [each for each in figures if each is not None]
            return statistics.fmean(known) if known and len(known) == len(seeds) else None

        return self._definition.keeps_bounds(mean)

    def _counts(self) -> str:
        return f"{len(self._ended)}/{self._definition.trials}  {duration(self._seconds_left())} left"

    def _seconds_left(self) -> float:
        """Estimates the seconds until the last trial ends; nan before there is a measurement."""
        left = self._definition.trials - len(self._ended)
        if left <= 0:
            return 0.0
        under_way = sum(running.done for running in self._running.values())
        here = len(self._ended) - self._earlier + under_way
        return (self._clock() - self._began) / here * (left - under_way) if here else math.nan

    def __enter__(self) -> SweepDisplay:
        self._began = self._clock()
        self._area.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._area.__exit__(*exception)

    def _rendered(self) -> Group:
        """Returns the current table; called from a separate thread."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        with self._lock:
            running = list(self._running.values())
            failed = sum(trial.state == "failed" for trial in self._ended)
            pruned = sum(trial.state == "pruned" for trial in self._ended)
        bar = ProgressBar(total=max(1, self._definition.trials), completed=len(self._ended), width=20)
        first = Table.grid(padding=(0, 2))
        states = f"running {len(running)}  pruned {pruned}  failed {failed}"
        name = Text(printable(self._definition.experiment.name), style="bold")
        first.add_row(name, bar, Text(self._counts()), Text(states), Text(self._best_text()))
        rows = Table.grid(padding=(0, 2))
        for each in running[:_MOST_ROWS]:
            number, values = each.trial.number, values_text(each.trial.values)
            rows.add_row(Text(f"  trial {number}"), Text(values), Text(each.text))
        more = len(running) - _MOST_ROWS
        return Group(first, rows, *([Text(f"  and {more} more")] if more > 0 else []))


def _mean(trials: Sequence[Trial]) -> float:
    return statistics.fmean(trial.objective for trial in trials if trial.objective is not None)


def _of_the_best(results: SweepResults) -> list[tuple[str, str]]:
    """Returns labelled lines about the best combination: what it was chosen by, and then its figures on test."""
    group, best, definition = results.groups[0], results.best, results.definition
    assert best is not None
    lines = [("best", f"trial {best.number}: {values_text(best.values)}")]
    for name in (definition.objective, f"test/{definition.objective.partition('/')[2]}"):
        if (found := results.mean_of(group, name)) is not None:
            after = ", measured after the choice" if name.startswith("test/") else ""
            lines.append(("", f"{name} {spread(*found[:2], repeats(results.trials_of(group)))}{after}"))
    if definition.others:
        aims = " and ".join((definition.objective, *definition.others))
        numbers = ", ".join(str(each.trials[0]) for each in results.front)
        lines.append(("front", f"trials {numbers}: no other is better in {aims}"))
    if results.luck is not None:
        lines.append(("luck", results.luck.text()))
    return lines


def spread(mean: float, interval: float | None, over: str) -> str:
    """Returns a mean with its interval of 95 %, and over how many seeds or folds it is."""
    return f"{figure(mean)}" + (f" ± {figure(interval)} over {over}" if interval is not None else "")


def repeats(trials: Sequence[Trial]) -> str:
    """Returns how many trainings of one combination there are, such as ``3 seeds`` or ``5 folds and 2 seeds``."""
    folds = len({trial.values[FOLD] for trial in trials if FOLD in trial.values})
    seeds = len({trial.values.get(SEED) for trial in trials})
    if not folds:
        return f"{len(trials)} seeds"
    return f"{folds} folds" + (f" and {seeds} seeds" if seeds > 1 else "")


def print_results(results: SweepResults, command: str, file: TextIO | None = None) -> None:
    """Prints the best combinations over their seeds, how the trials ended, and how to run the best one again.

    Args:
        results: results of the sweep.
        command: the command line of the best trial; empty if there is none.
        file: where to write; None means stdout.
    """
    from rich.text import Text

    console = console_of(file)
    table, rows = _results_table(results), len(results.groups)
    wide = console.measure(table, options=console.options.update(width=10_000)).maximum > console.width
    console.print(_results_table(results, narrow=True) if wide else table)
    if rows > _MOST_ROWS:
        console.print(Text(f"and {rows - _MOST_ROWS} more in {results.sweep_dir / 'results.csv'}"))
    counts = {state: results.count(state) for state in ("completed", "pruned", "failed")}
    counts["left"] = results.definition.trials - sum(counts.values())
    lines = [("trials", ", ".join(f"{count} {state}" for state, count in counts.items() if count))]
    if counts["left"]:
        lines.append(("", "the same command runs those that are left"))
    failed = results.failed
    if failed and failed[0].outcome:
        lines.append(("first failure", f"trial {failed[0].number}: {failed[0].outcome.reason}"))
    if results.best is not None:
        lines += _of_the_best(results)
        if command:
            lines.append(("again", command))
    elif results.definition.bounds and counts["completed"]:
        bounds = " and ".join(map(str, results.definition.bounds))
        lines.append(("best", f"none: no combination keeps {bounds}"))
    lines.append(("time", f"{results.wall_seconds:.1f} s"))
    lines.append(("sweep directory", str(results.sweep_dir)))
    for label, value in lines:
        console.print(Text(f"{label:<15}  {printable(value)}"), soft_wrap=True)


def _results_table(results: SweepResults, narrow: bool = False) -> Table:
    """Returns the table of the best combinations; `narrow` is for more columns than a screen has place for."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    head, rows = group_table(results)
    name = printable(results.definition.experiment.name)
    padding = (0, 1, 0, 0) if narrow else (0, 1)
    table = Table(box=SIMPLE_HEAD, title=Text(name), title_justify="left", padding=padding, pad_edge=not narrow)
    for cell in head:
        # On several lines, so that rich does not break words to make columns narrower than their headings.
        broken = "\n".join(printable(cell).rsplit(" ", 1))
        if narrow:
            broken = broken.replace("_", "_\n").replace("/", "/\n")
        table.add_column(Text(broken), overflow="fold")
    for row in rows[:_MOST_ROWS]:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table
