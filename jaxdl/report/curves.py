"""The learning curves of a report: each metric of train and validation, norms, learning rate and speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxdl.report.chart_svg import Look
from jaxdl.report.charts import Points, line_chart
from jaxdl.report.format import is_number
from jaxdl.report.page import section, titled

_OF_PROGRESS = (("learning_rate", "learning rate"), ("examples_per_second", "examples per second in training"))


def curves_section(
    lines: Sequence[Mapping[str, Any]],
    progress: Sequence[Mapping[str, Any]],
    data: Mapping[str, Any],
    used: str,
    per_epoch: Any,
) -> str:
    """Draws the curve of each metric, the loss first, and of what hooks logged; then the learning rate and the speed.

    Args:
        lines: of ``metrics.jsonl``.
        progress: of ``progress.jsonl``.
        data: the summary's ``data``.
        used: name of the data, to be shown beside every figure.
        per_epoch: number of steps of an epoch, where the record has it: hooks log in the middle of one, too.
    """
    series: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    for line in lines:
        split = str(line.get("split"))
        for name, value in line.items():
            if name in ("step", "epoch", "split") or split == "test" or not is_number(value):
                continue
            positions, values = series.setdefault(name, {}).setdefault(split, ([], []))
            within = split == "hooks" and isinstance(per_epoch, int) and per_epoch and isinstance(line.get("step"), int)
            positions.append(line["step"] / per_epoch if within else line.get("epoch", 0))
            values.append(float(value))
    best = data.get("best_loss")
    charts = []
    for name in sorted(series, key=lambda name: (name != "loss", name.endswith("_norm"), name)):
        reference = ("best possible", float(best)) if name == "loss" and isinstance(best, int | float) else None
        charts.append(line_chart(titled(name, used), series[name], Look(reference=reference)))
    charts += [line_chart(titled(title, used), {title: points}) for title, points in _of_progress(progress)]
    return section("Learning curves", f'<div class="plots">{"".join(charts)}</div>' if charts else "")


def _of_progress(progress: Sequence[Mapping[str, Any]]) -> list[tuple[str, Points]]:
    found: list[tuple[str, Points]] = []
    for name, title in _OF_PROGRESS:
        points = [(float(line["epoch"]), float(line[name])) for line in progress
                  if is_number(line.get(name)) and is_number(line.get("epoch"))]  # fmt: skip
        if points:
            xs, ys = zip(*points, strict=True)
            found.append((title, (xs, ys)))
    return found
