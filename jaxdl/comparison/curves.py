"""Learning curves of recipes laid over each other, which a reader of the page can point at, zoom and choose."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from jaxdl.comparison.compare import Comparison, Group
from jaxdl.comparison.runs import BESIDE, Run
from jaxdl.comparison.statistics import LEVEL
from jaxdl.report.format import is_number
from jaxdl.report.page import escaped

# Readable on a light page and on a dark one, and told apart by people who confuse red and green; further recipes have
# the same colours in dashes.
COLOURS = ("#2f7ed8", "#d9822b", "#2ca25f", "#c0392b", "#8e5bd0", "#8c6d31", "#d16ba5", "#5f7d8c")
_DASHES = ("", "6 3", "2 3", "8 3 2 3")
_FIRST_SHOWN = len(COLOURS)
_MOST_POINTS = 400  # of one curve
_MOST_NUMBERS = 150_000  # of a page, which then has about 1.5 MB


class Curve(NamedTuple):
    """A figure of one recipe while it trained, at the steps at which each of its runs has it.

    Attributes:
        step: train steps done, (points,).
        epoch: epochs done, (points,); None where a run does not say it.
        runs: its values, (runs, points).
    """

    step: np.ndarray
    epoch: np.ndarray | None
    runs: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Means over the runs, (points,)."""
        return np.asarray(self.runs.mean(axis=0))

    @property
    def half(self) -> np.ndarray:
        """Half of the confidence interval of 95 % of the means, (points,); NaN for one run."""
        count = len(self.runs)
        if count < 2:
            return np.full(self.runs.shape[1], np.nan)
        factor = float(stdtrit(count - 1, (1 + LEVEL) / 2)) / count**0.5
        return np.asarray(factor * self.runs.std(axis=0, ddof=1))


def curves_of(group: Group) -> dict[str, Curve]:
    """Returns the curves of a recipe by ``SPLIT/NAME``; figures that one of its runs does not have are left out."""
    by_run = [_logged(run) for run in group.runs]
    found = {}
    for name in by_run[0]:
        values = [logged[name] for logged in by_run if name in logged]
        steps = [step for step in sorted(values[0]) if all(step in each for each in values)]
        if len(values) < len(by_run) or not steps:
            continue
        epochs = [values[0][step][0] for step in steps]
        epoch = None if any(each is None for each in epochs) else np.array(epochs, np.float64)
        runs = np.array([[each[step][1] for step in steps] for each in values], np.float64)
        found[name] = Curve(np.array(steps, np.float64), epoch, runs)
    return found


def _logged(run: Run) -> dict[str, dict[float, tuple[Any, float]]]:
    """Returns a run's figures by name and step, each with its epoch."""
    found: dict[str, dict[float, tuple[Any, float]]] = {}
    for line in run.history:
        step, split = line.get("step"), line.get("split")
        if not isinstance(step, int | float):
            continue
        for name, value in line.items():
            if name not in BESIDE and is_number(value):
                found.setdefault(f"{split}/{name}", {})[step] = (line.get("epoch"), value)
    return found


def curves_section(comparison: Comparison) -> str:
    """Returns the curves as a part of a page, with the script that draws them; empty where no run logged any."""
    by_group = [curves_of(group) for group in comparison.groups]
    names = _in_order(dict.fromkeys(name for curves in by_group for name in curves))
    if not names:
        return ""
    points = _points(comparison, len(names))
    about = [
        {"name": group.name, "colour": COLOURS[number % len(COLOURS)], "dashes": _dashes(number)}
        for number, group in enumerate(comparison.groups)
    ]
    figures = {name: [_numbers(curves.get(name), points) for curves in by_group] for name in names}
    by_epoch = all(curve.epoch is not None for curves in by_group for curve in curves.values())
    content = json.dumps({"groups": about, "figures": figures}, allow_nan=False).replace("<", "\\u003c")
    script = importlib.resources.files("jaxdl.comparison").joinpath("curves.js").read_text(encoding="utf-8")
    return (
        _controls(names, ("epoch", "step") if by_epoch else ("step",), about)
        + f'<script type="application/json" id="curve-data">{content}</script>\n<script>{script}</script>'
    )


def _in_order(names: Mapping[str, None]) -> list[str]:
    """Returns names of figures with those that are looked at first in front."""
    first = ("validation", "train", "test", "hooks")
    place = {split: number for number, split in enumerate(first)}
    return sorted(names, key=lambda name: place.get(name.partition("/")[0], len(first)))


def _points(comparison: Comparison, figures: int) -> int:
    """Returns how many points a curve of the page has at most."""
    each = sum(3 + len(group.runs) for group in comparison.groups) * figures
    return max(20, min(_MOST_POINTS, _MOST_NUMBERS // each))


def _dashes(number: int) -> str:
    return _DASHES[number // len(COLOURS) % len(_DASHES)]


def _numbers(curve: Curve | None, points: int) -> dict[str, Any]:
    """Returns a curve for the script, with at most about so many points: every second, every third, and the last."""
    if curve is None:
        return {}
    count = len(curve.step)
    kept = np.arange(count - 1, -1, -max(1, -(-count // points)))[::-1]
    mean, half = curve.mean[kept], curve.half[kept]
    found: dict[str, Any] = {"step": _plain(curve.step[kept]), "mean": _plain(mean)}
    if curve.epoch is not None:
        found["epoch"] = _plain(curve.epoch[kept])
    return found | {
        "low": _plain(mean - half),
        "high": _plain(mean + half),
        "runs": [_plain(run[kept]) for run in curve.runs],
    }


def _plain(values: np.ndarray) -> list[float | None]:
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values.tolist()]


def _controls(names: Sequence[str], axes: Sequence[str], about: Sequence[Mapping[str, str]]) -> str:
    def options(values: Sequence[str]) -> str:
        return "".join(f"<option>{escaped(value)}</option>" for value in values)

    legend = "".join(
        f'<label><input type="checkbox"{" checked" if number < _FIRST_SHOWN else ""}>'
        f'<svg width="26" height="10" aria-hidden="true"><path d="M0 5h26" stroke="{group["colour"]}" '
        f'stroke-width="3" stroke-dasharray="{group["dashes"]}"></path></svg>{escaped(group["name"])}</label>'
        for number, group in enumerate(about)
    )
    return f"""<div id="curves">
<p class="controls"><label>figure <select name="figure">{options(names)}</select></label>
<label>by <select name="axis">{options(axes)}</select></label>
<label><input type="checkbox" name="log">logarithmic</label>
<label><input type="checkbox" name="seeds">each run</label>
<button type="button" name="whole">whole range</button>
<button type="button" name="svg">save as SVG</button> <button type="button" name="png">save as PNG</button></p>
<div class="chart" tabindex="0" role="group" aria-label="Curves: the arrow keys move along the axis, plus and minus \
zoom, Escape shows the whole range"></div>
<fieldset class="legend"><legend>recipes</legend>{legend}</fieldset>
<div class="wide" tabindex="0" role="region" aria-label="Values where the cursor stands">
<table><thead><tr><th scope="col">recipe</th><th scope="col" class="number">at</th>
<th scope="col" class="number">mean over runs</th><th scope="col" class="number">95 % interval</th></tr></thead>
<tbody class="readout" aria-live="polite"></tbody></table></div>
<p class="note">Lines are means over the runs of a recipe where each has a value, and bands their 95 % intervals at each
point. Point at the curves for values; drag to zoom, and click twice for the whole range; or use the arrow keys, plus,
minus and Escape.</p>
<noscript><p>The curves are drawn by a script, and scripts are off.</p></noscript></div>"""
