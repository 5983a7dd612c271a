"""Colours for classes."""

from __future__ import annotations

import numpy as np

from jaxdl.report.colours import class_colours


def test_the_first_colours_are_those_of_pascal_voc_and_all_differ() -> None:
    """Background, aeroplane, bicycle, bird, boat, bottle: as its development kit lists them."""
    first = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128)]
    assert [tuple(map(int, colour)) for colour in class_colours()[:6]] == first
    assert len(np.unique(class_colours(), axis=0)) == 256
