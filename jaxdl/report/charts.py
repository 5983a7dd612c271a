"""Charts as SVG, written by hand: they cost no import, and ``figures.js`` lets one point at them and zoom.

Each is whole without a script: on paper, and where scripts are off. Colours are those of the page, in light and dark.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from jaxdl.report.format import figure
from jaxdl.report.page import escaped, table

# Colours of the page by what a line shows; others take their turn.
_OF_SPLITS = {"train": "train", "validation": "validation", "test": "test", "series": "soft", "forecast": "validation"}
_OTHERS = ("other", "train", "validation", "test", "fifth", "sixth")
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _BOTTOM, _LETTER, _ROW = 460, 280, 66, 14, 38, 6.4, 18
# More points would not be seen, and would make the page large.
_MOST_POINTS, _FEW_POINTS, _MOST_ROWS = 600, 40, 30

_INK, _DASHES = "var(--ink)", ' stroke-dasharray="4 3"'

Points = tuple[Sequence[float], Sequence[float]]


class _Line(TypedDict):
    """A line of a chart, as its script reads it; None is a gap."""

    name: str
    colour: str
    x: list[float]
    y: list[float | None]


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
    """

    x_label: str = "epoch"
    y_label: str = ""
    reference: tuple[str, float] | None = None
    whole: bool = True
    scattered: bool = False
    diagonal: bool = False
    span: tuple[float, float] | None = None


def line_chart(title: str, series: Mapping[str, Points], look: Look = Look(), *, values: bool = True) -> str:
    """Returns a chart as a figure of the page.

    Args:
        title: shown above it, and read out by screen readers.
        series: positions and values by name; a value that is not finite leaves a gap.
        look: how it is drawn.
        values: whether its values are in a table that can be unfolded; not where the page has them in another one.
    """
    lines: list[_Line] = [
        {"name": name, "colour": _colour(name, number), "x": xs, "y": ys}
        for number, (name, (xs, ys)) in enumerate((name, thinned(*points)) for name, points in series.items())
    ]
    data = {
        "look": dataclasses.asdict(look),
        "lines": lines,
        "area": _area(lines, look),
        "size": [_WIDTH, _HEIGHT],
    }
    content = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    said = "; ".join(_said(name, *points) for name, points in series.items())
    return (
        f'<figure class="chart"><figcaption>{escaped(title)}</figcaption>'
        f'{_drawn(title, lines, look)}<script type="application/json">{content}</script>'
        f'<p class="said">{escaped(said)}</p>{_values(title, series, look) if values else ""}</figure>'
    )


def thinned(xs: Sequence[float], ys: Sequence[float]) -> tuple[list[float], list[float | None]]:
    """Returns at most 600 points of a line, of which none is moved: of each stretch the least and the largest value.

    Args:
        xs: positions.
        ys: values; those that are not finite become None.
    """
    known = [value if math.isfinite(value) else None for value in map(float, ys)]
    if len(xs) > _MOST_POINTS:
        kept = {0, len(xs) - 1}
        stretches = _MOST_POINTS // 2 - 1
        for number in range(stretches):
            part = range(number * len(xs) // stretches, (number + 1) * len(xs) // stretches)
            fine = [place for place in part if known[place] is not None]
            kept |= {min(fine, key=known.__getitem__), max(fine, key=known.__getitem__)} if fine else {part[0]}  # type: ignore[arg-type]
        places = sorted(kept)
    else:
        places = list(range(len(xs)))
    return [_short(xs[n]) for n in places], [None if (y := known[n]) is None else _short(y) for n in places]


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


def bounds(lines: Iterable[_Line], look: Look) -> tuple[float, float, float, float]:
    """Returns the least and the largest position and value that a chart shows, with a little room round the values."""
    if look.span is not None:
        return (*look.span, *look.span)
    points = [(x, y) for line in lines for x, y in zip(line["x"], line["y"], strict=True) if y is not None]
    xs, ys = [x for x, _ in points] or [0.0, 1.0], [y for _, y in points] or [0.0, 1.0]
    if look.reference is not None:
        ys = [*ys, look.reference[1]]
    if look.diagonal:
        xs = ys = [*xs, *ys]
    (left, right), (low, high) = ((min(each), max(each)) for each in (xs, ys))
    room = (high - low) * 0.05 or abs(high) * 0.05 or 0.5
    if left == right:
        left, right = left - 0.5, right + 0.5
    if look.scattered:
        margin = (right - left) * 0.03
        left, right = left - margin, right + margin
    return left, right, low - room, high + room


def label_of(value: float) -> str:
    """Returns a number as an axis shows it."""
    return f"{value:,.0f}" if abs(value) >= 1e4 and abs(value) < 1e7 else f"{value:.6g}"


def _colour(name: str, number: int) -> str:
    return f"var(--{_OF_SPLITS.get(name, _OTHERS[number % len(_OTHERS)])})"


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _legend(lines: Sequence[_Line], look: Look) -> list[tuple[float, int, str, str]]:
    """Returns the place, the row, the name and the colour of each entry of the legend."""
    names = [(line["name"], line["colour"]) for line in lines]
    names += [(look.reference[0], _INK)] if look.reference is not None else []
    found, x, row = [], float(_LEFT), 0
    for name, colour in names:
        shown = name if len(name) <= 40 else name[:39] + "…"
        width = 26 + _LETTER * len(shown)
        if x > _LEFT and x + width > _WIDTH:
            x, row = float(_LEFT), row + 1
        found.append((x, row, shown, colour))
        x += width
    return found


def _area(lines: Sequence[_Line], look: Look) -> tuple[float, float, float, float]:
    """Returns left, top, width and height of what lies between the axes."""
    top = 10 + _ROW * (1 + max(row for _, row, *_ in _legend(lines, look)))
    return _LEFT, top, _WIDTH - _LEFT - _RIGHT, _HEIGHT - top - _BOTTOM


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


def _drawn(title: str, lines: Sequence[_Line], look: Look) -> str:
    frame = _Frame(*_area(lines, look), *bounds(lines, look))
    middle = frame.left + frame.width / 2, frame.top + frame.height / 2
    names = f'<text x="{middle[0]}" y="{_HEIGHT - 4}" text-anchor="middle">{escaped(look.x_label)}</text>'
    if look.y_label:
        place = f'transform="translate(12 {middle[1]}) rotate(-90)"'
        names += f'<text {place} text-anchor="middle">{escaped(look.y_label)}</text>'
    plot = "".join(_line(line, frame, look) for line in lines) + _levels(frame, look)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escaped(title)}">{_entries(lines, look)}'
        f'{_axes(frame, look)}{names}<g class="plot">{plot}</g></svg>'
    )


