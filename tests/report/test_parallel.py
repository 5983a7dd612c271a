"""Parallel coordinates: a line for each trial at the heights of its values, also of those that it does not vary."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree
from typing import Any

import pytest

from jaxdl.report.parallel import named_fractions, parallel_figure
from jaxdl.report.sweep_plots import Scale

RATES = Scale("learning_rate", [1e-4, 1e-3, 1e-2], log=True)
OPTIMIZERS = Scale("optimizer", [0.0, 1.0, 0.0], [0.0, 1.0], ["adam", "sgd"])
MOMENTUM = Scale("momentum", [math.nan, 0.9, math.nan])
FIGURES = Scale("accuracy <x>", [0.5, 0.75, 0.25])


def drawing(figure: str) -> xml.etree.ElementTree.Element:
    return xml.etree.ElementTree.fromstring(re.findall("<svg.*?</svg>", figure, re.DOTALL)[0])


def heights(figure: str) -> dict[int, list[float]]:
    paths = [path for path in drawing(figure).iter("path")]
    return {
        int(path.attrib["data-trial"]): [float(y) for y in re.findall(r" ([\d.]+)", path.attrib["d"])] for path in paths
    }


def test_a_line_goes_through_the_values_of_its_trial_and_the_best_is_drawn_last() -> None:
    figure = parallel_figure("all", [RATES, OPTIMIZERS, FIGURES], [0.5, 1.0, 0.0], 1, [10, 11, 12])
    found = heights(figure)
    bottom, top = found[0][0], found[2][0]
    assert top < bottom and found[1][0] == pytest.approx((top + bottom) / 2, abs=0.1)
    assert found[1][1:] == [top, top] and found[0][1:] == [bottom, pytest.approx((top + bottom) / 2, abs=0.1)]
    last = list(drawing(figure).iter("path"))[-1]
    assert last.attrib["data-trial"] == "1" and last.attrib["stroke"] == "var(--validation)"
    assert last[0].text == "trial 11: learning_rate 0.001, optimizer sgd, accuracy <x> 0.75"


def test_an_axis_with_a_long_name_has_the_last_part_of_it() -> None:
    long = Scale("optimizer.schedule.learning_rate", [1.0, 2.0, 3.0])
    short = Scale("model.features", [1.0, 2.0, 3.0])
    figure = parallel_figure("all", [long, short, FIGURES], [0.5, 1.0, 0.0], 1, [0, 1, 2])
    texts = [text.text for text in drawing(figure).iter("text")]
    assert "learning_rate" in texts and "model.features" in texts


def test_what_is_not_varied_lies_below_the_axes() -> None:
    figure = parallel_figure("all", [OPTIMIZERS, MOMENTUM, FIGURES], [0.5, 1.0, 0.0], 1, [0, 1, 2])
    found = heights(figure)
    assert found[0][1] == found[2][1] > max(found[0][0], found[0][2], found[1][1])
    assert "not varied" in [text.text for text in drawing(figure).iter("text")]


def test_the_script_has_the_values_and_which_way_is_better() -> None:
    def content(quality: list[float], best: int) -> dict[str, Any]:
        figure = parallel_figure("all", [RATES, MOMENTUM, FIGURES], quality, best, [3, 4, 5])
        read: dict[str, Any] = json.loads(re.findall(r'json">(.*?)</script>', figure, re.DOTALL)[0])
        return read

    read = content([0.5, 1.0, 0.0], 1)
    assert read["trials"] == [3, 4, 5] and read["best_is"] == "high"
    assert [axis["values"] for axis in read["axes"]] == [[1e-4, 1e-3, 1e-2], [None, 0.9, None], [0.5, 0.75, 0.25]]
    assert read["axes"][0]["span"] == [1e-4, 1e-2] and read["axes"][0]["log"]
    assert content([0.5, 0.0, 1.0], 2)["best_is"] == "low"


def test_axes_name_all_of_few_values_and_the_ends_of_a_range() -> None:
    assert named_fractions(RATES) == [(0.0, "0.0001"), (1.0, "0.01")]
    assert named_fractions(OPTIMIZERS) == [(0.0, "adam"), (1.0, "sgd")]
    many = Scale("seed", [float(n) for n in range(40)], [float(n) for n in range(40)], [str(n) for n in range(40)])
    assert len(named_fractions(many)) <= 12
    assert named_fractions(Scale("x", [2.0, 2.0])) == [(0.5, "2")]
