"""The plots of a sweep: what is drawn stands in the SVG text, in the page's colours."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree

import numpy as np
import pytest

from jaxdl.report.sweep_plots import Scale, range_test

RATES = Scale("learning_rate", [1e-4, 1e-3, 1e-2], log=True)


def texts(drawing: str) -> list[str]:
    """Returns the texts of a drawing, which must be well-formed XML with no stand-in colour left."""
    root = xml.etree.ElementTree.fromstring(drawing.replace("xlink:href", "href"))
    assert root.get("role") == "img" and not re.search(r"#0102[0-9a-f]{2}", drawing)
    return [text for element in root.iter("text") if (text := "".join(element.itertext()).strip())]


def test_a_scale_lies_between_zero_and_one_in_its_logarithm_where_it_has_one() -> None:
    np.testing.assert_allclose(RATES.fractions(), [0, 0.5, 1])
    np.testing.assert_allclose(Scale("x", [1.0, 2.0, 5.0]).fractions(), [0, 0.25, 1])
    np.testing.assert_allclose(Scale("x", [3.0, 3.0]).fractions(), [0.5, 0.5])
    np.testing.assert_allclose(Scale("x", [1.0, math.nan, 5.0]).fractions(), [0, math.nan, 1])


@pytest.mark.parametrize("suggestion", [None, 0.02])
def test_a_range_test_points_at_the_suggested_rate(suggestion: float | None) -> None:
    rates = np.geomspace(1e-4, 1, 30)
    losses = np.linspace(2, 1, 30)
    losses[-1] = np.nan
    shown = texts(range_test("rates", rates, losses, np.linspace(2, 1, 30), suggestion))
    assert {"learning rate", "train loss"} <= set(shown)
    assert ("suggested 0.02" in shown) == (suggestion is not None)