def _entries(lines: Sequence[_Line], look: Look) -> str:
    """Draws the legend."""
    drawn = []
    for x, row, name, colour in _legend(lines, look):
        y = 10 + _ROW * row
        dash = _DASHES if colour == _INK else ""
        drawn.append(f'<line x1="{x}" x2="{x + 14}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2.5"{dash}/>')
        drawn.append(f'<text x="{x + 18}" y="{y + 4}">{escaped(name)}</text>')
    return "".join(drawn)


def _axes(frame: _Frame, look: Look) -> str:
    left, right, top, bottom = frame.left, frame.left + frame.width, frame.top, frame.top + frame.height
    xs = "".join(
        f'<line class="grid" x1="{frame.x(each)}" x2="{frame.x(each)}" y1="{top}" y2="{bottom}"/>'
        f'<text class="tick" x="{frame.x(each)}" y="{bottom + 16}" text-anchor="middle">{label_of(each)}</text>'
        for each in ticks(frame.west, frame.east, 6, look.whole)
    )
    ys = "".join(
        f'<line class="grid" x1="{left}" x2="{right}" y1="{frame.y(each)}" y2="{frame.y(each)}"/>'
        f'<text class="tick" x="{left - 6}" y="{frame.y(each) + 4}" text-anchor="end">{label_of(each)}</text>'
        for each in ticks(frame.low, frame.high)
    )
    return f'<g class="x">{xs}</g><g class="y">{ys}</g>'


def _levels(frame: _Frame, look: Look) -> str:
    """Draws the level to compare with, and the line on which value and position are equal."""
    drawn = ""
    if look.reference is not None:
        y = frame.y(look.reference[1])
        drawn += f'<line x1="{frame.left}" x2="{frame.left + frame.width}" y1="{y}" y2="{y}" stroke="{_INK}"{_DASHES}/>'
    if look.diagonal:
        ends = [(frame.x(each), frame.y(each)) for each in (max(frame.west, frame.low), min(frame.east, frame.high))]
        (x1, y1), (x2, y2) = ends
        drawn += f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{_INK}"{_DASHES}/>'
    return drawn


def _line(line: _Line, frame: _Frame, look: Look) -> str:
    points = list(zip(line["x"], line["y"], strict=True))
    drawn = ""
    if not look.scattered:
        path, pen = [], "M"
        for x, y in points:
            if y is not None:
                path.append(f"{pen}{frame.x(x)} {frame.y(y)}")
            pen = "M" if y is None else "L"
        drawn = f'<path d="{"".join(path)}" fill="none" stroke="{line["colour"]}" stroke-width="1.8"/>'
    if look.scattered or len(points) <= _FEW_POINTS:
        drawn += "".join(
            f'<circle cx="{frame.x(x)}" cy="{frame.y(y)}" r="2.4" fill="{line["colour"]}"/>'
            for x, y in points
            if y is not None
        )
    return drawn


def _said(name: str, xs: Sequence[float], ys: Sequence[float]) -> str:
    """Returns a line in words, for those who do not see it."""
    known = [(float(y), x) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)]
    if not known:
        return f"{name}: no finite value"
    (least, at_least), (most, at_most) = min(known), max(known)
    return (
        f"{name}: from {figure(known[0][0])} to {figure(known[-1][0])}, least {figure(least)} at {label_of(at_least)}, "
        f"largest {figure(most)} at {label_of(at_most)}"
    )


def _values(title: str, series: Mapping[str, Points], look: Look) -> str:
    """Returns the values as a table that can be unfolded: all, or some that are evenly spread."""
    by_place: dict[float, dict[str, float]] = {}
    for name, (xs, ys) in series.items():
        for x, y in zip(xs, ys, strict=True):
            by_place.setdefault(float(x), {})[name] = float(y)
    places = sorted(by_place)
    if len(places) > _MOST_ROWS:
        places = [places[round(n * (len(places) - 1) / (_MOST_ROWS - 1))] for n in range(_MOST_ROWS)]
    rows = [
        [label_of(place), *(figure(by_place[place][name]) if name in by_place[place] else "" for name in series)]
        for place in places
    ]
    head = [look.x_label, *series]
    return f"<details><summary>values of {escaped(title)}</summary>{table(head, rows, range(len(head)))}</details>"
