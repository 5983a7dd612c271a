"""Bars with an interval each, such as the importance of fields, as a figure of a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jaxdl.report.chart_svg import label_of, ticks
from jaxdl.report.format import figure
from jaxdl.report.page import escaped, table, wide

_WIDTH, _ROW, _RIGHT, _BOTTOM, _LETTER = 460, 26, 16, 38, 6.6
_LONGEST = 24


class Bar(NamedTuple):
    """A value with its interval.

    Attributes:
        name: what it is of.
        value: how long the bar is.
        low, high: the ends of its interval.
    """

    name: str
    value: float
    low: float
    high: float


def interval_bars(title: str, bars: Sequence[Bar], x_label: str, note: str = "") -> str:
    """Returns horizontal bars from 0 to 1, each with a whisker, as a figure of the page.

    Args:
        title: shown above it, and read out by screen readers.
        bars: from top to bottom.
        x_label: what the lengths are.
        note: how they were found, in a sentence.
    """
    names = [bar.name if len(bar.name) <= _LONGEST else f"{bar.name[: _LONGEST - 1]}…" for bar in bars]
    left = 14 + max((len(name) for name in names), default=0) * _LETTER
    height = 8 + _ROW * len(bars)

    def x(value: float) -> float:
        return round(left + value * (_WIDTH - left - _RIGHT), 1)

    grid = "".join(
        f'<line class="grid" x1="{x(each)}" x2="{x(each)}" y1="4" y2="{height}"/>'
        f'<text class="tick" x="{x(each)}" y="{height + 16}" text-anchor="middle">{label_of(each)}</text>'
        for each in ticks(0.0, 1.0)
    )
    rows = "".join(
        f'<text x="{left - 8:.1f}" y="{y + 4}" text-anchor="end">{escaped(name)}</text>'
        f'<rect x="{x(0)}" y="{y - 7}" width="{x(bar.value) - x(0):.1f}" height="14" fill="var(--other)"/>'
        f'<line x1="{x(bar.low)}" x2="{x(bar.high)}" y1="{y}" y2="{y}" stroke="var(--ink)" stroke-width="1.6"/>'
        + "".join(
            f'<line x1="{x(end)}" x2="{x(end)}" y1="{y - 4}" y2="{y + 4}" stroke="var(--ink)" stroke-width="1.6"/>'
            for end in (bar.low, bar.high)
        )
        for name, bar, y in ((names[n], bar, 8 + _ROW * n + _ROW // 2) for n, bar in enumerate(bars))
    )
    middle = (left + _WIDTH - _RIGHT) / 2
    label = f'<text x="{middle:.1f}" y="{height + _BOTTOM - 4}" text-anchor="middle">{escaped(x_label)}</text>'
    cells = [[bar.name, *map(figure, bar[1:])] for bar in bars]
    values = wide(table(["field", x_label, "from", "to"], cells, range(1, 4)), f"values of {title}")
    return (
        f'<figure class="bars"><figcaption>{escaped(title)}</figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {height + _BOTTOM}" role="img" aria-label="{escaped(title)}">'
        f"{grid}{rows}{label}</svg>"
        + (f'<p class="note">{escaped(note)}</p>' if note else "")
        + f"<details><summary>values of {escaped(title)}</summary>{values}</details></figure>"
    )
