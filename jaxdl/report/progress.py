"""The progress of a training: one live bar in a terminal or a notebook, and one plain line an epoch elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TextIO

from jaxdl.errors import printable
from jaxdl.report.format import duration, figure, figures, is_number
from jaxdl.report.notebook import framed
from jaxdl.report.page import escaped, table
from jaxdl.report.terminal import LiveArea

if TYPE_CHECKING:
    from rich.console import Group

_MOST_EPOCHS = 12  # of which a notebook shows the figures while it trains


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


class Progress:
    """Shows the progress of a training; a `Display` and a context manager.

    A terminal shows one line for each finished epoch and a progress bar below; a notebook a bar and the figures of the
    last epochs in a table; elsewhere (a pipe, a file, CI) there are only the lines.

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
        self._area = LiveArea(self._rendered, file, self._in_notebook)
        self._notify = notify
        self._over = False
        self._epochs_shown: list[dict[str, str]] = []

    def update(self, reached: Reached) -> None:
        """Shows the progress; the figures in the bar are those of ``train``."""
        self._advance(reached)
        self._shown = figures(reached.metrics["train"])
        self._area.refresh()

    def end_epoch(self, reached: Reached) -> None:
        """Writes the line of a finished epoch."""
        self._advance(reached)
        parts = [f"{printable(split)} {shown}" for split, of in reached.metrics.items() if (shown := figures(of))]
        # Short enough for one line of most terminals; the bar shows the rest.
        line = [f"epoch {reached.epoch}/{self._epochs}", *parts, self._pace(), self._times()[1]]
        text = "  ".join(part for part in line if part)
        self._epochs_shown.append(self._row(reached))
        if self._notify is not None:
            self._notify(text)
        else:
            self._area.line(text)

    def say(self, text: str) -> None:
        """Writes a text, above the bar if there is one."""
        (self._notify or self._area.say)(text)

    def __enter__(self) -> Progress:
        self._began = self._clock()
        if self._notify is None:
            self._area.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over = True
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

    def _row(self, reached: Reached) -> dict[str, str]:
        numbers = {
            f"{split} {name}": figure(value)
            for split, of in reached.metrics.items()
            for name, value in of.items()
            if is_number(value)
        }
        return {"epoch": str(reached.epoch), **numbers, "examples/s": self._pace().removesuffix(" examples/s")}

    def _in_notebook(self) -> tuple[str, str]:
        """Returns the bar and the table of the last epochs, as HTML and as text."""
        elapsed, left = self._times()
        counts = f"epoch {self._epoch}/{self._epochs}, step {self._step}/{self._steps}, {elapsed}"
        running = f", {left}" if not self._over else ""
        bar = f'<progress value="{self._step}" max="{max(1, self._steps)}"></progress>'
        shown = f'<br><span class="soft">{escaped(self._shown)}</span>' if not self._over else ""
        head = list(dict.fromkeys(name for row in self._epochs_shown for name in row))
        rows = [[row.get(name, "") for name in head] for row in self._epochs_shown[-_MOST_EPOCHS:]]
        figures_of_epochs = table(head, rows, range(len(head))) if rows else ""
        html = framed(
            [f"<div><b>{escaped(self._name)}</b> {bar} {escaped(counts + running)}{shown}</div>", figures_of_epochs]
        )
        return html, f"{self._name}: {counts}{running}"
