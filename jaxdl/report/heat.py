"""A heat map as SVG: the mean figure for each pair of values of two fields of a sweep."""

from __future__ import annotations

import numpy as np

from jaxdl.report.matrices import LETTER, shaded_cell, shaded_picture
from jaxdl.report.page import escaped
from jaxdl.report.plots import shortened_name
from jaxdl.report.sweep_plots import Scale

_MOST_NUMBERED = 400  # cells; more numbers are too small to read
_ROW, _LEAST, _MOST = 30.0, 44.0, 96.0  # height of a cell with a number, and the limits of its width
_PICTURE = 620.0  # the most width and height of a map without numbers
_LINE = 16.0  # between two lines of text


def heat_map(title: str, row: Scale, column: Scale, means: np.ndarray, quality: np.ndarray) -> str:
    """Returns the mean figure for each pair of values of two fields as one ``<svg>`` element.

    Args:
        title: read out by screen readers.
        row: the first field; its names label the rows.
        column: the second field.
        means: (rows, columns) float64, NaN where no trial was completed.
        quality: (rows, columns) float64, 0 for the worst to 1 for the best.
    """
    rows, columns = means.shape
    numbers = np.array([[f"{mean:.4g}" if np.isfinite(mean) else "" for mean in line] for line in means])
    shades = np.where(np.isfinite(means), 0.08 + 0.72 * np.nan_to_num(quality), 0.0)
    numbered = means.size <= _MOST_NUMBERED
    below, beside = ([shortened_name(name) for name in scale.names] for scale in (column, row))
    # Names that are longer than the widest cell are turned, and need no width.
    upright_names = [len(name) for name in below] if max(map(len, below)) * LETTER + 8 <= _MOST else []
    longest = max((*upright_names, *(len(number) for number in numbers.flat))) * LETTER + 8
    cell, high = max(_LEAST, longest), _ROW
    if not numbered:
        cell, high = min(_MOST, _PICTURE / columns), min(_ROW, _PICTURE / rows)
    left, bottom = 26 + max(map(len, beside)) * LETTER, 6 + rows * high
    upright = max(map(len, below)) * LETTER + 4 <= cell
    room = _LINE if upright else max(map(len, below)) * LETTER + 4
    across, along = shortened_name(column.name), shortened_name(row.name)
    width = max(left + columns * cell + 6, len(across) * LETTER + 12)
    height = max(bottom + room + 1.6 * _LINE, len(along) * LETTER + 12)
    parts = [_names(below, beside, (left, bottom, cell, high), upright)]
    if numbered:
        places = zip(*np.nonzero(np.isfinite(means)), strict=True)
        parts += [
            shaded_cell(left + x * cell, 6 + y * high, cell, high, shades[y, x], numbers[y, x]) for y, x in places
        ]
    else:
        parts.append(shaded_picture(shades, left, 6.0, columns * cell, rows * high))
    outline = f'width="{columns * cell:.1f}" height="{rows * high:.1f}" fill="none" stroke="var(--line)"'
    parts.append(f'<rect x="{left:.1f}" y="6" {outline}/>')
    # In the middle of their sides, or as near to it as they lie within the drawing.
    y = _within(6 + rows * high / 2, len(along) * LETTER / 2 + 6, height)
    parts.append(
        f'<text x="12" y="{y:.1f}" transform="rotate(-90 12 {y:.1f})" text-anchor="middle">{escaped(along)}</text>'
    )
    x = _within(left + columns * cell / 2, len(across) * LETTER / 2 + 6, width)
    parts.append(f'<text x="{x:.1f}" y="{height - 6:.1f}" text-anchor="middle">{escaped(across)}</text>')
    # As wide as it is meant to be: where the page is narrower, it scrolls.
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escaped(title)}" '
        f'style="width: {width:.0f}px; max-width: none">{"".join(parts)}</svg>'
    )


def _within(place: float, half: float, length: float) -> float:
    """Returns the middle of a text of twice `half`, moved so far that all of it lies from 0 to `length`."""
    return min(max(place, half), max(half, length - half))


def _names(below: list[str], beside: list[str], grid: tuple[float, float, float, float], upright: bool) -> str:
    """Returns the names of columns and rows; where they would lie on one another, only every second, third ... one."""
    left, bottom, cell, high = grid
    parts = []
    for n in range(0, len(beside), _step(high)):
        y = 6 + (n + 0.5) * high + 4
        parts.append(f'<text x="{left - 6:.1f}" y="{y:.1f}" text-anchor="end">{escaped(beside[n])}</text>')
    for n in range(0, len(below), _step(cell)):
        x, y = left + (n + 0.5) * cell + (0 if upright else 4), bottom + (_LINE - 2 if upright else 6)
        turned = ' text-anchor="middle"' if upright else f' text-anchor="end" transform="rotate(-90 {x:.1f} {y:.1f})"'
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}"{turned}>{escaped(below[n])}</text>')
    return "".join(parts)


def _step(room: float) -> int:
    """Returns which names are shown, each or every second, third ..., where each has so much room."""
    return max(1, int(np.ceil(_LINE / room)))
