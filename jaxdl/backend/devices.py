"""What devices there are, and how fast they are."""

from __future__ import annotations

import dataclasses

import jax

from jaxdl.backend.interconnect import interconnect
from jaxdl.backend.memory import device_memory
from jaxdl.backend.rates import Rates, measured_rates


@dataclasses.dataclass(frozen=True)
class Device:
    """One device.

    Attributes:
        number: JAX's number of it, over all processes.
        platform: ``cpu``, ``gpu`` or ``tpu``.
        kind: its model, as JAX names it.
        process: number of the process that it belongs to.
        is_local: whether that is this process.
        memory_bytes: its memory: for a CPU that of the machine, which all of its devices share; for an accelerator what
            JAX may use of it. None where it is not known.
        coordinates: where it is in a TPU's network, (x, y, z); None for other devices.
    """

    number: int
    platform: str
    kind: str
    process: int
    is_local: bool
    memory_bytes: int | None
    coordinates: tuple[int, ...] | None


@dataclasses.dataclass(frozen=True)
class Devices:
    """The devices that JAX uses, and what was measured of them.

    Attributes:
        devices: those of all processes.
        rates: of the devices of this process.
        interconnect: by what these are connected with each other, in words.
    """

    devices: tuple[Device, ...]
    rates: Rates
    interconnect: str


def look_at_devices() -> Devices:
    """Lists the devices and measures them, which takes seconds.

    The rates are kept in the user's cache folder: trainings on the same devices then say which share of the peak they
    reach (``train_flops_share`` in their summary).
    """
    connected = interconnect(jax.default_backend(), jax.local_device_count(), jax.process_count())
    return Devices(listed_devices(), measured_rates(), connected)


def listed_devices() -> tuple[Device, ...]:
    """Lists the devices of all processes, and measures nothing."""
    return tuple(_device(device) for device in jax.devices())


def _device(device: jax.Device) -> Device:
    is_local = device.process_index == jax.process_index()
    coordinates = getattr(device, "coords", None)
    return Device(
        number=device.id,
        platform=device.platform,
        kind=device.device_kind,
        process=device.process_index,
        is_local=is_local,
        memory_bytes=device_memory(device) if is_local else None,  # another process's device does not tell
        coordinates=None if coordinates is None else tuple(coordinates),
    )
