"""A mesh of devices: its text form, and the devices that it is made of."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh

from jaxdl.backend.keys import is_key, with_keys, without_keys
from jaxdl.errors import UserError, nearest

DATA, MODEL = "data", "model"
"""The axis along which a batch is divided, and the one along which the parameters of a layer are."""

Axes = tuple[tuple[str, int], ...]

# Devices that compute one program together must all begin programs in the same order, or two of them would wait for
# each other: programs are begun one at a time, in whatever thread.
_BEGIN = threading.Lock()


def parse_mesh(text: str) -> Axes:
    """Returns the axes of a mesh and their sizes, in order.

    Args:
        text: such as ``data:4,model:2``.

    Raises:
        ValueError: it is none; the message says what is wrong with it.
    """
    axes: dict[str, int] = {}
    for part in text.split(","):
        name, colon, size = (piece.strip() for piece in part.partition(":"))
        if not colon or not size.isascii() or not size.isdigit() or int(size) < 1:
            raise ValueError("must be axes with their sizes, such as data:4,model:2")
        if name not in (DATA, MODEL):
            near = nearest(name, [DATA, MODEL])
            raise ValueError(f"has the axis {name!r}{f' (did you mean {near}?)' if near else ''}: use data and model")
        if name in axes:
            raise ValueError(f"has the axis {name} twice")
        axes[name] = int(size)
    return tuple(axes.items())


def mesh_text(axes: Axes) -> str:
    """Returns axes in the form that `parse_mesh` reads."""
    return ",".join(f"{name}:{size}" for name, size in axes)


def devices_of(axes: Axes) -> int:
    """Returns how many devices a mesh has."""
    return math.prod(size for _, size in axes)


def named_axes(devices: int | None, mesh: str | None) -> tuple[Axes | None, str]:
    """Returns the axes that a recipe names by ``devices`` or ``mesh``, and how it does so; None if it names none.

    Raises:
        UserError: the two say different things.
    """
    if mesh is not None:
        axes = parse_mesh(mesh)
        if devices not in (None, devices_of(axes)):
            raise UserError(f"--mesh={mesh} has {devices_of(axes)} devices, not --devices={devices}: leave that out.")
        return axes, f"--mesh={mesh}"
    if devices is not None:
        return ((DATA, devices),), f"--devices={devices}"
    return None, ""


def ways_of(axes: Axes | None) -> int:
    """Returns in how many parts axes divide a batch."""
    return dict(axes or ()).get(DATA, 1)


def make_mesh(axes: Axes, devices: Sequence[Any]) -> Mesh:
    """Returns the mesh of the first devices.

    Its axes are ``Auto``: one program is written for the whole batch, and the compiler divides it. With ``Explicit``
    axes, which `jax.make_mesh` gives, a lookup in a table of embeddings or a slice of a batch is an error.
    """
    names, sizes = zip(*axes, strict=True)
    grid = np.array(devices[: math.prod(sizes)]).reshape(sizes)
    return Mesh(grid, names, axis_types=(AxisType.Auto,) * len(names))


def add_cpu_devices(count: int) -> None:
    """Makes the CPU count as so many devices, unless the user has set their number; before the backend starts.

    It changes nothing about other devices.
    """
    if count > 1 and not devices_are_set() and getattr(jax.config, "jax_num_cpu_devices", -1) < 0:
        with contextlib.suppress(RuntimeError):  # the backend runs: its devices are what there is, see `local_devices`
            jax.config.update("jax_num_cpu_devices", count)


def devices_are_set() -> bool:
    """Returns whether the environment says as how many devices the CPU counts."""
    said = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    return said or "JAX_NUM_CPU_DEVICES" in os.environ


def local_devices(count: int, given: str) -> list[Any]:
    """Returns this process's devices.

    Args:
        count: how many are needed.
        given: what needs them, for the message: ``--devices=8``.

    Raises:
        UserError: there are fewer.
    """
    devices: list[Any] = jax.local_devices()
    if len(devices) < count:
        kind = devices[0].platform
        way_out = f"give at most {len(devices)}"
        if kind == "cpu":
            way_out += (
                f", or make the CPU count as {count} devices before JAX starts: "
                f'jax.config.update("jax_num_cpu_devices", {count})'
            )
        there = f"there is 1 {kind} device" if len(devices) == 1 else f"there are {len(devices)} {kind} devices"
        raise UserError(f"{given}: {there}; {way_out}.")
    return devices


def shared_devices(count: int | None, given: str) -> list[Any]:
    """Returns the devices of all processes that share a batch, equally many of each, those of process 0 first.

    Args:
        count: how many are needed; None: as many as all processes have.
        given: what needs them, for the message: ``--devices=8``.

    Raises:
        UserError: there are fewer, or the processes cannot have equally many.
    """
    processes = jax.process_count()
    if processes == 1:
        return jax.local_devices() if count is None else local_devices(count, given)
    own: list[list[Any]] = [[] for _ in range(processes)]
    for device in jax.devices():
        own[device.process_index].append(device)
    share = min(map(len, own)) if count is None else count // processes
    if count is not None and count != share * processes:
        below, beyond = share * processes, (share + 1) * processes
        nearest_to = f"{below} or {beyond}" if below else f"{beyond}"
        raise UserError(f"{given}: {processes} processes need equally many devices each; the nearest: {nearest_to}.")
    fewest = min(range(processes), key=lambda number: len(own[number]))
    if share > len(own[fewest]):
        raise UserError(
            f"{given}: each of {processes} processes needs {share} devices, and process {fewest} has "
            f"{len(own[fewest])} ({own[fewest][0].platform}); give at most {len(own[fewest]) * processes}."
        )
    return [device for devices in own for device in devices[:share]]


def placed(array: Any, sharding: Any) -> Any:
    """Returns an array as it lies on the devices of a sharding, which may be those of several processes.

    These all have the same whole array and call it in the same order; each copies its own parts, and none waits.
    `jax.device_put` would first compare what they have, by a collective.

    Args:
        array: an array of NumPy or of JAX.
        sharding: where it is to lie; None: on the default device.
    """
    away = isinstance(array, jax.Array) and not array.is_fully_addressable
    if sharding is None or sharding.is_fully_addressable or away:
        return jax.device_put(array, sharding)
    if is_key(array):
        return with_keys(array, placed(without_keys(array), sharding))
    on_host = np.asarray(array)
    return jax.make_array_from_callback(on_host.shape, sharding, lambda index: on_host[index])


def whole(array: Any) -> np.ndarray:
    """Returns all of an array on the host, where parts of it may lie on devices of other processes.

    Where they do, all processes call it, in the same order.
    """
    if isinstance(array, jax.Array) and not array.is_fully_addressable and not array.is_fully_replicated:
        from jax.experimental import multihost_utils

        return np.asarray(multihost_utils.process_allgather(array, tiled=True))
    return np.asarray(array)


def one_at_a_time(program: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a compiled program of several devices that may be called in several threads."""
    return functools.partial(_begun, program)


def _begun(program: Callable[..., Any], *arguments: Any) -> Any:
    with _BEGIN:
        return program(*arguments)
