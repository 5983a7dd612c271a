"""The list of devices."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import jax
import pytest

import jaxdl
from jaxdl.backend import rates
from jaxdl.backend.devices import listed_devices


def test_each_device_is_listed_with_the_memory_of_its_machine() -> None:
    found = listed_devices()
    assert [device.number for device in found] == [device.id for device in jax.devices()]
    assert {(device.platform, device.kind, device.process, device.is_local) for device in found} == {
        ("cpu", "cpu", 0, True)
    }
    total = int(Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0]) * 1024
    assert found[0].memory_bytes == total


def test_an_accelerator_tells_its_limit_and_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    chip: Any = types.SimpleNamespace(
        id=3,
        platform="tpu",
        device_kind="TPU v4",
        process_index=0,
        coords=[1, 0, 2],
        memory_stats=lambda: {"bytes_limit": 5},
    )
    far = types.SimpleNamespace(id=4, platform="tpu", device_kind="TPU v4", process_index=1, coords=[1, 1, 2])
    monkeypatch.setattr(jax, "devices", lambda: [chip, far])
    here, there = listed_devices()
    assert (here.memory_bytes, here.coordinates, here.is_local) == (5, (1, 0, 2), True)
    assert (there.memory_bytes, there.coordinates, there.is_local) == (None, (1, 1, 2), False)


def test_from_python_the_devices_come_with_their_rates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rates, "_SECONDS", 0.01)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = jaxdl.look_at_devices()
    assert found.devices == listed_devices()
    assert found.rates == rates.known_rates()
