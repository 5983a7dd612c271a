"""The drawing of a chart: axes, legend, lines, bands and dots as one SVG element, whole without a script."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NotRequired, TypedDict

from jaxdl.report.page import escaped

WIDTH, HEIGHT = 460, 280
_LEFT, _RIGHT, _BOTTOM, _LETTER, _ROW = 66, 14, 38, 6.4, 18
_FEW_POINTS, _MOST_NAMES = 40, 12
_INK, _DASHES = "var(--ink)", ' stroke-dasharray="4 3"'


class Line(TypedDict):
    """A line of a chart, as its script reads it; None is a gap.

    `low` and `high` are the ends of a band; `dots` says that its points are not connected.
    """

    name: str
    colour: str
    x: list[float]
    y: list[float | None]
    low: NotRequired[list[float | None]]
    high: NotRequired[list[float | None]]
    dots: NotRequired[bool]


@dataclasses.dataclass(frozen=True)
class Look:
    """How a chart is drawn.

    Attributes:
        x_label, y_label: what the positions and the values are.
        reference: name and value of a level to compare with, such as the smallest loss that can be reached.
        whole: whether positions are whole numbers, such as epochs.
        scattered: whether points are drawn without lines between them.
        diagonal: whether a line shows where value and position are equal.
        span: the least and the largest position and value that are shown; None: those of the points.
        dots: names of lines of which the points are not connected, such as single trials beside their mean.
        names: names of the positions 0, 1, 2 ...; bands are then whiskers, and nothing is connected.
        powers: whether positions are logarithms to base ten; the axis has the numbers themselves.
    """

    x_label: str = "epoch"
    y_label: str = ""
    reference: tuple[str, float] | None = None
    whole: bool = True
    scattered: bool = False
    diagonal: bool = False
    span: tuple[float, float] | None = None
    dots: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    powers: bool = False

    def said(self, place: float) -> str:
        """Returns a position as the chart shows it."""
        if self.names:
            return self.names[round(place)]
        return label_of(float(f"{10**place:.4g}")) if self.powers else label_of(place)


def ticks(low: float, high: float, most: int = 5, whole: bool = False) -> list[float]:
    """Returns round numbers from `low` to `high`, at most about `most`: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    if not math.isfinite(rough) or rough <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    step = max(1.0, round(step)) if whole else step
    first = math.ceil(low / step - 1e-9)
    return [float(f"{number * step:.10g}") for number in range(first, math.floor(high / step + 1e-9) + 1)]


def power_ticks(low: float, high: float) -> list[float]:
    """Returns the logarithms of round numbers between two logarithms to base ten."""
    factors = (1,) if high - low > 3 else (1, 2, 5)
    places = [power + math.log10(each) for power in range(math.floor(low), math.ceil(high) + 1) for each in factors]
    found = [place for place in places if low <= place <= high]
    return found if len(found) > 1 else ticks(low, high, 4)


def bounds(lines: Sequence[Line], look: Look) -> tuple[float, float, float, float]:
    """Returns the least and the largest position and value that a chart shows, with a little room round the values."""
    if look.span is not None:
        return (*look.span, *look.span)
    points = [(x, y) for line in lines for x, y in zip(line["x"], line["y"], strict=True) if y is not None]
    xs, ys = [x for x, _ in points] or [0.0, 1.0], [y for _, y in points] or [0.0, 1.0]
    ys += [y for line in lines for y in (*line.get("low", ()), *line.get("high", ())) if y is not None]
    if look.reference is not None:
        ys = [*ys, look.reference[1]]
    if look.diagonal:
        xs = ys = [*xs, *ys]
    (left, right), (low, high) = ((min(each), max(each)) for each in (xs, ys))
    room = (high - low) * 0.05 or abs(high) * 0.05 or 0.5
    if look.names:
        left, right = -0.5, len(look.names) - 0.5
    elif left == right:
        left, right = left - 0.5, right + 0.5
    if look.scattered or (look.dots and not look.names):
        margin = (right - left) * 0.03
        left, right = left - margin, right + margin
    return left, right, low - room, high + room


def label_of(value: float) -> str:
    """Returns a number as an axis shows it."""
    return f"{value:,.0f}" if abs(value) >= 1e4 and abs(value) < 1e7 else f"{value:.6g}"


def _legend(lines: Sequence[Line], look: Look) -> list[tuple[float, int, str, str]]:
    """Returns the place, the row, the name and the colour of each entry of the legend."""
    names = [(line["name"], line["colour"]) for line in lines]
    names += [(look.reference[0], _INK)] if look.reference is not None else []
    found, x, row = [], float(_LEFT), 0
    for name, colour in names:
        shown = name if len(name) <= 40 else name[:39] + "…"
        width = 26 + _LETTER * len(shown)
        if x > _LEFT and x + width > WIDTH:
            x, row = float(_LEFT), row + 1
        found.append((x, row, shown, colour))
        x += width
    return found


def area(lines: Sequence[Line], look: Look) -> tuple[float, float, float, float]:
    """Returns left, top, width and height of what lies between the axes."""
    top = 10 + _ROW * (1 + max(row for _, row, *_ in _legend(lines, look)))
    return _LEFT, top, WIDTH - _LEFT - _RIGHT, HEIGHT - top - _BOTTOM


@dataclasses.dataclass(frozen=True)
class _Frame:
    """Where positions and values lie in the drawing: the area between the axes, and what its sides stand for."""

    left: float
    top: float
    width: float
    height: float
    west: float
    east: float
    low: float
    high: float

    def x(self, value: float) -> float:
        return round(self.left + (value - self.west) / (self.east - self.west) * self.width, 1)

    def y(self, value: float) -> float:
        return round(self.top + (self.high - value) / (self.high - self.low) * self.height, 1)


