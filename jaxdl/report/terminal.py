"""What a run shows in the terminal: lines that are kept up to date while it trains, and a short table at its end.

Progress and messages go to stderr, results to stdout, so that ``> results.txt`` saves the results and still shows the
rest. Names and texts that come from data are shown literally: markup and terminal commands in them have no effect.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from jaxdl.errors import UserError, printable
from jaxdl.report.format import baseline_facts, data_used, figure, split_metrics
from jaxdl.report.notebook import CellArea, framed, in_notebook, preformatted

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.table import Table


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


def _messages() -> TextIO:
    return sys.stdout if in_notebook() else sys.stderr


class Nowhere(io.StringIO):
    """A file that keeps nothing of what is written to it."""

    def write(self, text: str, /) -> int:
        return len(text)


class LiveArea:
    """The lowest lines of a terminal, kept up to date, with lines of text above them; a context manager.

    Without a terminal (a pipe, a file, CI) and outside the ``with`` block, only the lines of text are written.

    Args:
        rendered: returns what to show now; called four times a second from a separate thread.
        file: where to write; None means stderr, and in a notebook the cell's own output.
        in_cell: returns what a notebook shows, as HTML and as text; None: what a terminal shows.
    """

    def __init__(
        self,
        rendered: Callable[[], RenderableType],
        file: TextIO | None = None,
        in_cell: Callable[[], tuple[str, str]] | None = None,
    ):
        self._rendered = rendered
        self._in_cell = in_cell or self._as_in_terminal
        self._cell = CellArea(self._in_cell) if file is None and in_notebook() else None
        self._file = _messages() if file is None else file
        self._live: Live | None = None
        self._entered = False

    def say(self, text: str) -> None:
        """Writes a text, above the area if there is one."""
        shown = "\n".join(printable(line) for line in text.splitlines())
        with _unimportant(self._file):
            if self._live is None:
                print(shown, file=self._file, flush=True)
            else:
                from rich.text import Text

                self._live.console.print(Text(shown), soft_wrap=True)

    def line(self, text: str) -> None:
        """Writes a line about the progress, which an area in a notebook shows itself."""
        if self._cell is not None and self._entered:
            self._cell.refresh(now=True)
        else:
            self.say(text)

    def refresh(self) -> None:
        """Says that something has changed; a terminal looks by itself."""
        if self._cell is not None and self._entered:
            self._cell.refresh()

    def _as_in_terminal(self) -> tuple[str, str]:
        return framed([preformatted(self._rendered())]), ""

    def __enter__(self) -> LiveArea:
        self._entered = True
        if self._cell is not None:
            self._cell.refresh(now=True)
            return self
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
        if self._cell is not None and self._entered:
            self._cell.refresh(now=True)
        self._entered = False
        live, self._live = self._live, None
        if live is not None:
            with _unimportant(self._file):
                live.stop()


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
        file: where to write; None means stderr, and in a notebook stdout, since it shows all of stderr as errors.
    """
    lines = [printable(line) for line in text.splitlines()]
    stream = _messages() if file is None else file
    with _unimportant(stream):
        print("\n".join(lines), file=stream, flush=True)


def say_nothing(text: str) -> None:
    """Takes a message, and does nothing with it: what `notify=None` stands for."""


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
