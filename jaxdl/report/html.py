"""The report of a run: one HTML page that needs nothing but itself, made from the files of the run directory alone."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.errors import UserError
from jaxdl.files import replace_file
from jaxdl.progress import data_used, duration, figure, split_metrics
from jaxdl.record import CONFIG, RECORD, REPORT, SUMMARY, read_config, read_metrics, read_record, read_summary

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --line: #d5dae0; --page: #ffffff; --card: #f6f8fa;
  --train: #2563eb; --validation: #d97706; --test: #059669; --other: #7c3aed; --alarm: #b45309; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #98a2ad; --line: #363d46; --page: #14171b;
  --card: #1c2026; --train: #6ea8fe; --validation: #f5b04c; --test: #4fd1a1; --other: #b79bff; --alarm: #f5b04c; } }
body { background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
p.sub { color: var(--soft); margin-top: .2rem; }
p.banner { border: 2px solid var(--alarm); border-radius: 6px; padding: .6rem .9rem; font-weight: 600; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top; }
th { font-weight: 600; } td.number, th.number { text-align: right; }
td { overflow-wrap: anywhere; } td.value { white-space: pre-wrap; }
.plots { display: flex; flex-wrap: wrap; gap: 1.5rem; } figure { margin: 0 0 1rem; max-width: 100%; }
figcaption { font-size: .9rem; font-weight: 600; margin-bottom: .3rem; } svg { max-width: 100%; height: auto; }
pre { background: var(--card); border-radius: 6px; padding: .8rem; overflow-x: auto; font-size: 13px; }
"""
_SUMMARY_LINES = (
    ("step", "steps", "{:,}"),
    ("epoch", "epochs", "{:,}"),
    ("parameters", "parameters", "{:,}"),
    ("train_examples_per_second", "examples per second in training", "{:,.0f}"),
    ("params_sha256", "SHA-256 of the parameters", "{}"),
)


def write_report(run_dir: Path) -> Path:
    """Writes ``report.html`` into a run directory and returns its path.

    Raises:
        UserError: there is no run, or a file of it is damaged.
    """
    run_dir = Path(run_dir)
    path = run_dir / REPORT
    replace_file(path, render(run_dir))
    return path


