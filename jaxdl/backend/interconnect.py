"""By what devices are connected with each other."""

from __future__ import annotations

import re
import shutil
import subprocess

_TIMEOUT_S = 10
UNKNOWN = "not known"
# How `nvidia-smi topo -m` names a connection that is not NVLink (NV1, NV18 and so on): how far the way leads.
_PCIE = {
    "PIX": "PCIe, one switch",
    "PXB": "PCIe, several switches",
    "PHB": "PCIe, the processor's bridge",
    "NODE": "PCIe, bridges of one processor",
    "SYS": "PCIe and the connection between processors",
}


def interconnect(platform: str, local: int, processes: int) -> str:
    """Returns by what the devices of this process are connected, in words.

    Args:
        platform: ``cpu``, ``gpu`` or ``tpu``.
        local: how many devices this process has.
        processes: how many processes take part, whose devices are connected by the network, or as their maker says.
    """
    if local == 1:
        within = "one device"
    elif platform == "cpu":
        within = "the machine's memory"
    elif platform == "tpu":
        within = "ICI, the network of a TPU"
    else:
        within = _of_gpus()
    return within if processes == 1 else f"{within}; {processes} processes by their network"


def _of_gpus() -> str:
    """Returns the connections that the driver's tool names for pairs of GPUs, the fastest kind first."""
    if not shutil.which("nvidia-smi"):
        return UNKNOWN
    try:
        answer = subprocess.run(
            ["nvidia-smi", "topo", "-m"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
    plain = re.sub(r"\x1b\[[0-9;]*m", "", answer.stdout)  # the head of its table is underlined
    lines = [line.split() for line in plain.splitlines()]
    rows = [line[1:] for line in lines if line and re.fullmatch(r"GPU\d+", line[0]) and "X" in line]
    names = {cell for row in rows for cell in row[: len(rows)] if cell != "X"}
    links = sorted((int(name[2:]) for name in names if re.fullmatch(r"NV\d+", name)), reverse=True)
    found = [f"NVLink, {links[0]} links" if links[0] > 1 else "NVLink"] if links else []
    found += [words for name, words in _PCIE.items() if name in names]
    return " or ".join(found) or UNKNOWN
