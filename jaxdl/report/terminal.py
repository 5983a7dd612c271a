"""What a run shows in the terminal: progress while it trains, and a short table at its end.

Progress and messages go to stderr, results to stdout, so that ``> results.txt`` keeps the results and shows the rest.
Names and texts that come from data are shown as they are: nothing in them is taken for markup or for a terminal's
commands.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from jaxdl.errors import printable

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live
    from rich.table import Table

_SPLITS = ("train", "validation", "test")


class Progress:
    """Shows how far a training is; a context manager.

    On a terminal there is a bar that keeps itself up to date, below one line for each epoch that ended; elsewhere (a
    pipe, a file, CI) those lines alone.

    Args:
        experiment: its name.
        epochs: how many epochs the whole training has.
        steps: how many train steps the whole training has.
        first_step: the step from which this process goes on.
        file: where to write; None means stderr.
        clock: returns seconds; for tests.
    """

    def __init__(
        self,
        experiment: str,
        epochs: int,
        steps: int,
        *,
        first_step: int = 0,
        file: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._name = printable(experiment)
        self._epochs = epochs
        self._steps = steps
        self._step, self._epoch = first_step, 0
        self._shown = "compiling"
        self._file = sys.stderr if file is None else file
        self._clock = clock
        self._began = clock()
        # The time left is told from the pace since the first report: what lies before it is mostly compilation.
        self._pace_from: tuple[int, float] | None = None
        self._examples_per_second: float | None = None
        self._live: Live | None = None

    def update(
        self, step: int, epoch: int, metrics: Mapping[str, float], examples_per_second: float | None = None
    ) -> None:
        """Reports where the training is.

        Args:
            step: number of train steps done.
            epoch: the running epoch, 1 for the first.
            metrics: numbers by name, such as ``loss`` and ``accuracy``.
            examples_per_second: the present pace; None keeps the last one.
        """
        self._advance(step, epoch, examples_per_second)
        self._shown = _figures(metrics)

    def end_epoch(
        self,
        step: int,
        epoch: int,
        metrics: Mapping[str, Mapping[str, Any]],
        examples_per_second: float | None = None,
    ) -> None:
        """Writes the line of an epoch that ended.

        Args:
            step: number of train steps done.
            epoch: number of epochs done.
            metrics: figures by name for each split; what is no number is left out.
            examples_per_second: the pace of the epoch's train steps; None keeps the last one.
        """
        self._advance(step, epoch, examples_per_second)
        parts = [f"{printable(split)} {_figures(figures)}" for split, figures in metrics.items() if _figures(figures)]
        # Short enough for one line of most terminals; the bar has the rest.
        line = [f"epoch {epoch}/{self._epochs}", *parts, self._pace(), self._times()[1]]
        self.say("  ".join(part for part in line if part))

    def say(self, text: str) -> None:
        """Writes a text, above the bar where there is one."""
        shown = "\n".join(printable(line) for line in text.splitlines())
        if self._live is None:
            print(shown, file=self._file, flush=True)
        else:
            from rich.text import Text

            self._live.console.print(Text(shown), soft_wrap=True)

    def __enter__(self) -> Progress:
        from rich.console import Console
        from rich.live import Live

        self._began = self._clock()
        console = Console(file=self._file, highlight=False)
        if console.is_terminal and not console.is_dumb_terminal:
            self._live = Live(
                console=console,
                get_renderable=self._rendered,
                refresh_per_second=4,
                transient=True,
                # What others print goes above the bar, too, unless it goes to a file.
                redirect_stdout=sys.stdout.isatty(),
            )
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _rendered(self) -> Group:
        """Returns the bar as it looks now; Rich asks for it four times a second, from a thread of its own."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        bar = ProgressBar(total=max(1, self._steps), completed=self._step, width=20)
        counts = f"epoch {self._epoch}/{self._epochs}  step {self._step}/{self._steps}"
        first = Table.grid(padding=(0, 2))
        first.add_row(Text(self._name, style="bold"), bar, Text(counts), *map(Text, self._times()))
        return Group(first, Text(f"  {self._shown}  {self._pace()}", no_wrap=True, overflow="ellipsis"))

    def _advance(self, step: int, epoch: int, examples_per_second: float | None) -> None:
        self._step, self._epoch = step, epoch
        if examples_per_second is not None and math.isfinite(examples_per_second):
            self._examples_per_second = examples_per_second
        if self._pace_from is None:
            self._pace_from = (step, self._clock())

    def _pace(self) -> str:
        return "" if self._examples_per_second is None else f"{self._examples_per_second:,.0f} examples/s"

    def _times(self) -> tuple[str, str]:
        return duration(self._clock() - self._began), f"{duration(self._seconds_left())} left"

    def _seconds_left(self) -> float:
        """Estimates the seconds until the last step; nan before anything is known."""
        if self._step >= self._steps:
            return 0.0
        if self._pace_from is None:
            return math.nan
        first_step, first_time = self._pace_from
        done, seconds = self._step - first_step, self._clock() - first_time
        return (self._steps - self._step) * seconds / done if done > 0 else math.nan


