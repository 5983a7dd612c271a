"""The page of a comparison: figures with their intervals, what differs, and learning curves laid over each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxdl.comparison.compare import Comparison, Group
from jaxdl.comparison.curves import curves_section
from jaxdl.comparison.statistics import Estimate
from jaxdl.fields import show
from jaxdl.report.format import duration, figure
from jaxdl.report.page import escaped, page, section, table

_STYLE = """
h3 { font-size: .95rem; margin: 1.4rem 0 .3rem; } .note { color: var(--soft); font-size: .9rem; }
.wide { overflow-x: auto; } .wide table { min-width: 60%; } th[scope=row] { font-weight: 400; }
.wide td { overflow-wrap: normal; }
.wide .number { white-space: nowrap; }
.wide th.number { white-space: normal; }
.wide th[scope=row] { overflow-wrap: anywhere; min-width: 11.5rem; }
.baseline th[scope=row]::after { content: " (baseline)"; color: var(--soft); }
.controls { display: flex; flex-wrap: wrap; gap: .4rem 1rem; align-items: center; }
.controls select { max-width: 16rem; } select, button { font: inherit; }
.chart { touch-action: pan-y; user-select: none; } .chart svg { display: block; }
:focus-visible { outline: 2px solid var(--train); outline-offset: 2px; }
.legend { border: 1px solid var(--line); border-radius: 6px; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem;
  margin: .6rem 0; min-width: 0; } .legend label { display: inline-flex; gap: .4rem; align-items: center;
  overflow-wrap: anywhere; }
