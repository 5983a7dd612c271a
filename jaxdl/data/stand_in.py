"""The framed lines that say that another set than the requested one is used."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

_WIDTH = 100


def banner(requested: str, used: Sequence[str], why: Sequence[str], way_out: Sequence[str]) -> str:
    """Returns the lines, ready to print.

    Args:
        requested: name of the requested set.
        used: what is used in its place, one phrase each.
        why: what was tried and why it failed.
        way_out: what the user can do.
    """
    edge = "#" * _WIDTH
    lines = [edge, f"STAND-IN DATA: no figure of this run is about {requested}".center(_WIDTH), edge]
    for label, texts in (("requested", [requested]), ("used", used), ("why", why), ("way out", way_out)):
        for text in texts:
            # Paths are not wrapped, so that they can be copied.
            for line in textwrap.wrap(text, _WIDTH - 13, break_long_words=False, break_on_hyphens=False):
                lines.append(f"#  {label:<9} {line}")
                label = ""
    return "\n".join([*lines, edge])
