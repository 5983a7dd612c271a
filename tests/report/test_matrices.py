"""A confusion matrix as a drawing: each count in its cell, the diagonal from the upper left."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree

import numpy as np
from PIL import Image

from jaxdl.report.matrices import confusion_matrix


def test_each_count_stands_in_its_cell_and_shades_it_by_the_share_of_its_class() -> None:
    drawn = xml.etree.ElementTree.fromstring(confusion_matrix("test", [[8, 2], [0, 5]], ["a", "b"]))
    cells = {
        (float(rect.attrib["x"]), float(rect.attrib["y"])): float(rect.attrib["fill-opacity"])
        for rect in drawn.iter("rect")
    }
    (x1, y1), (x2, y2), (x3, y3) = sorted(cells)
    assert (x1, y1) < (x2, y2) and x2 == x3 and y1 == y2 < y3  # the first row, and the second of the last column
    np.testing.assert_allclose(list(cells.values()), [0.85 * 0.8**0.5, 0.85 * 0.2**0.5, 0.85], atol=0.006)
    texts = [text.text for text in drawn.iter("text")]
    assert texts == ["predicted class", "true class", "a", "a", "b", "b", "8", "2", "5"]


def test_outputs_with_nan_have_a_column_and_names_are_shortened() -> None:
    drawn = confusion_matrix("test", [[1, 0, 2], [0, 1, 0]], ["<b>" + "x" * 40, "y"])
    assert ">NaN<" in drawn and "<b>" not in drawn and "…" in drawn


def test_many_classes_are_a_picture_with_a_pixel_for_each_number() -> None:
    counts = np.eye(40) * 3
    counts[5, 7] = 1
    source = re.findall('base64,([^"]*)', confusion_matrix("test", counts.tolist()))[0]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(source))))
    assert pixels.shape == (40, 40, 4) and pixels[3, 3, 3] == 255 and pixels[3, 4, 3] == 0
    assert pixels[5, 7, 3] == round(255 * 0.25**0.5)
