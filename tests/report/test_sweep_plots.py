"""The plots of a sweep: what is drawn stands in the SVG text, in the page's colours."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree

import numpy as np
import pytest

from jaxdl.report.sweep_plots import Scale, curves, heat_map, importances, parallel_coordinates, range_test, slice_plot

BEST, OTHERS = "var(--validation)", "var(--train)"
RATES = Scale("learning_rate", [1e-4, 1e-3, 1e-2], log=True)
OPTIMIZERS = Scale("optimizer", [0.0, 1.0, 0.0], [0.0, 1.0], ["adam", "sgd"])


def texts(drawing: str) -> list[str]:
    """Returns the texts of a drawing, which must be well-formed XML with no stand-in colour left."""
    root = xml.etree.ElementTree.fromstring(drawing.replace("xlink:href", "href"))
    assert root.get("role") == "img" and not re.search(r"#0102[0-9a-f]{2}", drawing)
    return [text for element in root.iter("text") if (text := "".join(element.itertext()).strip())]


def points(drawing: str, colour: str) -> int:
    """Returns how many markers there are of a colour."""
    return len(re.findall(rf'<use [^>]*style="[^"]*fill: {re.escape(colour)}', drawing))


def test_a_scale_lies_between_zero_and_one_in_its_logarithm_where_it_has_one() -> None:
    np.testing.assert_allclose(RATES.fractions(), [0, 0.5, 1])
    np.testing.assert_allclose(Scale("x", [1.0, 2.0, 5.0]).fractions(), [0, 0.25, 1])
    np.testing.assert_allclose(Scale("x", [3.0, 3.0]).fractions(), [0.5, 0.5])


def test_the_best_curve_stands_out() -> None:
    lines = [([1, 2, 3], [0.1, 0.2, 0.3]), ([1, 2, 3], [0.2, math.nan, 0.4]), ([1], [0.3])]
    drawing = curves("curves", lines, best=0, y_label="validation/accuracy")
    assert {"epoch", "validation/accuracy", "best"} <= set(texts(drawing))
    assert drawing.count(f"stroke: {BEST}") == 2  # the curve, and its entry in the legend
    assert "best" not in texts(curves("curves", lines, best=None, y_label="loss"))


def test_a_slice_has_a_dot_for_each_trial_and_one_for_the_best() -> None:
    drawing = slice_plot("slice", OPTIMIZERS, [0.5, 0.75, 0.25], best=1, y_label="loss")
    assert (points(drawing, OTHERS), points(drawing, BEST)) == (3, 1)
    assert {"adam", "sgd", "optimizer", "loss"} <= set(texts(drawing))


def test_parallel_coordinates_name_the_fields_and_their_values() -> None:
    outcome = Scale("accuracy", [0.5, 0.75, 0.25])
    drawing = parallel_coordinates("all", [RATES, OPTIMIZERS, outcome], [0.5, 1.0, 0.0], best=1)
    shown = texts(drawing)
    assert {"learning_rate", "optimizer", "accuracy", "0.0001", "0.01", "adam", "sgd", "0.25", "0.75"} == set(shown)
    assert drawing.count(f"stroke: {BEST}") == 1


def test_a_heat_map_gives_the_mean_of_each_cell_that_has_one() -> None:
    row, column = Scale("a", [], [0, 1], ["low", "high"]), Scale("b", [], [0, 1], ["off", "on"])
    means = np.array([[0.125, math.nan], [0.5, 0.75]])
    shown = texts(heat_map("means", row, column, means, np.array([[0.0, math.nan], [0.5, 1.0]])))
    assert {"low", "high", "off", "on", "a", "b", "0.125", "0.5", "0.75"} == set(shown)


def test_importances_are_bars_with_the_fields_names() -> None:
    drawing = importances("importance", [("learning_rate", 0.75), ("a_very_long_name_of_a_field_that_is_cut", 0.25)])
    shown = texts(drawing)
    assert "learning_rate" in shown and "a_very_long_name_of_a_f…" in shown
    bars = re.findall(r'<path d="M ([\d.]+) [\d.]+ \n?L ([\d.]+)[^"]*" clip-path[^>]*fill: var\(--other\)', drawing)
    first, second = (float(end) - float(start) for start, end in bars)
    assert first == pytest.approx(3 * second, rel=1e-3)


@pytest.mark.parametrize("suggestion", [None, 0.02])
def test_a_range_test_points_at_the_suggested_rate(suggestion: float | None) -> None:
    rates = np.geomspace(1e-4, 1, 30)
    losses = np.linspace(2, 1, 30)
    losses[-1] = np.nan
    shown = texts(range_test("rates", rates, losses, np.linspace(2, 1, 30), suggestion))
    assert {"learning rate", "train loss"} <= set(shown)
    assert ("suggested 0.02" in shown) == (suggestion is not None)
