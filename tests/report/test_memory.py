"""Predicted memory as lines."""

from __future__ import annotations

from jaxdl.report.memory import memory_lines

PARTS = {"parameters": 1024, "together": 3 * 2**20}


def test_each_part_has_a_line_and_whether_it_fits_is_said() -> None:
    first, *lines, last = memory_lines(PARTS, 2**30, 1).splitlines()
    assert first == "predicted for training, without the data"
    assert [line.split() for line in lines] == [["parameters", "1.0", "KiB"], ["together", "3.0", "MiB"]]
    assert last.strip() == "fits into the 1.0 GiB of the device"


def test_what_does_not_fit_has_a_way_out() -> None:
    assert "DOES NOT FIT into the 2.0 MiB of the device: lower --batch_size" in memory_lines(PARTS, 2**21, 1)


def test_several_devices_and_a_memory_that_is_not_known_are_named() -> None:
    text = memory_lines(PARTS, None, 4)
    assert "on each of 4 devices" in text and "not known" in text
