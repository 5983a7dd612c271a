"""Devices and their measured rates as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from jaxdl.backend.devices import Device, Devices
from jaxdl.backend.rates import Rates
from jaxdl.report.format import readable_bytes

_GIGA = 1e9


def devices_table(found: Devices) -> Group:
    """Returns the devices, one a line, and below them what was measured."""
    parts = [_listed(found.devices), _measured(found.rates)]
    sums = found.rates.all_reduces
    if sums:
        table = _table(f"sum over the devices ({found.interconnect})", "time", "GB/s")
        for each in sums:
            table.add_row(readable_bytes(each.bytes), _time(each.seconds), f"{each.bytes_per_second / _GIGA:,.2f}")
        return Group(*parts, table)
    return Group(*parts, Text("There is one device, so there is no sum over devices to measure.\n"))


def _listed(devices: Sequence[Device]) -> Table:
    table = _table("device", "platform", "kind", "memory", "process")
    placed = any(device.coordinates for device in devices)
    if placed:
        table.add_column("coordinates")
    for device in devices:
        memory = "not known" if device.memory_bytes is None else readable_bytes(device.memory_bytes)
        process = f"{device.process}{' (this one)' if device.is_local else ''}"
        where = [",".join(map(str, device.coordinates or ()))] if placed else []
        table.add_row(str(device.number), device.platform, device.kind, memory, process, *where)
    return table


def _measured(rates: Rates) -> Table:
    table = _table("one device", "rate", "")
    for dtype, peak in rates.peaks.items():
        rate = f"{peak.flops_per_second / _GIGA:,.4g} GFLOP/s"
        table.add_row(f"{dtype} product", rate, f"best of several sizes: {peak.size} x {peak.size}")
    rate = f"{rates.memory_bytes_per_second / _GIGA:,.4g} GB/s"
    table.add_row("memory", rate, "read and written together, by an addition in place")
    return table


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in ("rate", "time", "GB/s") else "left")
    return table


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:,.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:,.3g} µs"