.tick { fill: var(--ink); font-size: 12px; } .grid { stroke: var(--line); }
.mean, .run { fill: none; stroke-width: 1.8; }
.run { opacity: .45; } .band { opacity: .18; } .cursor { stroke: var(--soft); stroke-dasharray: 3 3; }
.drag { fill: var(--train); opacity: .15; } .interval { display: block; max-width: none; }
.interval line { stroke: var(--ink); }
.interval circle { fill: var(--ink); } .interval .base { stroke: var(--soft); stroke-dasharray: 3 3; }
summary { cursor: pointer; } @media print { .controls { display: none; } }
"""
_MOST_OPEN = 20  # runs that are listed without being asked for
_INTERVAL_WIDTH, _INTERVAL_HEIGHT = 180, 18  # of the drawing beside a mean, in pixels


def comparison_page(comparison: Comparison, legend: str) -> str:
    """Returns the page, which refers to nothing outside itself.

    Args:
        comparison: what is compared.
        legend: what the numbers mean.
    """
    base = comparison.groups[comparison.baseline].name
    runs = sum(len(group.runs) for group in comparison.groups)
    caution = f'<p class="banner">{escaped(comparison.caution)}</p>' if comparison.caution else ""
    parts = [
        "<h1>Comparison</h1>",
        f'<p class="sub">{_many(len(comparison.groups), "recipe")}, {_many(runs, "completed run")}; baseline: '
        f"{escaped(base)}</p>",
        *(f'<p class="banner">{escaped(note)}</p>' for note in comparison.stand_ins),
        section("Results", caution + _results(comparison, comparison.metrics) + f"<p>{escaped(legend)}</p>"),
        section("Learning curves", curves_section(comparison)),
        section("What differs", _differences(comparison)),
        section("Other figures", _further(comparison)),
        section("Time and size", _costs(comparison)),
        section("Runs", _runs(comparison)),
    ]
    return page("Comparison", parts, _STYLE)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _wide(content: str, about: str) -> str:
    """Returns a table that is scrolled sideways by itself where the window is narrow."""
    return f'<div class="wide" tabindex="0" role="region" aria-label="{escaped(about)}">{content}</div>'


def _results(comparison: Comparison, metrics: Sequence[str]) -> str:
    return "".join(f"<h3>{escaped(metric)}</h3>{_of_metric(comparison, metric)}" for metric in metrics)


def _of_metric(comparison: Comparison, metric: str) -> str:
    """Returns the table of one figure: a row for each recipe, with its interval drawn and its test."""
    estimates = [comparison.estimate(group, metric) for group in comparison.groups]
    ends = [end for each in estimates if each for end in _ends(each) if math.isfinite(end)]
    base = estimates[comparison.baseline]
    head = ["recipe", "seeds", "mean", "95 % interval", ""]
    with_test = len(comparison.groups) > 1
    head += ["difference", "p", "seeds in common"] if with_test else []
    rows = []
    for number, (group, each) in enumerate(zip(comparison.groups, estimates, strict=True)):
        cells = [escaped(group.name), str(group.seeds), *_estimate_cells(each)]
        cells.append(_drawn(each, min(ends), max(ends), base) if each and ends else "")
        cells += _test_cells(comparison, group, metric) if with_test else []
        name, *others = cells
        kind = ' class="baseline"' if with_test and number == comparison.baseline else ""
        body = "".join(f'<td class="number">{cell}</td>' for cell in others)
        rows.append(f'<tr{kind}><th scope="row">{name}</th>{body}</tr>')
    columns = "".join(
        f'<th scope="col"{" class=number" if place else ""}>{escaped(name)}</th>'
        if name
        else '<td aria-hidden="true"></td>'
        for place, name in enumerate(head)
    )
    return _wide(f"<table><thead><tr>{columns}</tr></thead><tbody>{''.join(rows)}</tbody></table>", metric)


def _ends(each: Estimate) -> tuple[float, ...]:
    return (each.mean,) if each.half is None else (each.mean - each.half, each.mean + each.half)


def _estimate_cells(each: Estimate | None) -> list[str]:
    if each is None:
        return ["", ""]
    return [figure(each.mean), "" if each.half is None else f"± {figure(each.half)}"]


def _test_cells(comparison: Comparison, group: Group, metric: str) -> list[str]:
    against = comparison.difference(group, metric)
    if against is None:
        return ["", "", "" if group is comparison.groups[comparison.baseline] else "none"]
    half = "" if against.half is None else f" ± {figure(against.half)}"
    sign = "+" if against.mean >= 0 else ""
    return [f"{sign}{figure(against.mean)}{half}", "" if against.p is None else f"{against.p:.2g}", str(against.seeds)]


def _drawn(each: Estimate, low: float, high: float, base: Estimate | None) -> str:
    """Returns a mean with its interval as a drawing, on the scale of all recipes; a dashed line is the baseline."""

    def place(value: float) -> float:
        return 6 + (value - low) / ((high - low) or 1) * (_INTERVAL_WIDTH - 12)

    if not math.isfinite(each.mean):
        return ""
    middle = _INTERVAL_HEIGHT / 2
    parts = []
    if base is not None and math.isfinite(base.mean):
        at = place(base.mean)
        parts.append(f'<line class="base" x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{_INTERVAL_HEIGHT}"></line>')
    if each.half is not None:
        left, right = (place(end) for end in _ends(each))
        parts.append(f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{middle}" y2="{middle}"></line>')
    parts.append(f'<circle cx="{place(each.mean):.1f}" cy="{middle}" r="3.5"></circle>')
    size = f'width="{_INTERVAL_WIDTH}" height="{_INTERVAL_HEIGHT}"'
    size += f' viewBox="0 0 {_INTERVAL_WIDTH} {_INTERVAL_HEIGHT}"'
    return f'<svg class="interval" {size} aria-hidden="true">{"".join(parts)}</svg>'


def _differences(comparison: Comparison) -> str:
    paths = list(dict.fromkeys(path for group in comparison.groups for path in group.values))
    if not paths:
        return "<p>The runs differ in nothing but their seeds.</p>"
    rows = [[group.name, *(_shown(group, path) for path in paths)] for group in comparison.groups]
    head = ["recipe", *paths]
    if len(paths) > len(rows):  # a page is longer than it is wide
        head, *rows = map(list, zip(head, *rows, strict=True))
    return _wide(table(head, rows), "Fields that differ between the recipes")


def _shown(group: Group, path: str) -> str:
    return show(group.values[path]) if path in group.values else ""


def _further(comparison: Comparison) -> str:
    if not comparison.further:
        return ""
    count = _many(len(comparison.further), "figure")
    return f"<details><summary>{count}</summary>{_results(comparison, comparison.further)}</details>"


def _costs(comparison: Comparison) -> str:
    rows = []
    for group in comparison.groups:
        seconds, speed = group.median("wall_seconds"), group.median("train_examples_per_second")
        size = group.median("parameters")
        rows.append(
            [
                group.name,
                "" if seconds is None else duration(seconds),
                "" if speed is None else f"{speed:,.0f}",
                "" if size is None else f"{size:,.0f}",
            ]
        )
    if not any(any(row[1:]) for row in rows):
        return ""
    head = ["recipe", "time", "train examples per second", "parameters"]
    return _wide(table(head, rows, range(1, 4)), "Medians over the runs") + '<p class="note">Medians over the runs.</p>'


def _runs(comparison: Comparison) -> str:
    named = [(group.name, run) for group in comparison.groups for run in group.runs]
    named += [(f"left out: {run.status}", run) for run in comparison.left_out]
    head, rows = ["recipe", "seed", "place"], [[name, _seed(run.seed), str(run.path)] for name, run in named]
    for column in ("tag", "note"):
        if any(column in run.facts for _, run in named):
            head.append(column)
            rows = [[*row, str(run.facts.get(column, ""))] for row, (_, run) in zip(rows, named, strict=True)]
    found = _wide(table(head, rows), "Runs")
    many = len(rows) > _MOST_OPEN
    return f"<details><summary>{_many(len(rows), 'run')}</summary>{found}</details>" if many else found


def _seed(seed: object) -> str:
    return "" if seed is None else str(seed)
