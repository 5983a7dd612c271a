"""The connection between devices, as the driver's own tool tells it; here a script in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from jaxdl.backend.interconnect import interconnect

# In the form that the tool prints: a head that is underlined, GPUs and a network card, and a legend.
HEAD = "\t\x1b[4mGPU0\tGPU1\tNIC0\tCPU Affinity\x1b[0m\n"


def table(one: str, other: str) -> str:
    rows = f"GPU0\t X \t{one}\tSYS\t0-15\nGPU1\t{other}\t X \tPIX\t0-15\nNIC0\tSYS\tPIX\t X \n"
    return f"{HEAD}{rows}\nLegend:\n\n  X    = Self\n  SYS  = Connection traversing PCIe\n  NV#  = NVLinks\n"


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (table("NV18", "NV18"), "NVLink, 18 links"),
        (table("NV1", "NV1"), "NVLink"),
        (table("PHB", "PHB"), "PCIe, the processor's bridge"),
        (table("NV4", "SYS"), "NVLink, 4 links or PCIe and the connection between processors"),
        ("Failed to initialize NVML: Driver/library version mismatch\n", "not known"),
    ],
)
def test_gpus_are_connected_as_the_driver_says(
    printed: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "printed").write_text(printed)
    tool = tmp_path / "nvidia-smi"
    printing = f'while IFS= read -r line; do echo "$line"; done <{tmp_path}/printed'
    tool.write_text(f'#!/bin/sh\n[ "$*" = "topo -m" ] && {printing}\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert interconnect("gpu", 2, 1) == expected


def test_without_the_tool_the_connection_of_gpus_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert interconnect("gpu", 8, 1) == "not known"


@pytest.mark.parametrize(
    ("platform", "local", "processes", "expected"),
    [
        ("cpu", 1, 1, "one device"),
        ("cpu", 8, 1, "the machine's memory"),
        ("tpu", 4, 4, "ICI, the network of a TPU; 4 processes by their network"),
    ],
)
def test_other_devices_are_connected_as_they_are_made(platform, local, processes, expected):
    assert interconnect(platform, local, processes) == expected
