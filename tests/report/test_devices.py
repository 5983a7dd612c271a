"""Devices as a table."""

from __future__ import annotations

import io

from jaxdl.backend.devices import Device, Devices
from jaxdl.backend.rates import AllReduce, Peak, Rates
from jaxdl.report.devices import devices_table
from jaxdl.report.terminal import console_of

GPU = Device(0, "gpu", "NVIDIA X", 0, True, 2**33, None)


def shown(found: Devices) -> str:
    stream = io.StringIO()
    console_of(stream).print(devices_table(found))
    return " ".join(stream.getvalue().split())


def test_one_device_is_listed_with_its_rates() -> None:
    rates = Rates("NVIDIA X", 1, "0.10", {"float32": Peak(1.5e12, 8192)}, 2e12, ())
    text = shown(Devices((GPU,), rates, "one device"))
    assert "0 gpu NVIDIA X 8.0 GiB 0 (this one)" in text
    assert "float32 product 1,500 GFLOP/s" in text and "8192 x 8192" in text
    assert "memory 2,000 GB/s" in text
    assert "no sum over devices" in text and "coordinates" not in text


def test_several_devices_have_times_of_sums_and_their_places() -> None:
    sums = (AllReduce(2**20, 1e-3), AllReduce(2**12, 2e-5))
    chips = (
        Device(0, "tpu", "TPU", 0, True, None, (0, 1, 0)),
        Device(1, "tpu", "TPU", 1, False, None, (1, 1, 0)),
    )
    text = shown(Devices(chips, Rates("TPU", 2, "0.10", {}, 1e9, sums), "ICI"))
    assert "0 tpu TPU not known 0 (this one) 0,1,0 1 tpu TPU not known 1 1,1,0" in text
    assert "1.0 MiB 1 ms 1.05" in text and "4.0 KiB 20 µs 0.20" in text
