"""Charts as figures of a page: a drawing that ``charts.js`` lets one point at and zoom, words, and a table of values.

Each is whole without a script: on paper, and where scripts are off. Colours are those of the page, in light and dark.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
from collections.abc import Iterable, Mapping, Sequence

from jaxdl.report.chart_svg import HEIGHT, WIDTH, Line, Look, area, drawn
from jaxdl.report.format import figure
from jaxdl.report.page import escaped, table, wide

# Colours of the page by what a line shows; others take their turn.
_OF_SPLITS = {"train": "train", "validation": "validation", "test": "test", "series": "soft", "forecast": "validation"}
_OTHERS = ("other", "train", "validation", "test", "fifth", "sixth")
# More points would not be seen, and would make the page large.
_MOST_POINTS, _MOST_ROWS = 600, 30

Points = tuple[Sequence[float], Sequence[float]]
_PLAIN = Look()


def line_chart(
    title: str,
    series: Mapping[str, Points],
    look: Look = _PLAIN,
    *,
    values: bool = True,
    bands: Mapping[str, Points] = types.MappingProxyType({}),
    colours: Mapping[str, str] = types.MappingProxyType({}),
) -> str:
    """Returns a chart as a figure of the page.

    Args:
        title: shown above it, and read out by screen readers.
        series: positions and values by name; a value that is not finite leaves a gap.
        look: how it is drawn.
        values: whether its values are in a table that can be unfolded; not where the page has them in another one.
        bands: for some of the names the lower and the upper end of an interval at each position.
        colours: for some of the names one of the page's colours, such as ``validation``.
    """
    lines = [
        _read(name, colours.get(name) or _colour(name, number), points, name in look.dots, bands.get(name))
        for number, (name, points) in enumerate(series.items())
    ]
    data = {
        "look": dataclasses.asdict(look),
        "lines": lines,
        "area": area(lines, look),
        "size": [WIDTH, HEIGHT],
    }
    content = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    said = "; ".join(_said(name, *points, look) for name, points in series.items())
    return (
        f'<figure class="chart"><figcaption>{escaped(title)}</figcaption>'
        f'{drawn(title, lines, look)}<script type="application/json">{content}</script>'
        f'<p class="said">{escaped(said)}</p>{_values(title, series, look, bands) if values else ""}</figure>'
    )


def thinned(xs: Sequence[float], ys: Sequence[float]) -> tuple[list[float], list[float | None]]:
    """Returns at most 600 points of a line, of which none is moved: of each stretch the least and the largest value.

    Args:
        xs: positions.
        ys: values; those that are not finite become None.
    """
    places = _kept(ys)
    return [_short(xs[n]) for n in places], _at(ys, places)


def _read(name: str, colour: str, points: Points, dots: bool, band: Points | None) -> Line:
    """Returns a line for the script, with its band at the same points."""
    xs, ys = thinned(*points)
    line: Line = {"name": name, "colour": f"var(--{colour})", "x": xs, "y": ys}
    if dots:
        line["dots"] = True
    if band is not None:
        places = _kept(points[1])
        line["low"], line["high"] = (_at(each, places) for each in band)
    return line


def _kept(ys: Sequence[float]) -> list[int]:
    """Returns the places of the points that `thinned` keeps."""
    if len(ys) <= _MOST_POINTS:
        return list(range(len(ys)))
    known = [value if math.isfinite(value) else None for value in map(float, ys)]
    kept = {0, len(ys) - 1}
    stretches = _MOST_POINTS // 2 - 1
    for number in range(stretches):
        part = range(number * len(ys) // stretches, (number + 1) * len(ys) // stretches)
        fine = [place for place in part if known[place] is not None]
        kept |= {min(fine, key=known.__getitem__), max(fine, key=known.__getitem__)} if fine else {part[0]}  # type: ignore[arg-type]
    return sorted(kept)


def _at(values: Sequence[float], places: Iterable[int]) -> list[float | None]:
    return [_short(values[n]) if math.isfinite(values[n]) else None for n in places]


def _colour(name: str, number: int) -> str:
    return _OF_SPLITS.get(name, _OTHERS[number % len(_OTHERS)])


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _said(name: str, xs: Sequence[float], ys: Sequence[float], look: Look) -> str:
    """Returns a line in words, for those who do not see it."""
    known = [(float(y), x) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)]
    if not known:
        return f"{name}: no finite value"
    (least, at_least), (most, at_most) = min(known), max(known)
    path = f"{len(known)} points" if name in look.dots else f"from {figure(known[0][0])} to {figure(known[-1][0])}"
    return (
        f"{name}: {path}, least {figure(least)} at {look.said(at_least)}, "
        f"largest {figure(most)} at {look.said(at_most)}"
    )


def _values(title: str, series: Mapping[str, Points], look: Look, bands: Mapping[str, Points]) -> str:
    """Returns the values as a table that can be unfolded: all, or some that are evenly spread; dots are left out."""
    named = [name for name in series if name not in look.dots]
    by_place: dict[float, dict[str, str]] = {}
    for name in named:
        for number, (x, y) in enumerate(zip(*series[name], strict=True)):
            by_place.setdefault(float(x), {})[name] = figure(float(y)) + _interval(bands.get(name), number)
    places = sorted(by_place)
    if len(places) > _MOST_ROWS:
        places = [places[round(n * (len(places) - 1) / (_MOST_ROWS - 1))] for n in range(_MOST_ROWS)]
    rows = [[look.said(place), *(by_place[place].get(name, "") for name in named)] for place in places]
    head = [look.x_label or "position", *named]
    if not rows:
        return ""
    values = wide(table(head, rows, range(len(head))), f"values of {title}")
    return f"<details><summary>values of {escaped(title)}</summary>{values}</details>"


def _interval(band: Points | None, number: int) -> str:
    """Returns the interval at one position in words; empty where there is none."""
    ends = [each[number] for each in band or ()]
    return f" ({figure(ends[0])} to {figure(ends[1])})" if ends and all(map(math.isfinite, ends)) else ""
