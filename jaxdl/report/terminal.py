"""What a run shows in the terminal: its progress while it trains, and a short table at its end.

Progress and messages go to stderr, results to stdout, so that ``> results.txt`` saves the results and still shows the
rest. Names and texts that come from data are shown literally: markup and terminal commands in them have no effect.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TextIO

from jaxdl.errors import UserError, printable
from jaxdl.report.format import baseline_facts, data_used, duration, figure, figures, split_metrics

if TYPE_CHECKING:
    from rich.console import Console, Group, RenderableType
    from rich.live import Live
    from rich.table import Table


class Reached(NamedTuple):
    """The progress of a training.

    Attributes:
        step: number of train steps done.
        epoch: the running epoch, 1 for the first; at the end of an epoch, its number.
        metrics: figures by name for each split, such as ``{"train": {"loss": 0.5}}``.
        examples_per_second: the speed of the train steps; None if there is no new measurement.
    """

    step: int
    epoch: int
    metrics: Mapping[str, Mapping[str, Any]]
    examples_per_second: float | None = None


class Display(Protocol):
    """Shows the progress of a training, such as `Progress`."""

    def update(self, reached: Reached) -> None:
        """Shows the progress within an epoch; the figures are those of ``train``."""

    def end_epoch(self, reached: Reached) -> None:
        """Shows that an epoch has ended."""


def drop(stream: Any) -> None:
    """Makes a stream that cannot be written to write nowhere, so that neither later output nor its closing fails."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def reader_is_gone(stream: Any, error: OSError) -> bool:
    """Returns whether writing failed because nobody reads any more: ``head`` has ended, or the terminal was closed.

    Args:
        stream: what was written to.
        error: what writing raised.
    """
    if isinstance(error, BrokenPipeError):
        return True
    # A disk gives the same error number for a file.
    with contextlib.suppress(OSError, ValueError):
        return error.errno == errno.EIO and stat.S_ISCHR(os.fstat(stream.fileno()).st_mode)
    return False


@contextlib.contextmanager
def _unimportant(stream: Any) -> Iterator[None]:
    """Lets what is written to a stream fail: a closed terminal or an ended reader must not end a training."""
    try:
        yield
    except (OSError, ValueError):  # ValueError: the file was closed
        drop(stream)


def console_of(stream: TextIO | None = None) -> Console:
    """Returns Rich's console for a stream; None means stdout. An ended reader raises `BrokenPipeError`."""
    from rich.console import Console

    class Strict(Console):
        def on_broken_pipe(self) -> None:
            raise

    return Strict(file=sys.stdout if stream is None else stream, highlight=False)


class LiveArea:
    """The lowest lines of a terminal, kept up to date, with lines of text above them; a context manager.

    Without a terminal (a pipe, a file, CI) and outside the ``with`` block, only the lines of text are written.

    Args:
        rendered: returns what to show now; called four times a second from a separate thread.
        file: where to write; None means stderr.
    """

    def __init__(self, rendered: Callable[[], RenderableType], file: TextIO | None = None):
        self._rendered = rendered
        self._file = sys.stderr if file is None else file
        self._live: Live | None = None

    def say(self, text: str) -> None:
        """Writes a text, above the area if there is one."""
        shown = "\n".join(printable(line) for line in text.splitlines())
        with _unimportant(self._file):
            if self._live is None:
                print(shown, file=self._file, flush=True)
            else:
                from rich.text import Text

                self._live.console.print(Text(shown), soft_wrap=True)

    def __enter__(self) -> LiveArea:
        from rich.live import Live

        console = console_of(self._file)
        if console.is_terminal and not console.is_dumb_terminal:
            live = Live(
                console=console,
                get_renderable=self._rendered,
                refresh_per_second=4,
                transient=True,
                # Other prints also go above the area, unless they go to a file.
                redirect_stdout=sys.stdout.isatty(),
            )
            with _unimportant(self._file):
                live.start()
            self._live = live
        return self

    def __exit__(self, *exception: object) -> None:
        live, self._live = self._live, None
        if live is not None:
            with _unimportant(self._file):
                live.stop()


