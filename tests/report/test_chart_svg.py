"""The drawing of a chart: ticks and bounds, bands, named positions, logarithms, and dots that are not connected."""

from __future__ import annotations

import re
import xml.etree.ElementTree

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from jaxdl.report.chart_svg import Line, Look, bounds, drawn, power_ticks, ticks, x_ticks


def drawing(lines: list[Line], look: Look) -> xml.etree.ElementTree.Element:
    return xml.etree.ElementTree.fromstring(drawn("title", lines, look))


@hypothesis.given(strategies.floats(-1e9, 1e9), strategies.floats(1e-6, 1e9), strategies.booleans())
def test_ticks_are_few_round_numbers_within_the_axis(low: float, length: float, whole: bool) -> None:
    high = low + length
    hypothesis.assume(high - low > 1e-9 * abs(low))
    found = ticks(low, high, 5, whole)
    assert len(found) <= 7
    assert all(low - 1e-6 * length <= each <= high + 1e-6 * length for each in found)
    assert not whole or all(each == round(each) for each in found)


def test_bounds_have_room_and_hold_what_is_compared_with() -> None:
    lines = [{"name": "a", "colour": "", "x": [1.0, 5.0], "y": [2.0, 4.0]}]
    left, right, low, high = bounds(lines, Look(reference=("best", 1.0)))
    assert (left, right) == (1, 5) and low < 1 and high > 4
    assert bounds(lines, Look(span=(0, 1))) == (0, 1, 0, 1)
    left, right, low, high = bounds([{"name": "a", "colour": "", "x": [3.0], "y": [0.0]}], Look())
    assert left < 3 < right and low < 0 < high


def test_a_band_is_drawn_along_a_line_and_has_room() -> None:
    line: Line = {
        "name": "a", "colour": "red", "x": [1.0, 2.0, 3.0], "y": [2.0, 3.0, 4.0],
        "low": [1.0, None, 3.0], "high": [5.0, None, 9.0],
    }  # fmt: skip
    _, _, low, high = bounds([line], Look())
    assert low < 1 and high > 9
    band = drawing([line], Look()).find(".//polygon")
    assert band is not None
    corners = [tuple(map(float, each.split(","))) for each in band.attrib["points"].split()]
    assert len(corners) == 4 and corners[0][0] == corners[3][0] < corners[1][0] == corners[2][0]
    assert corners[1][1] < corners[0][1] < corners[2][1] < corners[3][1]  # high ends above, the larger one higher


def test_named_positions_have_whiskers_and_no_line() -> None:
    line: Line = {"name": "a", "colour": "red", "x": [0.0, 1.0], "y": [2.0, 3.0], "low": [1.0, 2.0], "high": [3.0, 5.0]}
    look = Look(names=("adam", "sgd"), whole=False)
    found = drawing([line], look)
    assert found.find(".//path") is None and len(found.findall(".//circle")) == 2
    whiskers = [each for each in found.find(".//g[@class='plot']") or () if each.tag == "line"]
    lengths = [float(each.attrib["y1"]) - float(each.attrib["y2"]) for each in whiskers]
    assert lengths[1] == pytest.approx(1.5 * lengths[0], rel=0.02)
    assert [text.text for text in found.findall(".//g[@class='x']/text")] == ["adam", "sgd"]


def test_logarithms_are_shown_as_the_numbers_themselves() -> None:
    look = Look(powers=True, whole=False)
    assert [name for _, name in x_ticks(-4.0, -1.0, look)][:4] == ["0.0001", "0.0002", "0.0005", "0.001"]
    assert [name for _, name in x_ticks(-6.0, -1.0, look)] == ["1e-06", "1e-05", "0.0001", "0.001", "0.01", "0.1"]
    assert look.said(-2.0) == "0.01"
    np.testing.assert_allclose(power_ticks(0.0, 1.0), np.log10([1, 2, 5, 10]))


def test_dots_are_not_connected_and_long_lists_of_names_are_thinned() -> None:
    dots: Line = {"name": "trials", "colour": "red", "x": [1.0, 2.0], "y": [2.0, 3.0], "dots": True}
    line: Line = {"name": "mean", "colour": "blue", "x": [1.0, 2.0], "y": [2.0, 3.0]}
    found = drawing([dots, line], Look(dots=("trials",), whole=False))
    assert len(found.findall(".//path")) == 1 and len(found.findall(".//circle")) == 2
    names = tuple(f"a rather long name {n}" for n in range(30))
    shown = x_ticks(-0.5, 29.5, Look(names=names))
    assert len(shown) <= 12 and all(re.fullmatch(r"a r.*…", name) for _, name in shown)
