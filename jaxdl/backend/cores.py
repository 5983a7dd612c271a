"""The cores and GPUs that this process may use.

JAX is imported only to list GPUs, since counting cores does not need it.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path


def machine_cores() -> int:
    """Returns how many cores the machine has, including those that this process may not use."""
    return os.cpu_count() or 1


def usable_cores() -> list[int]:
    """Returns the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(machine_cores()))


def processor_name() -> str:
    """Returns the model of the machine's processor; the architecture where it is not known."""
    try:
        described = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        described = ""
    model = re.search(r"^model name\s*:\s*(.+)$", described, re.MULTILINE)
    return model.group(1).strip() if model else platform.processor() or platform.machine()


def processor_identity() -> str:
    """Returns what tells one kind of processor from another: model, family, stepping and instructions.

    The name alone may be that of several generations, as in virtual machines.
    """
    try:
        described = Path("/proc/cpuinfo").read_text(errors="replace").split("\n\n")[0]
    except OSError:
        return processor_name()
    wanted = r"^(?:vendor_id|cpu family|model|model name|stepping|flags|Features|CPU (?:part|variant))\s*:\s*(.+)$"
    return "; ".join(re.findall(wanted, described, re.MULTILINE)) or processor_name()


def gpu_names() -> list[str]:
    """Returns the GPUs that JAX uses as ``CUDA_VISIBLE_DEVICES`` names them; starts its backend."""
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    names = visible or [str(number) for number in range(accelerators())]
    return names[: accelerators()]


def accelerators() -> int:
    """Returns how many GPUs JAX uses; starts its backend."""
    import jax

    return jax.device_count() if jax.default_backend() == "gpu" else 0
