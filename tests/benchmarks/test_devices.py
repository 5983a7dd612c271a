"""The table of what several devices cost."""

from __future__ import annotations

from typing import Any

from benchmarks.devices import LAYOUTS, table
from jaxdl.backend.mesh import devices_of, named_axes


def figures(seconds: list[float], kinds: dict[str, int]) -> dict[str, Any]:
    return {"seconds_per_step": seconds, "collectives": kinds, "bytes_per_step": 4500, "parameter_bytes": 9000}


def test_a_row_has_the_median_beside_that_of_one_device_and_what_is_told() -> None:
    one = figures([0.002, 0.001, 0.09], {}) | {"bytes_per_step": 0}
    two = figures([0.004, 0.003, 0.001], {"all-reduce": 2, "all-gather": 1})
    rows = table({"mnist_mlp": {"1": one, "2, fsdp": two}}).splitlines()[2:]
    assert rows == [
        "| `mnist_mlp` | 1 | 2.00 | x1.00 | 9.0 | 0.0 | - |",
        "| `mnist_mlp` | 2, fsdp | 3.00 | x1.50 | 9.0 | 4.5 | 1 all-gather, 2 all-reduce |",
    ]


def test_each_row_is_named_after_its_devices() -> None:
    for layout, fields in LAYOUTS.items():
        axes, _ = named_axes(fields.get("devices"), fields.get("mesh"))
        assert axes is not None
        assert layout.partition(",")[0] == str(devices_of(axes))
