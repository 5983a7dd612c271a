"""Confusion matrices as SVG, shaded by the share of each true class."""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Sequence

import numpy as np

from jaxdl.report.format import amount
from jaxdl.report.page import escaped

# With more classes, there are no numbers and names: they would not be readable.
_MOST_NAMED = 30
_LONGEST_NAME, LETTER = 18, 7.2
_SHADE = (37, 99, 235)
_DARK = 0.55  # cells of a darker shade have numbers in the colour of the page


def confusion_matrix(title: str, counts: Sequence[Sequence[float]], class_names: Sequence[str] = ()) -> str:
    """Returns a confusion matrix as one ``<svg>`` element.

    Args:
        title: read out by screen readers; the page shows it above.
        counts: (classes, classes) numbers of examples, or sums of weights, by true class (rows) and predicted class
            (columns), or with one more column for outputs with NaN.
        class_names: names of the classes; without them, their numbers are shown.
    """
    matrix = np.asarray(counts, dtype=np.float64)
    classes, columns = matrix.shape
    sums = matrix.sum(axis=1, keepdims=True)
    shares = matrix / np.where(sums > 0, sums, 1)
    if classes > _MOST_NAMED:
        return _unnamed(title, shares)
    names = list(class_names) if len(class_names) == classes else [str(n) for n in range(classes)]
    names = [_shortened(str(name)) for name in names] + ["NaN"] * (columns - classes)
    widest = max(map(len, names)) * LETTER
    upright = max(map(len, names)) <= 3
    numbers = max((len(amount(value)) for value in matrix.flat), default=1)
    grid = _Grid(
        cell=max(26.0, numbers * 6.8 + 8, min(60.0, 160 / classes)),
        left=26 + widest,
        top=24 + (16 if upright else widest + 6),
        rows=classes,
        columns=columns,
    )
    width, height = grid.left + columns * grid.cell + 4, grid.top + classes * grid.cell + 4
    return _svg(title, width, height, _names(grid, names, upright) + _cells(grid, matrix, shares) + _lines(grid))


@dataclasses.dataclass(frozen=True)
class _Grid:
    """Where the cells lie: their side, the corner of the first one, and how many there are."""

    cell: float
    left: float
    top: float
    rows: int
    columns: int


def _names(grid: _Grid, names: Sequence[str], upright: bool) -> str:
    cell, left, top = grid.cell, grid.left, grid.top
    down = f"translate(12 {top + grid.rows * cell / 2:.1f}) rotate(-90)"
    parts = [
        f'<text x="{left + grid.columns * cell / 2:.1f}" y="13" text-anchor="middle">predicted class</text>',
        f'<text transform="{down}" text-anchor="middle">true class</text>',
    ]
    for place, name in enumerate(names):
        middle, text = (place + 0.5) * cell, escaped(name)
        x, y = left + middle + (0 if upright else 4), top - 6
        turn = ' text-anchor="middle"' if upright else f' transform="rotate(-90 {x:.1f} {y:.1f})"'
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}"{turn}>{text}</text>')
        if place < grid.rows:
            parts.append(f'<text x="{left - 6:.1f}" y="{top + middle + 4:.1f}" text-anchor="end">{text}</text>')
    return "".join(parts)


def _cells(grid: _Grid, matrix: np.ndarray, shares: np.ndarray) -> str:
    parts, cell = [], grid.cell
    for row, column in zip(*np.nonzero(matrix), strict=True):
        x, y, shade = grid.left + column * cell, grid.top + row * cell, 0.85 * shares[row, column] ** 0.5
        parts.append(shaded_cell(x, y, cell, cell, shade, amount(matrix[row, column])))
    return "".join(parts)


def shaded_cell(x: float, y: float, width: float, height: float, shade: float, number: str) -> str:
    """Returns a cell for an SVG with a number in its middle.

    Args:
        x, y: its upper left corner in the drawing.
        width, height: its sides.
        shade: 0 for none to 1 for the full colour.
        number: the text.
    """
    ink = ' style="fill: var(--page)"' if shade > _DARK else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="var(--train)" '
        f'fill-opacity="{shade:.2f}"/><text x="{x + width / 2:.1f}" y="{y + height / 2 + 4:.1f}" '
        f'text-anchor="middle"{ink}>{number}</text>'
    )


def _lines(grid: _Grid) -> str:
    right, bottom = grid.left + grid.columns * grid.cell, grid.top + grid.rows * grid.cell
    xs = [grid.left + n * grid.cell for n in range(grid.columns + 1)]
    ys = [grid.top + n * grid.cell for n in range(grid.rows + 1)]
    lines = [f'x1="{x:.1f}" x2="{x:.1f}" y1="{grid.top:.1f}" y2="{bottom:.1f}"' for x in xs]
    lines += [f'x1="{grid.left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"' for y in ys]
    return "".join(f'<line class="grid" {each}/>' for each in lines)


def _unnamed(title: str, shares: np.ndarray) -> str:
    """Returns the matrix of many classes: a pixel for each number, in one picture."""
    side = 400
    parts = (
        shaded_picture(shares**0.5, 26.0, 20.0, side, side)
        + f'<rect x="26" y="20" width="{side}" height="{side}" fill="none" stroke="var(--line)"/>'
        f'<text x="{26 + side / 2}" y="13" text-anchor="middle">predicted class, 0 to {shares.shape[1] - 1}</text>'
        f'<text transform="translate(14 {20 + side / 2}) rotate(-90)" text-anchor="middle">'
        f"true class, 0 to {shares.shape[0] - 1}</text>"
    )
    return _svg(title, side + 30, side + 24, parts)


def shaded_picture(shades: np.ndarray, x: float, y: float, width: float, height: float) -> str:
    """Returns a picture for an SVG with a pixel for each shade.

    Args:
        shades: (rows, columns) float64, 0 for none to 1 for the full colour.
        x, y: the upper left corner in the drawing.
        width, height: of the picture in the drawing.
    """
    from PIL import Image

    pixels = np.zeros((*shades.shape, 4), np.uint8)
    pixels[..., :3] = _SHADE  # of one colour on a transparent ground, so that it fits light pages and dark ones
    pixels[..., 3] = np.rint(255 * shades)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    source = base64.b64encode(file.getvalue()).decode()
    return (
        f'<image href="data:image/png;base64,{source}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
        'preserveAspectRatio="none" style="image-rendering: pixelated"/>'
    )


def _svg(title: str, width: float, height: float, content: str) -> str:
    # As wide as it is meant to be, where the page is wide enough; names and numbers stay readable.
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escaped(title)}" '
        f'style="max-width: {width * 1.15:.0f}px">{content}</svg>'
    )


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