def drawn(title: str, lines: Sequence[Line], look: Look) -> str:
    """Returns the drawing.

    Args:
        title: read out by screen readers.
        lines: what is drawn.
        look: how it is drawn.
    """
    frame = _Frame(*area(lines, look), *bounds(lines, look))
    middle = frame.left + frame.width / 2, frame.top + frame.height / 2
    names = f'<text x="{middle[0]}" y="{HEIGHT - 4}" text-anchor="middle">{escaped(look.x_label)}</text>'
    if look.y_label:
        place = f'transform="translate(12 {middle[1]}) rotate(-90)"'
        names += f'<text {place} text-anchor="middle">{escaped(look.y_label)}</text>'
    plot = "".join(_line(line, frame, look) for line in lines) + _levels(frame, look)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escaped(title)}">{_entries(lines, look)}'
        f'{_axes(frame, look)}{names}<g class="plot">{plot}</g></svg>'
    )


def _entries(lines: Sequence[Line], look: Look) -> str:
    """Draws the legend."""
    parts = []
    for x, row, name, colour in _legend(lines, look):
        y = 10 + _ROW * row
        dash = _DASHES if colour == _INK else ""
        parts.append(f'<line x1="{x}" x2="{x + 14}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2.5"{dash}/>')
        parts.append(f'<text x="{x + 18}" y="{y + 4}">{escaped(name)}</text>')
    return "".join(parts)


def _axes(frame: _Frame, look: Look) -> str:
    left, right, top, bottom = frame.left, frame.left + frame.width, frame.top, frame.top + frame.height
    xs = "".join(
        f'<line class="grid" x1="{frame.x(each)}" x2="{frame.x(each)}" y1="{top}" y2="{bottom}"/>'
        f'<text class="tick" x="{frame.x(each)}" y="{bottom + 16}" text-anchor="middle">{escaped(name)}</text>'
        for each, name in x_ticks(frame.west, frame.east, look)
    )
    ys = "".join(
        f'<line class="grid" x1="{left}" x2="{right}" y1="{frame.y(each)}" y2="{frame.y(each)}"/>'
        f'<text class="tick" x="{left - 6}" y="{frame.y(each) + 4}" text-anchor="end">{label_of(each)}</text>'
        for each in ticks(frame.low, frame.high)
    )
    return f'<g class="x">{xs}</g><g class="y">{ys}</g>'


def x_ticks(west: float, east: float, look: Look) -> list[tuple[float, str]]:
    """Returns the positions that have a label, and the labels."""
    if not look.names:
        places = power_ticks(west, east) if look.powers else ticks(west, east, 6, look.whole)
        return [(place, look.said(place)) for place in places]
    shown = look.names[:: -(-len(look.names) // _MOST_NAMES)]
    most = max(3, int((WIDTH - _LEFT - _RIGHT) / len(shown) / _LETTER))
    step = -(-len(look.names) // _MOST_NAMES)
    return [(float(n * step), name if len(name) <= most else name[: most - 1] + "…") for n, name in enumerate(shown)]


def _levels(frame: _Frame, look: Look) -> str:
    """Draws the level to compare with, and the line on which value and position are equal."""
    parts = ""
    if look.reference is not None:
        y = frame.y(look.reference[1])
        parts += f'<line x1="{frame.left}" x2="{frame.left + frame.width}" y1="{y}" y2="{y}" stroke="{_INK}"{_DASHES}/>'
    if look.diagonal:
        ends = [(frame.x(each), frame.y(each)) for each in (max(frame.west, frame.low), min(frame.east, frame.high))]
        (x1, y1), (x2, y2) = ends
        parts += f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{_INK}"{_DASHES}/>'
    return parts


def _line(line: Line, frame: _Frame, look: Look) -> str:
    points = list(zip(line["x"], line["y"], strict=True))
    parts = _band(line, frame, look) if "low" in line else ""
    apart = look.scattered or bool(look.names) or line.get("dots", False)
    if not apart:
        path, pen = [], "M"
        for x, y in points:
            if y is not None:
                path.append(f"{pen}{frame.x(x)} {frame.y(y)}")
            pen = "M" if y is None else "L"
        parts += f'<path d="{"".join(path)}" fill="none" stroke="{line["colour"]}" stroke-width="1.8"/>'
    if apart or (len(points) <= _FEW_POINTS and not look.dots):
        # Of many dots, some lie on one another.
        many = line.get("dots", False) and len(points) > 1
        looks = 'r="2.4" fill-opacity="0.6"' if many else f'r="{4 if look.names or line.get("dots") else 2.4}"'
        parts += "".join(
            f'<circle cx="{frame.x(x)}" cy="{frame.y(y)}" {looks} fill="{line["colour"]}"/>'
            for x, y in points
            if y is not None
        )
    return parts


def _band(line: Line, frame: _Frame, look: Look) -> str:
    """Draws the interval of a line: a band along it, or a whisker at each named position."""
    ends = [(x, a, b) for x, a, b in zip(line["x"], line["low"], line["high"], strict=True) if None not in (a, b)]
    edges = [(frame.x(x), frame.y(a), frame.y(b)) for x, a, b in ends if a is not None and b is not None]
    if look.names:
        return "".join(
            f'<line x1="{x}" x2="{x}" y1="{low}" y2="{high}" stroke="{line["colour"]}" stroke-width="2"/>'
            for x, low, high in edges
        )
    outline = [f"{x},{high}" for x, _, high in edges] + [f"{x},{low}" for x, low, _ in reversed(edges)]
    return f'<polygon points="{" ".join(outline)}" fill="{line["colour"]}" fill-opacity="0.18"/>' if edges else ""
