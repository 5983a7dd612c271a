"""Parallel coordinates: an axis for each field and a line for each trial; ``sweep.js`` lets one choose among them.

The drawing is whole without a script. With it one drags along an axis, or fills in the fields below the drawing, which
do the same by keyboard: trials outside are dimmed, and how many are left is said.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np

from jaxdl.report.page import escaped
from jaxdl.report.sweep_plots import Scale

_LEFT, _TOP, _HEIGHT, _BETWEEN, _RIGHT, _BELOW = 72, 40, 230, 130, 90, 46
_MOST_NAMES, _LONGEST, _LONGEST_HEAD = 12, 14, 19
# So that a number stays readable where a line crosses it.
_HALO = 'stroke="var(--page)" stroke-width="3" stroke-linejoin="round" paint-order="stroke"'


def parallel_figure(
    title: str, scales: Sequence[Scale], quality: Sequence[float], best: int, trials: Sequence[int]
) -> str:
    """Returns parallel coordinates as a figure of the page; better trials have stronger lines.

    Args:
        title: shown above it, and read out by screen readers.
        scales: the fields, and last the compared figure; a position that is not finite means that the field was not
            varied in this trial.
        quality: of each trial, 0 for the worst to 1 for the best.
        best: index of the best trial.
        trials: the numbers of the trials.
    """
    width = _LEFT + _BETWEEN * (len(scales) - 1) + _RIGHT
    height = _TOP + _HEIGHT + _BELOW
    xs = [_LEFT + _BETWEEN * n for n in range(len(scales))]
    columns = np.stack([scale.fractions() for scale in scales], axis=1)
    missing = not np.isfinite(columns).all()
    order = [*(int(n) for n in np.argsort(quality, kind="stable") if n != best), best]
    lines = "".join(_line(n, xs, columns[n], _said(trials[n], scales, n), quality[n], n == best) for n in order)
    axes = "".join(_axis(x, scale, missing) for x, scale in zip(xs, scales, strict=True))
    content = {
        "trials": list(trials),
        "order": order,
        "best_is": "high" if _larger_is_better(scales[-1].positions, quality) else "low",
        "top": _TOP,
        "height": _HEIGHT,
        "axes": [
            {
                "name": scale.name,
                "x": x,
                "names": list(scale.names),
                "log": scale.log,
                "values": [_short(each) for each in scale.positions],
                "span": [_short(float(end)) for end in _ends(scale)],
            }
            for x, scale in zip(xs, scales, strict=True)
        ],
    }
    data = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return (
        f'<figure class="parallel"><figcaption>{escaped(title)}</figcaption>'
        f'<div class="wide" tabindex="0" role="region" aria-label="{escaped(title)}, drawing">'
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escaped(title)}" '
        f'style="min-width: {round(width * 0.8)}px; max-width: {round(width * 1.2)}px">'
        f'<g class="lines">{lines}</g>{axes}<g class="brushes"></g></svg>'
        f'</div><script type="application/json">{data}</script></figure>'
    )


def _line(number: int, xs: Sequence[int], fractions: np.ndarray, said: str, quality: float, best: bool) -> str:
    path = "L".join(f"{x} {_y(fraction):.1f}" for x, fraction in zip(xs, fractions, strict=True))
    colour, opacity, stroke = ("validation", 1.0, 2.4) if best else ("train", round(0.1 + 0.6 * quality**2, 2), 1.2)
    return (
        f'<path data-trial="{number}" d="M{path}" fill="none" stroke="var(--{colour})" stroke-opacity="{opacity}" '
        f'stroke-width="{stroke}"><title>{escaped(said)}</title></path>'
    )


def _y(fraction: float) -> float:
    """Returns the height of a fraction of an axis; what was not varied lies below all axes."""
    return _TOP + (1 - fraction) * _HEIGHT if math.isfinite(fraction) else _TOP + _HEIGHT + 24


def _axis(x: int, scale: Scale, missing: bool) -> str:
    bottom = _TOP + _HEIGHT
    marks = "".join(
        f'<text class="tick" x="{x + 6}" y="{_y(fraction) + 4:.1f}" {_HALO}>{escaped(_cut(name, _LONGEST))}</text>'
        for fraction, name in named_fractions(scale)
    )
    below = f'<text class="tick" x="{x + 6}" y="{bottom + 28}">not varied</text>' if _has_gap(scale) and missing else ""
    return (
        f'<line x1="{x}" x2="{x}" y1="{_TOP}" y2="{bottom}" stroke="var(--soft)" stroke-width="1.5"/>'
        f'<text x="{x}" y="{_TOP - 16}" text-anchor="middle" font-weight="600">'
        f"{escaped(_head(scale.name))}</text>{marks}{below}"
    )


def _head(name: str) -> str:
    """Returns the name of an axis; of one that is too long its last part."""
    return _cut(name if len(name) <= _LONGEST_HEAD else name.rpartition(".")[2], _LONGEST_HEAD)


def named_fractions(scale: Scale) -> list[tuple[float, str]]:
    """Returns which heights of an axis get a label: all values if they are few, otherwise the two ends."""
    if scale.names:
        low, high = _ends(scale)
        inside = [(tick, name) for tick, name in zip(scale.ticks, scale.names, strict=True) if low <= tick <= high]
        step = -(-len(inside) // _MOST_NAMES) or 1
        return [((tick - low) / (high - low) if high > low else 0.5, name) for tick, name in inside[::step]]
    ends = sorted(set(_ends(scale)))
    return [
        (fraction, f"{end:.4g}") for fraction, end in zip((0.0, 1.0) if len(ends) > 1 else (0.5,), ends, strict=True)
    ]


def _ends(scale: Scale) -> tuple[float, float]:
    """Returns the least and the largest position; where there is none, 0 twice."""
    known = [each for each in scale.positions if math.isfinite(each)] or [0.0]
    return min(known), max(known)


def _has_gap(scale: Scale) -> bool:
    return not all(map(math.isfinite, scale.positions))


def _said(trial: int, scales: Sequence[Scale], number: int) -> str:
    """Returns a trial in words: what one reads who points at its line."""
    parts = [(scale, scale.positions[number]) for scale in scales]
    values = [
        f"{scale.name} {scale.names[int(at)] if scale.names else f'{at:.4g}'}"
        for scale, at in parts
        if math.isfinite(at)
    ]
    return f"trial {trial}: {', '.join(values)}"


def _larger_is_better(figures: Sequence[float], quality: Sequence[float]) -> bool:
    return bool(np.asarray(figures)[np.argmax(quality)] >= np.asarray(figures)[np.argmin(quality)])


def _short(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _cut(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
