"""How fast a device multiplies matrices and reads its memory, and how fast devices add their arrays: measured.

What was measured is kept in the user's cache folder, so that a training can say which share of the peak it reaches.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib.version
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxdl.backend.cores import processor_name, usable_cores
from jaxdl.errors import UserError
from jaxdl.files.atomic import replace_file
from jaxdl.files.paths import cache_folder

PRECISIONS = ("float32", "bfloat16", "float16")
# Each twice as large as the one before: the first fits any cache, the last fills the largest accelerator.
_SIZES = tuple(2**power for power in range(8, 15))
_SECONDS = 0.5
_REDUCED_BYTES = (2**12, 2**18, 2**24)


@dataclasses.dataclass(frozen=True)
class Peak:
    """The best measured rate of a device for products of square matrices.

    Attributes:
        flops_per_second: floating-point operations per second; a multiply-add is two.
        size: rows of the matrices with the best rate.
    """

    flops_per_second: float
    size: int


@dataclasses.dataclass(frozen=True)
class AllReduce:
    """The sum of one array of each device, which every device gets.

    Attributes:
        bytes: size of the array of one device.
        seconds: time of one sum, the best of several.
    """

    bytes: int
    seconds: float

    @property
    def bytes_per_second(self) -> float:
        """Bytes of one device's array per second."""
        return self.bytes / self.seconds


@dataclasses.dataclass(frozen=True)
class Rates:
    """The measured rates of this process's devices.

    Attributes:
        kind: what the devices are; for a CPU also its model, and how many cores the process may use.
        count: how many there are.
        jaxlib: version of jaxlib.
        peaks: the rate of one device for matrix products, by the dtype of the factors.
        memory_bytes_per_second: bytes that one device reads and writes per second, where it does little else.
        all_reduces: sums over all devices; empty where there is one device.
    """

    kind: str
    count: int
    jaxlib: str
    peaks: dict[str, Peak]
    memory_bytes_per_second: float
    all_reduces: tuple[AllReduce, ...]


def measured_rates() -> Rates:
    """Measures the local devices, which takes seconds; keeps the rates in the user's cache folder for `known_rates`.

    A cache folder that cannot be written is no error.
    """
    peaks = {dtype: measured_peak(dtype, _SECONDS) for dtype in PRECISIONS}
    rates = Rates(*_identity(), peaks, _memory_rate(), _measured_all_reduces())
    try:
        _file().parent.mkdir(parents=True, exist_ok=True)
        replace_file(_file(), json.dumps(dataclasses.asdict(rates), indent=1))
    except (OSError, UserError):
        pass
    return rates


def known_rates() -> Rates | None:
    """Returns what `measured_rates` kept for the devices and jaxlib of this process; None where there is nothing."""
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
        peaks = {dtype: Peak(**peak) for dtype, peak in found.pop("peaks").items()}
        sums = tuple(AllReduce(**each) for each in found.pop("all_reduces"))
        rates = Rates(**found, peaks=peaks, all_reduces=sums)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return rates if (rates.kind, rates.count, rates.jaxlib) == _identity() else None


def share_of_peak(flops: dict[str, int], seconds: float, rates: Rates, devices: int = 1) -> float | None:
    """Returns the part of a time in which devices could do these operations at their measured peak, normally below 1.

    Args:
        flops: floating-point operations by dtype; each dtype has its own peak.
        seconds: how long they took.
        rates: what was measured.
        devices: how many devices they were divided over.

    Returns:
        The share; None where there are no operations, or the peak of one of the dtypes is not known.
    """
    if not flops or not seconds or any(dtype not in rates.peaks for dtype in flops):
        return None
    least = sum(count / rates.peaks[dtype].flops_per_second for dtype, count in flops.items())
    return least / devices / seconds


def measured_peak(dtype: Any, seconds: float = 1.0) -> Peak:
    """Measures the rate of square matrix products, the best of several sizes and runs, at JAX's default precision.

    Args:
        dtype: dtype of the matrices.
        seconds: about how long to measure, without compilation.
    """
    best = Peak(0.0, 0)
    keys = jax.random.split(jax.random.key(0))
    multiply = jax.jit(jnp.matmul)
    for size in _SIZES:
        left, right = (jax.random.normal(key, (size, size), jnp.float32).astype(dtype) for key in keys)
        jax.block_until_ready(multiply(left, right))  # compiles, which takes seconds on a GPU and says nothing of it
        begin = time.perf_counter()
        # Each size gets a part of the time, so that a short disturbance does not change the result.
        least = _best_seconds(lambda left=left, right=right: multiply(left, right), seconds / 6)  # type: ignore[misc]
        rate = 2 * size**3 / least
        if rate > best.flops_per_second:
            best = Peak(rate, size)
        # The next size takes eight times as long.
        if 8 * least > seconds / 3 or time.perf_counter() - begin > seconds:
            break
    return best


def _memory_rate() -> float:
    """Returns bytes read and written per second, of an array that is larger than most caches, changed in place."""
    size = 2**28
    change = jax.jit(lambda array: array + 1, donate_argnums=0)
    arrays: list[jax.Array] = [change(jnp.zeros(size // 4, jnp.float32))]

    def once() -> jax.Array:
        arrays[0] = change(arrays[0])
        return arrays[0]

    return 2 * size / _best_seconds(once, _SECONDS)


def _measured_all_reduces() -> tuple[AllReduce, ...]:
    devices = np.asarray(jax.local_devices())
    if devices.size < 2:
        return ()
    mesh = jax.sharding.Mesh(devices, ("devices",), axis_types=(AxisType.Auto,))
    add = jax.jit(
        jax.shard_map(lambda part: jax.lax.psum(part, "devices"), mesh=mesh, in_specs=P("devices"), out_specs=P())
    )
    found = []
    for size in _REDUCED_BYTES:
        shape = (devices.size, size // 4)
        array = jax.jit(lambda shape=shape: jnp.ones(shape), out_shardings=NamedSharding(mesh, P("devices")))()
        jax.block_until_ready(add(array))  # compiles
        found.append(AllReduce(size, _best_seconds(lambda array=array: add(array), _SECONDS / 3)))  # type: ignore[misc]
    return tuple(found)


def _best_seconds(run: Callable[[], jax.Array], seconds: float) -> float:
    """Returns the time of the fastest of several calls, which take about so many seconds together."""
    runs = [_seconds_of(run)]
    while sum(runs) < seconds and len(runs) < 1000:
        runs.append(_seconds_of(run))
    return min(runs)


def _seconds_of(run: Callable[[], jax.Array]) -> float:
    begin = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - begin


def _identity() -> tuple[str, int, str]:
    """Returns kind, count and jaxlib, as in `Rates`."""
    device = jax.local_devices()[0]
    kind = f"{processor_name()}, {len(usable_cores())} cores" if device.platform == "cpu" else device.device_kind
    return kind, jax.local_device_count(), jaxlib.version.__version__


def _file() -> Path:
    kind, count, jaxlib_version = _identity()
    name = "".join(letter if letter.isalnum() else "-" for letter in kind)
    return cache_folder() / "rates" / f"{name}-{count}-jaxlib-{jaxlib_version}.json"
