"""Predicted memory as lines."""

from __future__ import annotations

from jaxdl.report.memory import memory_lines

PARTS = {"parameters": 1024, "together": 3 * 2**20}
GIVEN = {"devices": 1, "example": 784, "flops": {"float32": 1_500_000_000}}


def test_each_part_has_a_line_and_whether_it_fits_is_said() -> None:
    first, *lines, example, fits, operations = memory_lines(PARTS, 2**30, **GIVEN).splitlines()
    assert first == "predicted for training"
    assert [line.split() for line in lines] == [["parameters", "1.0", "KiB"], ["together", "3.0", "MiB"]]
    assert example.strip() == "and 784 B for each example that is kept on the device"
    assert fits.strip() == "fits into the 1.0 GiB of the device"
    assert operations.strip() == "operations of one step: 1.5 GFLOP in float32"


def test_data_of_a_known_size_are_one_of_the_parts() -> None:
    text = memory_lines({"data": 2**20, "together": 2**20}, 2**30, **GIVEN)
    assert "each example" not in text and "data" in text


def test_what_does_not_fit_has_a_way_out() -> None:
    text = memory_lines(PARTS, 2**21, **GIVEN)
    assert "DOES NOT FIT into the 2.0 MiB of the device: lower --batch_size, give --remat or --accumulate=4" in text
    assert "--shard=fsdp" not in text
    assert "--shard=fsdp" in memory_lines(PARTS, 2**21, **GIVEN | {"devices": 4})


def test_several_devices_a_memory_that_is_not_known_and_a_model_without_products_are_named() -> None:
    text = memory_lines(PARTS, None, **GIVEN | {"devices": 4, "flops": {}})
    assert "on each of 4 devices" in text and "not known" in text and "no products" in text