class Progress:
    """Shows the progress of a training; a `Display` and a context manager.

    A terminal shows one line for each finished epoch and a progress bar below; elsewhere (a pipe, a file, CI) there are
    only the lines.

    Args:
        experiment: its name.
        epochs: how many epochs the whole training has.
        steps: how many train steps the whole training has.
        first_step: number of train steps done before this process started.
        file: where to write; None means stderr.
        notify: called with the line of each epoch instead of writing it; there is no bar then.
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
        notify: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._name = printable(experiment)
        self._epochs = epochs
        self._steps = steps
        self._step, self._epoch = first_step, 0
        self._shown = "compiling"
        self._clock = clock
        self._began = clock()
        # The remaining time is estimated from the speed since the first report: the time before it is mostly
        # compilation.
        self._pace_from: tuple[int, float] | None = None
        self._examples_per_second: float | None = None
        self._area = LiveArea(self._rendered, file)
        self._notify = notify

    def update(self, reached: Reached) -> None:
        """Shows the progress; the figures in the bar are those of ``train``."""
        self._advance(reached)
        self._shown = figures(reached.metrics["train"])

    def end_epoch(self, reached: Reached) -> None:
        """Writes the line of a finished epoch."""
        self._advance(reached)
        parts = [f"{printable(split)} {shown}" for split, of in reached.metrics.items() if (shown := figures(of))]
        # Short enough for one line of most terminals; the bar shows the rest.
        line = [f"epoch {reached.epoch}/{self._epochs}", *parts, self._pace(), self._times()[1]]
        self.say("  ".join(part for part in line if part))

    def say(self, text: str) -> None:
        """Writes a text, above the bar if there is one."""
        (self._notify or self._area.say)(text)

    def __enter__(self) -> Progress:
        self._began = self._clock()
        if self._notify is None:
            self._area.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._area.__exit__(*exception)

    def _rendered(self) -> Group:
        """Returns the current bar."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        bar = ProgressBar(total=max(1, self._steps), completed=self._step, width=20)
        counts = f"epoch {self._epoch}/{self._epochs}  step {self._step}/{self._steps}"
        first = Table.grid(padding=(0, 2))
        first.add_row(Text(self._name, style="bold"), bar, Text(counts), *map(Text, self._times()))
        return Group(first, Text(f"  {self._shown}  {self._pace()}", no_wrap=True, overflow="ellipsis"))

    def _advance(self, reached: Reached) -> None:
        self._step, self._epoch = reached.step, reached.epoch
        pace = reached.examples_per_second
        if pace is not None and math.isfinite(pace):
            self._examples_per_second = pace
        if self._pace_from is None:
            self._pace_from = (reached.step, self._clock())

    def _pace(self) -> str:
        return "" if self._examples_per_second is None else f"{self._examples_per_second:,.0f} examples/s"

    def _times(self) -> tuple[str, str]:
        return duration(self._clock() - self._began), f"{duration(self._seconds_left())} left"

    def _seconds_left(self) -> float:
        """Estimates the seconds until the last step; nan before there is a measurement."""
        if self._step >= self._steps:
            return 0.0
        if self._pace_from is None:
            return math.nan
        first_step, first_time = self._pace_from
        done, seconds = self._step - first_step, self._clock() - first_time
        return (self._steps - self._step) * seconds / done if done > 0 else math.nan


def results_table(summary: Mapping[str, Any], run_dir: Path, file: TextIO | None = None) -> None:
    """Prints a run's results: each figure by split with the data it was measured on, then facts about the run.

    Args:
        summary: the content of ``summary.json``.
        run_dir: the run directory.
        file: where to write; None means stdout. If its reader has ended, as ``head`` does, nothing more is written.

    Raises:
        UserError: it cannot be written to.
    """
    stream = sys.stdout if file is None else file
    try:
        _write_results(summary, run_dir, stream)
        stream.flush()
    except OSError as error:
        gone = reader_is_gone(stream, error)
        drop(stream)
        if gone:
            return
        raise UserError(
            f"cannot write the results: {error.strerror or error}; those of a training are in {run_dir}/summary.json."
        ) from error


def _achieved(summary: Mapping[str, Any]) -> str:
    rate, share = summary.get("train_flops_per_second"), summary.get("train_flops_share")
    if not rate:
        return ""
    text = f", {rate / 1e9:,.3g} GFLOP/s"
    if share is None:
        return text
    if share > 1:  # the peak was measured while other work took the cores
        return f"{text}, more than the measured peak: measure again with --mode=devices while nothing else runs"
    return f"{text}, {share:.0%} of the measured peak"


def _write_results(summary: Mapping[str, Any], run_dir: Path, stream: TextIO) -> None:
    from rich.text import Text

    console = console_of(stream)
    about_data = summary.get("data") or {}
    data = data_used(about_data)
    console.print(_metrics_table(summary, data))
    lines = [("status", str(summary.get("status", "unknown"))), ("data", data)]
    best = about_data.get("best_loss")
    if best is not None:
        lines.append(("best possible", f"loss {figure(best)}, no model can have a lower expected loss"))
    lines.extend(("baseline", f"{name}: {values}") for name, values in baseline_facts(about_data).items())
    if "parameters" in summary:
        lines.append(("parameters", f"{summary['parameters']:,}"))
    if summary.get("train_examples_per_second"):
        lines.append(("speed", f"{summary['train_examples_per_second']:,.0f} examples/s{_achieved(summary)}"))
    if "wall_seconds" in summary:
        compiling = f", {summary['compile_seconds']:.1f} s of it compiling" if "compile_seconds" in summary else ""
        lines.append(("time", f"{summary['wall_seconds']:.1f} s{compiling}"))
    lines.append(("run directory", str(run_dir)))
    for name, value in lines:
        # Not wrapped, so that a path can be copied.
        console.print(Text(f"{name:<13}  {printable(value)}"), soft_wrap=True)


def announce(text: str, file: TextIO | None = None) -> None:
    """Prints a message about a run, such as where its data come from.

    Args:
        text: one or more lines.
        file: where to write; None means stderr.
    """
    lines = [printable(line) for line in text.splitlines()]
    stream = sys.stderr if file is None else file
    with _unimportant(stream):
        print("\n".join(lines), file=stream, flush=True)


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
