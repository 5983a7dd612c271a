"""Bars with intervals: their lengths, their whiskers, and the same in a table."""

from __future__ import annotations

import re
import xml.etree.ElementTree

import pytest

from jaxdl.report.bars import Bar, interval_bars


def test_lengths_and_whiskers_are_in_proportion_and_the_table_has_the_numbers() -> None:
    bars = [Bar("learning_rate", 0.75, 0.5, 1.0), Bar("a_very_long_name_of_a_field <b>", 0.25, 0.0, 0.5)]
    found = interval_bars("importance <x>", bars, "share", "how it was found")
    drawing = xml.etree.ElementTree.fromstring(re.findall("<svg.*?</svg>", found, re.DOTALL)[0])
    first, second = (float(bar.attrib["width"]) for bar in drawing.iter("rect"))
    assert first == pytest.approx(3 * second, rel=0.01)
    whiskers = [
        float(line.attrib["x2"]) - float(line.attrib["x1"])
        for line in drawing.iter("line")
        if line.attrib.get("stroke") == "var(--ink)" and line.attrib["y1"] == line.attrib["y2"]
    ]
    assert whiskers == [pytest.approx(first * 2 / 3, rel=0.01)] * 2
    names = [text.text for text in drawing.iter("text")]
    assert names[6] == "learning_rate" and names[7] == "a_very_long_name_of_a_f…"
    assert "<td>a_very_long_name_of_a_field &lt;b&gt;</td>" in found and ">0.7500</td>" in found
    assert "how it was found" in found and 'aria-label="importance &lt;x&gt;"' in found
