"""Charts: what is drawn lies where the numbers say, and the page has the numbers themselves."""

from __future__ import annotations

import html.parser
import json
import math
import re
import xml.etree.ElementTree

import hypothesis
import numpy as np
from hypothesis import strategies

from jaxdl.report.chart_svg import Look
from jaxdl.report.charts import line_chart, thinned

HOSTILE = "</script><script>alert('x')</script>\"&"


def content(chart: str) -> dict:
    found: dict = json.loads(re.findall(r'<script type="application/json">(.*?)</script>', chart, re.DOTALL)[0])
    return found


def drawing(chart: str) -> xml.etree.ElementTree.Element:
    return xml.etree.ElementTree.fromstring(re.findall("<svg.*?</svg>", chart, re.DOTALL)[0])


def test_a_line_goes_from_point_to_point_and_gaps_stay_open() -> None:
    chart = line_chart("loss", {"train": ([1, 2, 3, 4], [2.0, math.nan, 1.0, 1.5])})
    path = drawing(chart).find(".//path")
    assert path is not None
    points = re.findall(r"([ML])([\d.]+) ([\d.]+)", path.attrib["d"])
    assert [pen for pen, *_ in points] == ["M", "M", "L"]
    left, top, width, height = content(chart)["area"]
    xs, ys = ([float(point[n]) for point in points] for n in (1, 2))
    np.testing.assert_allclose(xs, [left, left + width * 2 / 3, left + width], atol=0.1)
    assert ys[0] < ys[2] < ys[1] and top <= ys[0] and ys[1] <= top + height
    assert content(chart)["lines"][0]["y"] == [2.0, None, 1.0, 1.5]


def test_the_values_are_there_in_words_and_as_a_table() -> None:
    chart = line_chart("loss", {"train": ([1, 2, 3], [2.0, 0.5, 1.0]), "validation": ([1, 3], [3.0, math.inf])})
    assert "train: from 2.0000 to 1.0000, least 0.5000 at 2, largest 2.0000 at 1" in chart
    assert "<th" in chart and re.search(r"<td[^>]*>2</td><td[^>]*>0.5000</td><td[^>]*></td>", chart)
    assert 'aria-label="values of loss"' in line_chart("loss", {"train": ([1], [2.0])})  # and scrolls within itself
    assert "<details" not in line_chart("loss", {"train": ([1], [2.0])}, values=False)


def test_names_from_data_are_no_markup() -> None:
    chart = line_chart(HOSTILE, {HOSTILE: ([1, 2], [1.0, 2.0])}, Look(x_label=HOSTILE, y_label=HOSTILE))

    class Tags(html.parser.HTMLParser):
        found: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attributes: object) -> None:
            self.found.append(tag)

    tags = Tags()
    tags.feed(chart)
    assert tags.found.count("script") == 1 and content(chart)["lines"][0]["name"] == HOSTILE


@hypothesis.given(
    strategies.lists(strategies.floats(-1e6, 1e6, width=32) | strategies.just(math.nan), min_size=1, max_size=5000)
)
def test_a_long_line_is_thinned_to_points_of_its_own_with_its_extremes(values: list[float]) -> None:
    xs, ys = thinned(range(len(values)), values)
    assert len(xs) == len(ys) <= 600 and xs == sorted(set(xs)) and (xs[0], xs[-1]) == (0, len(values) - 1)
    for x, y in zip(xs, ys, strict=True):
        assert (y is None) == math.isnan(values[int(x)]) and (
            y is None or math.isclose(y, values[int(x)], rel_tol=1e-5)
        )
    known = [value for value in values if not math.isnan(value)]
    if known:
        kept = [y for y in ys if y is not None]
        assert math.isclose(max(kept), max(known), rel_tol=1e-5, abs_tol=1e-30)
        assert math.isclose(min(kept), min(known), rel_tol=1e-5, abs_tol=1e-30)


def test_a_chart_of_nothing_finite_is_still_a_chart() -> None:
    assert "no finite value" in line_chart("loss", {"train": ([1, 2], [math.nan, math.inf])})
