"""How much memory the device has left, and how an out-of-memory error is recognised."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

T = TypeVar("T")


def ran_out_of_memory(error: BaseException) -> bool:
    """Returns whether an error means that the machine or the accelerator is out of memory."""
    return isinstance(error, MemoryError) or (
        isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
    )


def on_host(tree: Any) -> Any:
    """Returns the results of a compiled program as NumPy arrays, as `jax.device_get` does.

    JAX's CPU backend (jaxlib 0.10 and 0.12) waits forever when an array of a program that ran out of memory is copied.
    Waiting for the array first raises the error.
    """
    if hasattr(tree, "block_until_ready"):  # an array; the tools for trees take longer than a small model
        return np.asarray(tree.block_until_ready())
    if type(tree) is dict and jax.default_backend() == "cpu":
        # There is nothing to copy; `jax.device_get` prepares a copy of each array, which takes four times as long.
        return {name: on_host(each) for name, each in tree.items()}
    return jax.device_get(jax.block_until_ready(tree))


def unless_out_of_memory(run: Callable[[], T]) -> T | None:
    """Returns what a function returns, or None if it runs out of memory."""
    try:
        return run()
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        return None


def free_memory() -> float:
    """Returns the free bytes of the default device's memory; infinite if the device does not report it."""
    stats: dict[str, Any] = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return float(stats["bytes_limit"] - stats.get("bytes_in_use", 0))
    return free_host_memory()


def device_memory(device: jax.Device) -> int | None:
    """Returns the bytes of a device's memory: for a CPU those of the machine, for an accelerator what JAX may use.

    None where it is not known.
    """
    if device.platform == "cpu":
        total = _host_memory("MemTotal")
        return int(total) if math.isfinite(total) else None
    stats: dict[str, Any] = device.memory_stats() or {}
    return stats.get("bytes_limit")


def free_host_memory() -> float:
    """Returns the free bytes of the machine's memory; infinite if it is not known."""
    return _host_memory("MemAvailable")


def _host_memory(name: str) -> float:
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return float(lines[name].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return math.inf
