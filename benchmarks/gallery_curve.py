"""A learning curve as a small SVG, readable on a light page and on a dark one."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 420, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 10, 10, 34
_COLOURS = {"train": "#2f7ed8", "validation": "#d9822b"}
_INK, _LINE = "#7a838e", "#9aa3ad"  # with enough contrast on either page

Points = Sequence[Sequence[float]]


def curve_svg(curves: Mapping[str, Points], name: str) -> str:
    """Returns the curves of a figure on train and validation by epoch; empty where there are fewer than two points.

    Args:
        curves: epoch and value of each point by ``SPLIT/NAME``.
        name: of the figure.
    """
    shown = {split: curves[f"{split}/{name}"] for split in _COLOURS if len(curves.get(f"{split}/{name}", ())) > 1}
    if not shown:
        return ""
    epochs = [point[0] for points in shown.values() for point in points]
    values = [point[1] for points in shown.values() for point in points]
    left, right, low, high = min(epochs), max(epochs), min(values), max(values)

    def place(epoch: float, value: float) -> str:
        x = _LEFT + (epoch - left) / ((right - left) or 1) * (WIDTH - _LEFT - _RIGHT)
        y = HEIGHT - _BOTTOM - (value - low) / ((high - low) or 1) * (HEIGHT - _TOP - _BOTTOM)
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="11" fill="{_INK}">',
        f"<title>{html.escape(name)} by epoch</title>",
        f'<path d="M{_LEFT} {_TOP}V{HEIGHT - _BOTTOM}H{WIDTH - _RIGHT}" fill="none" stroke="{_LINE}"/>',
        f'<text x="{_LEFT - 5}" y="{_TOP + 8}" text-anchor="end">{high:.4g}</text>',
        f'<text x="{_LEFT - 5}" y="{HEIGHT - _BOTTOM}" text-anchor="end">{low:.4g}</text>',
        f'<text x="{_LEFT}" y="{HEIGHT - _BOTTOM + 14}">{left:g}</text>',
        f'<text x="{WIDTH - _RIGHT}" y="{HEIGHT - _BOTTOM + 14}" text-anchor="end">{right:g}</text>',
    ]
    legend = [f'<tspan fill="{_COLOURS[split]}">{split}</tspan>' for split in shown]
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 5}" text-anchor="middle">{html.escape(name)} by epoch: '
        f"{' and '.join(legend)}</text>"
    )
    for split, points in shown.items():
        path = " ".join(place(epoch, value) for epoch, value in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{_COLOURS[split]}" stroke-width="1.8"/>')
    return "\n".join([*parts, "</svg>", ""])