def results_table(summary: Mapping[str, Any], run_dir: Path, file: TextIO | None = None) -> None:
    """Prints a run's results: each figure by split with the data it was measured on, then what the run was.

    Args:
        summary: what stands in ``summary.json``.
        run_dir: the run directory.
        file: where to write; None means stdout.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout if file is None else file, highlight=False)
    about_data = summary.get("data") or {}
    data = data_used(about_data)
    console.print(_metrics_table(summary, data))
    lines = [("status", str(summary.get("status", "unknown"))), ("data", data)]
    best = about_data.get("best_loss")
    if best is not None:
        lines.append(("best possible", f"loss {figure(best)}, below which no model can come in expectation"))
    if "parameters" in summary:
        lines.append(("parameters", f"{summary['parameters']:,}"))
    if summary.get("train_examples_per_second"):
        lines.append(("speed", f"{summary['train_examples_per_second']:,.0f} examples/s"))
    if "wall_seconds" in summary:
        compiling = f", {summary['compile_seconds']:.1f} s of it compiling" if "compile_seconds" in summary else ""
        lines.append(("time", f"{summary['wall_seconds']:.1f} s{compiling}"))
    lines.append(("run directory", str(run_dir)))
    for name, value in lines:
        # Never wrapped, so that a path can be copied.
        console.print(Text(f"{name:<13}  {printable(value)}"), soft_wrap=True)


def announce(text: str, file: TextIO | None = None) -> None:
    """Prints a message about a run, such as where its data come from.

    Args:
        text: one or more lines.
        file: where to write; None means stderr.
    """
    lines = [printable(line) for line in text.splitlines()]
    print("\n".join(lines), file=sys.stderr if file is None else file, flush=True)


def data_used(data: Mapping[str, Any]) -> str:
    """Returns the name of the data that a summary's ``data`` tells of; a stand-in is called one."""
    used = str(data.get("used", "unknown"))
    return f"{used} (stand-in for {data.get('requested')})" if data.get("substituted") else used


def duration(seconds: float) -> str:
    """Returns a time as ``minutes:seconds`` or ``hours:minutes:seconds``; ``-:--`` when it is not known."""
    if not math.isfinite(seconds):
        return "-:--"
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def split_metrics(metrics: Mapping[str, Any]) -> tuple[list[str], dict[str, dict[str, float]]]:
    """Sorts the figures of a summary by metric.

    Args:
        metrics: figures by ``SPLIT/METRIC``; what is no number is left out.

    Returns:
        The splits that occur, and for each metric its numbers by split.
    """
    by_metric: dict[str, dict[str, float]] = {}
    for tag, value in metrics.items():
        split, _, name = tag.partition("/")
        if _is_number(value):
            by_metric.setdefault(name, {})[split] = value
    present = {split for values in by_metric.values() for split in values}
    known = [split for split in _SPLITS if split in present]
    return known + sorted(present - set(known)), by_metric


def figure(value: float) -> str:
    """Returns a number with four significant digits or, from 1000 on, as a whole number."""
    if not math.isfinite(value) or isinstance(value, int):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4f}" if abs(value) >= 0.1 else f"{value:.4g}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _figures(metrics: Mapping[str, Any]) -> str:
    return " ".join(f"{printable(name)} {figure(value)}" for name, value in metrics.items() if _is_number(value))


def _metrics_table(summary: Mapping[str, Any], data: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    splits, by_metric = split_metrics(summary.get("metrics", {}))
    table = Table(box=SIMPLE_HEAD, title=Text(printable(str(summary.get("experiment", "")))), title_justify="left")
    table.add_column("metric")
    for split in splits:
        table.add_column(Text(printable(split)), justify="right")
    table.add_column("measured on")
    for name, values in by_metric.items():
        cells: Sequence[str] = [figure(values[split]) if split in values else "" for split in splits]
        table.add_row(*(Text(printable(cell)) for cell in (name, *cells, data)))
    return table
