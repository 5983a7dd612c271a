"""The heat map of a sweep: what is drawn stands in the SVG text, inside the drawing, in the page's colours."""

from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree
from xml.etree.ElementTree import Element

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.report.heat import heat_map
from jaxdl.report.sweep_plots import Scale

LETTERS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=40)


def drawn(row: list[str], column: list[str], means: np.ndarray, fields: tuple[str, str] = ("a", "b")) -> Element:
    rows, columns = Scale(fields[0], [], range(len(row)), row), Scale(fields[1], [], range(len(column)), column)
    quality = np.where(np.isfinite(means), 0.5, math.nan)
    return xml.etree.ElementTree.fromstring(heat_map("means", rows, columns, means, quality))


def box(text: Element) -> tuple[float, float, float, float]:
    """Returns left, top, right and bottom of a text whose letters are 6.5 wide, upright or turned to the left."""
    x, y, length = float(text.get("x", "")), float(text.get("y", "")), 6.5 * len("".join(text.itertext()))
    before = {"middle": 0.5, "end": 1.0}.get(text.get("text-anchor", ""), 0.0) * length
    if "rotate" in text.get("transform", ""):
        return x - 9, y - (length - before), x + 3, y + before
    return x - before, y - 9, x + length - before, y + 3


def texts(root: Element) -> list[str]:
    return ["".join(element.itertext()) for element in root.iter("text")]


def test_a_heat_map_gives_the_mean_of_each_cell_that_has_one() -> None:
    root = drawn(["low", "high"], ["off", "on"], np.array([[0.125, math.nan], [0.5, 0.75]]))
    assert root.get("role") == "img" and root.get("aria-label") == "means"
    assert sorted(texts(root)) == sorted(["low", "high", "off", "on", "a", "b", "0.125", "0.5", "0.75"])


def test_the_best_cell_has_the_darkest_shade_and_a_cell_without_a_mean_has_none() -> None:
    rows, columns = Scale("a", [], [0], ["x"]), Scale("b", [], [0, 1, 2], ["p", "q", "r"])
    shown = heat_map("means", rows, columns, np.array([[1.0, math.nan, 3.0]]), np.array([[0.0, math.nan, 1.0]]))
    shades = {
        float(rect.get("x", "")): float(rect.get("fill-opacity", ""))
        for rect in xml.etree.ElementTree.fromstring(shown).iter("rect")
        if rect.get("fill-opacity")
    }
    assert [shades[x] for x in sorted(shades)] == [0.08, 0.8]


@given(
    st.lists(LETTERS, min_size=1, max_size=22), st.lists(LETTERS, min_size=1, max_size=22), st.tuples(LETTERS, LETTERS)
)
def test_all_parts_lie_within_the_drawing_and_the_numbers_within_their_cells(
    row: list[str], column: list[str], fields: tuple[str, str]
) -> None:
    root = drawn(row, column, np.full((len(row), len(column)), -1.234e-05), fields)
    width, height = (float(each) for each in root.get("viewBox", "").split()[2:])
    for part in itertools.chain(root.iter("rect"), root.iter("image")):
        x, y, wide, high = (float(part.get(name, "")) for name in ("x", "y", "width", "height"))
        assert x >= 0 and y >= 0 and x + wide <= width + 1 and y + high <= height + 1
    for text in root.iter("text"):
        left, top, right, bottom = box(text)
        assert left >= -1 and top >= -1 and right <= width + 1 and bottom <= height + 1, "".join(text.itertext())
    cells = [rect for rect in root.iter("rect") if rect.get("fill-opacity")]
    assert len(cells) == (len(row) * len(column) if len(row) * len(column) <= 400 else 0)
    assert all(float(cell.get("width", "")) >= 10 * 6.5 for cell in cells)  # ten letters of "-1.234e-05"


@pytest.mark.parametrize("size", [(3, 300), (300, 3), (150, 150)])
def test_a_large_map_is_one_picture_with_some_of_the_names(size: tuple[int, int]) -> None:
    row, column = ([f"{letter}{n}" for n in range(count)] for letter, count in zip("rc", size, strict=True))
    root = drawn(row, column, np.linspace(0, 1, size[0] * size[1]).reshape(size))
    assert len(list(root.iter("image"))) == 1 and len(list(root.iter("rect"))) == 1
    shown = texts(root)
    for names in (row, column):
        assert names[0] in shown and len(set(shown) & set(names)) <= 60