def render(run_dir: Path) -> str:
    """Returns the page; what a run that ended early has not written is left out.

    Raises:
        UserError: there is no run, or a file of it is damaged.
    """
    run_dir = Path(run_dir)
    if not (run_dir / CONFIG).exists() and not (run_dir / SUMMARY).exists():
        raise UserError(f"there is no run in {run_dir} (no {CONFIG}): give --run_dir=DIR of a run.")
    config = read_config(run_dir) if (run_dir / CONFIG).exists() else {}
    record = read_record(run_dir) if (run_dir / RECORD).exists() else {}
    summary = read_summary(run_dir) if (run_dir / SUMMARY).exists() else {}
    lines = read_metrics(run_dir) if (run_dir / CONFIG).exists() else []
    name = str(summary.get("experiment") or config.get("name") or run_dir.name)
    data = _mapping(summary.get("data"))
    used = data_used(data) if data else ""
    sections = [
        _head(name, summary, run_dir),
        _banner(data),
        _results(summary, used),
        _curves(lines, data, used),
        _confusions(summary, data, used),
        _section("Data", _pairs(data)),
        _section("Configuration", _pairs(_flat(config))),
        _record(record),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{_text(name)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head>\n<body>\n" + "\n".join(filter(None, sections)) + "\n</body></html>\n"
    )


def _head(name: str, summary: Mapping[str, Any], run_dir: Path) -> str:
    status = summary.get("status", "not ended")
    seconds = summary.get("wall_seconds")
    took = f", {duration(seconds)} ({seconds:.1f} s)" if isinstance(seconds, int | float) else ""
    compiling = summary.get("compile_seconds")
    took += f", {compiling:.1f} s of it compiling" if took and isinstance(compiling, int | float) else ""
    return f'<h1>{_text(name)}</h1>\n<p class="sub">{_text(status)}{took} &middot; {_text(run_dir)}</p>'


def _banner(data: Mapping[str, Any]) -> str:
    if not data.get("substituted"):
        return ""
    requested, used = _text(data.get("requested")), _text(data.get("used"))
    return f'<p class="banner">Not measured on {requested}: the stand-in {used} was used in its place.</p>'


def _results(summary: Mapping[str, Any], used: str) -> str:
    splits, by_metric = split_metrics(_mapping(summary.get("metrics")))
    rows = [
        [name, *(figure(values[split]) if split in values else "" for split in splits), used]
        for name, values in by_metric.items()
    ]
    measured = _table(["metric", *splits, "measured on"], rows, numbers=range(1, len(splits) + 1)) if rows else ""
    facts = {
        label: form.format(summary[key])
        for key, label, form in _SUMMARY_LINES
        if isinstance(summary.get(key), int | float | str)
    }
    best = _mapping(summary.get("data")).get("best_loss")
    if isinstance(best, int | float):
        facts["smallest loss that any model can reach"] = figure(best)
    return _section("Results", measured + (f"<p></p>{_pairs(facts)}" if facts else ""))


def _curves(lines: Sequence[Mapping[str, Any]], data: Mapping[str, Any], used: str) -> str:
    """Draws each metric that was logged more than as one figure of the test, loss first."""
    series: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    for line in lines:
        split = str(line.get("split"))
        for name, value in line.items():
            if name in ("step", "epoch", "split") or split == "test" or not isinstance(value, int | float):
                continue
            positions, values = series.setdefault(name, {}).setdefault(split, ([], []))
            positions.append(line.get("epoch", 0))
            values.append(value)
    if not series:
        return ""
    from jaxdl.report.plots import learning_curve

    best = data.get("best_loss")
    plots = []
    for name in sorted(series, key=lambda name: (name != "loss", name)):
        reference = ("best possible", float(best)) if name == "loss" and isinstance(best, int | float) else None
        title = _titled(name, used)
        plots.append(_figure(title, learning_curve(title, series[name], reference=reference)))
    return _section("Learning curves", f'<div class="plots">{"".join(plots)}</div>')


def _confusions(summary: Mapping[str, Any], data: Mapping[str, Any], used: str) -> str:
    """Draws the confusion matrix of each split that has one, with the figures of each class below."""
    parts = []
    for tag, counts in _mapping(summary.get("metrics")).items():
        split, _, name = tag.partition("/")
        if name != "confusion" or not _is_matrix(counts):
            continue
        from jaxdl.report.plots import confusion_matrix

        names = [str(c) for c in data.get("class_names") or ()]
        names = names if len(names) == len(counts) else [str(n) for n in range(len(counts))]
        title = _titled(f"{split} confusion", used)
        parts.append(_figure(title, confusion_matrix(title, counts, names)))
        parts.append(_per_class(np.asarray(counts, np.float64), names, used))
    return _section("Classes", "".join(parts))


def _per_class(counts: np.ndarray, names: Sequence[str], used: str) -> str:
    """Returns precision, recall and F1 of each class; zero divided by zero is 0."""
    hits, predicted, actual = np.diagonal(counts), counts.sum(axis=0), counts.sum(axis=1)
    figures = [
        hits / np.maximum(predicted, 1),
        hits / np.maximum(actual, 1),
        2 * hits / np.maximum(predicted + actual, 1),
    ]
    rows = [
        [name, f"{actual[n]:,.0f}", *(figure(float(column[n])) for column in figures), used]
        for n, name in enumerate(names)
    ]
    return _table(["class", "examples", "precision", "recall", "F1", "measured on"], rows, numbers=range(1, 5))


def _record(record: Mapping[str, Any]) -> str:
    if not record:
        return ""
    git = _mapping(record.get("git"))
    shown = {key: value for key, value in record.items() if key not in ("git", "command")}
    shown |= {f"git.{key}": value for key, value in git.items() if key != "diff"}
    command = " ".join(map(str, record.get("command") or ()))
    parts = [f"<pre>{_text(command)}</pre>" if command else "", _pairs(_flat(shown))]
    if git.get("diff"):
        parts.append(f"<details><summary>git diff</summary><pre>{_text(git['diff'])}</pre></details>")
    return _section("Record", "".join(parts))


def _figure(title: str, drawing: str) -> str:
    return f"<figure><figcaption>{_text(title)}</figcaption>{drawing}</figure>"


def _section(title: str, content: str) -> str:
    return f"<h2>{_text(title)}</h2>\n{content}" if content else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    aligned = set(numbers)

    def cells(tag: str, row: Sequence[str]) -> str:
        kinds = [' class="number"' if n in aligned else "" for n in range(len(row))]
        return "".join(f"<{tag}{kind}>{_text(cell)}</{tag}>" for kind, cell in zip(kinds, row, strict=True))

    body = "".join(f"<tr>{cells('td', row)}</tr>\n" for row in rows)
    return f"<table><thead><tr>{cells('th', head)}</tr></thead>\n<tbody>{body}</tbody></table>"


def _pairs(values: Mapping[str, Any]) -> str:
    rows = (f'<tr><th>{_text(k)}</th><td class="value">{_text(_shown(v))}</td></tr>' for k, v in values.items())
    return f"<table><tbody>{''.join(rows)}</tbody></table>" if values else ""


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns a tree of mappings with dotted paths as keys; a part's type stands under the part's own name."""
    flat: dict[str, Any] = {}
    for key, item in value.items():
        path = f"{prefix}{key}"
        if isinstance(item, Mapping):
            flat |= _flat(item, path + ".")
        else:
            flat[prefix.rstrip(".") if key == "type" and prefix else path] = item
    return flat


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(item)}" for key, item in value.items())
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return str(value)


def _titled(name: str, used: str) -> str:
    return f"{name}, {used}" if used else name


def _is_matrix(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(r, list) and len(r) == len(value) for r in value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return html.escape(str(value), quote=True)
