"""The table that a profiled run prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from jaxdl.errors import printable
from jaxdl.profiling.profiler import read_profile
from jaxdl.report.terminal import console_of

_SHOWN = 12


def print_profile(run_dir: Path, file: TextIO | None = None) -> None:
    """Prints where the time of a run's steps went; nothing if the run was not profiled.

    Args:
        run_dir: the run directory.
        file: where to write; None means stdout.
    """
    from rich.text import Text

    profile = read_profile(run_dir)
    if profile is None:
        return
    console = console_of(file)
    console.print(_step_table(profile))
    console.print(_operation_table(profile))
    for name, value in _lines(profile, run_dir / "profile"):
        console.print(Text(f"{name:<13}  {value}"), soft_wrap=True)


def _step_table(profile: Mapping[str, Any]) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    times = profile["seconds_per_step"]
    meanings = {
        "compute": f"{_milliseconds(times['between'])} ms of it between operations",
        "input": "gathering, normalising and augmenting the batch",
        "host": "the device waited for Python",
        "wall": f"{_milliseconds(times['untraced'])} ms without the tracer",
    }
    table = Table(box=SIMPLE_HEAD, title=f"a train step, over {profile['steps']:,} steps", title_justify="left")
    for column in ("time of a step", "ms", "share", ""):
        table.add_column(column, justify="right" if column in ("ms", "share") else "left")
    for name, meaning in meanings.items():
        table.add_row(name, _milliseconds(times[name]), f"{times[name] / times['wall']:.1%}", meaning)
    return table


def _operation_table(profile: Mapping[str, Any]) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD)
    for column in ("operation", "kind", "ms", "share", "layer"):
        table.add_column(column, justify="right" if column in ("ms", "share") else "left", overflow="fold")
    for row in profile["operations"][:_SHOWN]:
        layer = f"{row['layer']}, backward" if row["backward"] else row["layer"]
        cells = (row["name"], row["kind"], _milliseconds(row["seconds_per_step"]), f"{row['share']:.1%}", layer)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def _lines(profile: Mapping[str, Any], folder: Path) -> list[tuple[str, str]]:
    peaks = ", ".join(
        f"{peak['flops_per_second'] / 1e9:,.1f} GFLOP/s ({dtype} products of {peak['size']} x {peak['size']})"
        for dtype, peak in profile["peaks"].items()
    )
    share = f"{profile['share_of_peak']:.1%} of the measured peak"
    return [
        ("compile", f"{profile['compile_seconds']:.2f} s, once a run"),
        ("work", f"{profile['flops_per_step'] / 1e9:,.4g} GFLOP a step in matrix products and convolutions"),
        ("rate", f"{profile['flops_per_second'] / 1e9:,.1f} GFLOP/s, {share}"),
        ("peak", f"{peaks} on {profile['device']}"),
        ("trace", f"{folder / profile['trace']}"),
        ("to open it", f"tensorboard --logdir {folder}, or its .trace.json.gz at ui.perfetto.dev"),
    ]


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.4g}" if seconds < 1 else f"{seconds * 1000:,.0f}"
