"""A series of its user: columns of a table in order of time, cut into windows."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal, final

from jaxdl.data.frames import Frame, listed
from jaxdl.data.source import Notify
from jaxdl.data.sources.sine import Sine
from jaxdl.data.sources.windowed import OfWindows
from jaxdl.data.spec import Column, Dataset, Gaps, Spec, Windows
from jaxdl.data.stand_in import banner
from jaxdl.data.tables import find_tables, read_table
from jaxdl.data.times import find_times, times_of
from jaxdl.data.windows import breaks_of, values_of
from jaxdl.errors import UserError
from jaxdl.fields import described, static
from jaxdl.files.paths import expanded


@final
@described
@dataclasses.dataclass(frozen=True)
class Series(OfWindows):
    """A table with a row for each time, oldest first: a model sees `window` rows and predicts a column of the next.

    Inputs are (windows, window, columns) float32, targets (windows,) float32, or (windows, horizon) for more than one
    step ahead; both are standardised by train inside the compiled step, and predictions and metrics are in the column's
    own unit.

    Splits are cut by time: the last share of the rows are the targets of test, those before them the targets of
    validation, and those before these the targets of train. A window of test may read values from before its first
    target, as a forecast at that time could; no target of a split is read or predicted by an earlier one.
    """

    path: str = static("", "the file: CSV, TSV, Parquet, .npz or .npy", path=True)
    column: str = static("", "the column to predict; empty: the last one")
    columns: tuple[str, ...] = static((), "the columns that are inputs, in this order; empty: only the one to predict")
    time: str = static(
        "",
        "the column of times, by which order and gaps are checked: dates and times, or whole numbers; empty: the first "
        "column of dates or times, or without one the order of the rows",
    )
    gaps: Gaps = static(
        "refuse",
        "what is done about missing rows and values: refuse, which is an error; skip, which leaves out windows that "
        "hold one; or ignore, which takes the rows as equally far apart whatever their times (values must be there)",
    )
    fallback: Literal["embedded", "none"] = static(
        "none", "what to use where there is no such file: a generated series, or nothing, which is an error"
    )

    @property
    def requested(self) -> str:
        return f"series:{self.path}"

    def spec(self, data_dir: Path) -> Spec:
        return self.load(data_dir, None).spec

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        """Returns the windows of all splits.

        Raises:
            UserError: there is no such file or column, the times do not rise, there are gaps, a value is no number, or
                the series is too short; the message names file and row.
        """
        if not self.path:
            raise UserError("no series is given: --data=series:FILE, such as --data=series:temperatures.csv.")
        path = expanded(self.path)
        if self.fallback == "embedded" and not path.exists():
            return self._stand_in(data_dir, notify)
        if path.is_dir():
            raise UserError(f"{path} is a folder; a series is one file, which is cut into splits by time.")
        frame = read_table(find_tables(path)["train"])
        time = self.time or find_times(frame)
        target = self.column or ([""] + [name for name in frame.arrays if name != time])[-1]
        names = self._names(frame, target, time)
        times = times_of(frame, time) if time else None
        step = times.step if times is not None else 0
        breaks = breaks_of(times, frame.rows, step, self.gaps)
        values = values_of(frame, names, self.gaps)
        predicted = values_of(frame, (target,), self.gaps)[:, 0]
        if not self.column or not self.time:
            when = f"{time!r} says when" if time else "there is no column of times, so their order says when"
            notify(f"{self.requested}: {target!r} is predicted from {listed(map(repr, names))}; {when}.")
        unit = times.unit if times is not None else "numbers"
        windows = Windows(self.horizon, time, step, unit, self.gaps)
        return self.cut(values, predicted, breaks, tuple(map(Column, names)), windows, notify)

    def _names(self, frame: Frame, target: str, time: str) -> tuple[str, ...]:
        """Returns the names of the inputs."""
        if not target:
            raise UserError(f"{frame.name} has only the column {listed(frame.arrays)}; there is none to predict.")
        frame.check_names((target,), "data.column")
        frame.check_names(self.columns, "data.columns")
        names = self.columns or (target,)
        for name in names:
            if names.count(name) > 1:
                raise UserError(f"data.columns: {name!r} is named twice.")
        if time in (*names, target):
            raise UserError(f"data.time={time}: the column of times is neither an input nor predicted.")
        return names

    def _stand_in(self, data_dir: Path, notify: Notify) -> Dataset:
        shared = {field.name: getattr(self, field.name) for field in dataclasses.fields(OfWindows)}
        stand_in = Sine(**shared, period=float(self.season or 50))
        used = f"sine (a generated series of {stand_in.rows:,} rows: a sine of period {stand_in.period:g} and noise)"
        way_out = ["give a table with --data=series:FILE", "--data.fallback=none makes this an error"]
        notify(banner(self.requested, [used], [f"there is no file {expanded(self.path)}"], way_out))
        return dataclasses.replace(stand_in.read(data_dir, notify), requested=self.requested)
