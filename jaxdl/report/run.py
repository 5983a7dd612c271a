"""The report of a run: one self-contained HTML page, made only from the files of the run directory."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxdl.errors import UserError
from jaxdl.files.atomic import replace_file
from jaxdl.record import (
    CONFIG,
    INSPECTION,
    PICTURES,
    RECORD,
    REPORT,
    SUMMARY,
    Notes,
    read_config,
    read_inspection,
    read_metrics,
    read_notes,
    read_progress,
    read_record,
    read_summary,
)
from jaxdl.report.curves import curves_section
from jaxdl.report.expected import compared
from jaxdl.report.format import baseline_facts, data_used, duration, figure, is_number, split_metrics, without_folders
from jaxdl.report.model import model_sections, outputs_of, predictions_sections
from jaxdl.report.origin import again_section, flat, folded, machine_section, mapping
from jaxdl.report.page import escaped, page, pairs, plotted, section, table, titled, wide

# Takes a metric's values by split, the summary's ``data``, and whether to draw plots; returns a part of the page, empty
# if there is nothing to show.
MetricSection = Callable[[Mapping[str, Any], Mapping[str, Any], bool], str]

_SUMMARY_LINES = (
    ("step", "steps", "{:,}"),
    ("epoch", "epochs", "{:,}"),
    ("stopped", "ended by the hook", "{}"),
    ("parameters", "parameters", "{:,}"),
    ("train_examples_per_second", "examples per second in training", "{:,.0f}"),
    ("params_sha256", "SHA-256 of the parameters", "{}"),
)
_TITLE = re.compile(r"<h2>(.*?)</h2>")


def write_report(
    run_dir: Path, sections: Mapping[str, MetricSection], *, plots: bool = True, running: bool = False
) -> Path:
    """Writes ``report.html`` into a run directory and returns its path.

    Args:
        run_dir: the run directory.
        sections: what is shown of a metric in addition to its numbers, by the metric's name:
            `jaxdl.objectives.REPORT_SECTIONS`.
        plots: whether to draw plots; without them, the figures are only in tables.
        running: whether a process is still at it; the page then says so.

    Raises:
        UserError: there is no run, or a file of it is damaged.
    """
    run_dir = Path(run_dir)
    path = run_dir / REPORT
    replace_file(path, render(run_dir, sections, plots=plots, running=running))
    return path


def render(run_dir: Path, sections: Mapping[str, MetricSection], *, plots: bool = True, running: bool = False) -> str:
    """Returns the page; parts that a run has not written, since it ended early, are left out.

    See `write_report`.

    Raises:
        UserError: there is no run, or a file of it is damaged.
    """
    run_dir = Path(run_dir)
    if not (run_dir / CONFIG).exists() and not (run_dir / SUMMARY).exists():
        raise UserError(f"there is no run in {run_dir} (no {CONFIG}): give --run_dir=DIR of a run.")
    config = read_config(run_dir) if (run_dir / CONFIG).exists() else {}
    record = read_record(run_dir) if (run_dir / RECORD).exists() else {}
    summary = read_summary(run_dir) if (run_dir / SUMMARY).exists() else {}
    measured = mapping(summary.get("metrics"))
    tested = any(name.startswith("test/") and is_number(value) for name, value in measured.items())
    # The curves need them, and the highlights of a run without a test; the report of a sweep's trial has neither.
    lines = read_metrics(run_dir) if (run_dir / CONFIG).exists() and (plots or not tested) else []
    name = str(summary.get("experiment") or config.get("name") or run_dir.name)
    data = mapping(summary.get("data"))
    used = without_folders(data_used(data)) if data else ""
    parts = [
        _head(name, summary, run_dir, running),
        _said_of_it(read_notes(run_dir)),
        _banner(data),
        _trouble(summary, running),
        _highlights(summary, lines, used),
        _results(summary, mapping(record.get("recipe")), used),
        again_section(record, run_dir),
        curves_section(lines, read_progress(run_dir), data, used, record.get("steps_per_epoch")) if plots else "",
        *_of_metrics(mapping(summary.get("metrics")), data, sections, plots),
        *_of_model(run_dir, summary, data, sections, used, plots),
        section("Data", pairs(flat({name: value for name, value in data.items() if name != "baselines"}))),
        section("Configuration", folded("every field of the recipe", pairs(flat(config)))),
        machine_section(record),
    ]
    return page(name, _with_contents(list(filter(None, parts))), interactive=plots)


def _with_contents(parts: list[str]) -> list[str]:
    """Returns the parts with links to each titled one at the top."""
    titles: list[str] = []

    def marked(found: re.Match[str]) -> str:
        titles.append(found[1])
        return f'<span id="part-{len(titles)}"></span>{found[0]}'

    content = [_TITLE.sub(marked, part) for part in parts]
    links = "".join(f'<a href="#part-{number}">{title}</a>' for number, title in enumerate(titles, 1))
    contents = f'<nav aria-label="contents">{links}</nav>' if len(titles) > 1 else ""
    return [content[0], contents, *content[1:]]


def summary_sections(summary: Mapping[str, Any], run_dir: Path | None = None) -> list[str]:
    """Returns the parts of a page that tell the outcome of a run, without its settings.

    Args:
        summary: the content of ``summary.json``.
        run_dir: the run directory, whose learning curves are then shown, too.

    Raises:
        UserError: a file of the run is damaged.
    """
    data = mapping(summary.get("data"))
    used = without_folders(data_used(data)) if data else ""
    record = read_record(run_dir) if run_dir is not None and (run_dir / RECORD).exists() else {}
    recipe = mapping(record.get("recipe"))
    parts = [_head(str(summary.get("experiment")), summary, run_dir), _banner(data), _results(summary, recipe, used)]
    if run_dir is not None:
        lines, steps = read_metrics(run_dir), record.get("steps_per_epoch")
        parts.append(curves_section(lines, read_progress(run_dir), data, used, steps))
    return parts


def _head(name: str, summary: Mapping[str, Any], run_dir: Path | None, running: bool = False) -> str:
    status = "running" if running else summary.get("status", "not ended")
    seconds = summary.get("wall_seconds")
    took = f", {duration(seconds)} ({seconds:.1f} s)" if isinstance(seconds, int | float) and not running else ""
    compiling = summary.get("compile_seconds")
    took += f", {compiling:.1f} s of it compiling" if took and isinstance(compiling, int | float) else ""
    where = f" &middot; {escaped(run_dir)}" if run_dir is not None else ""
    return f'<h1>{escaped(name)}</h1>\n<p class="sub">{escaped(status)}{took}{where}</p>'


def _said_of_it(notes: Notes) -> str:
    """Returns the tags and the note of the user."""
    words = [f"tags: {escaped(', '.join(notes.tags))}"] if notes.tags else []
    words += [f"note: {escaped(notes.note)}"] if notes.note else []
    return f'<p class="sub">{" &middot; ".join(words)}</p>' if words else ""


def _banner(data: Mapping[str, Any]) -> str:
    if not data.get("substituted"):
        return ""
    requested, used = escaped(data.get("requested")), escaped(data.get("used"))
    return f'<p class="banner">Not measured on {requested}: the stand-in {used} was used instead.</p>'


def _trouble(summary: Mapping[str, Any], running: bool) -> str:
    """Says why a run did not come to its end."""
    said = []
    if running:
        said.append("This run is not over: the page shows how far it was when it was written.")
    elif not summary:
        said.append("This run has not ended, and no process is at it: the same command with --run_dir goes on.")
    elif summary.get("status") == "preempted":
        said.append("This run was stopped before its end: the same command with --run_dir goes on.")
    if summary.get("error"):
        said.append(f"It failed: {summary['error']}")
    divergence = mapping(summary.get("divergence"))
    if divergence:
        said.append(
            "It diverged: " + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in divergence.items())
        )
    return "".join(f'<p class="error">{escaped(each)}</p>' for each in said)


def _highlights(summary: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], used: str) -> str:
    """Returns the few numbers that one looks for first."""
    metrics = mapping(summary.get("metrics"))
    shown = [
        (name, figure(value), used) for name, value in metrics.items() if name.startswith("test/") and is_number(value)
    ]
    if not shown and lines:  # before the test, the last values
        latest = {f"{line.get('split')}/{name}": value for line in lines for name, value in line.items()
                  if name not in ("step", "epoch", "split") and is_number(value)}  # fmt: skip
        shown = [(name, figure(value), used or "so far") for name, value in latest.items()]
    facts = [(name.replace("/", " ").replace("_", " "), value, on) for name, value, on in shown[:6]]
    return (
        '<dl class="facts">'
        + "".join(
            f"<div><dt>{escaped(name)}, {escaped(on)}</dt><dd>{escaped(value)}</dd></div>" for name, value, on in facts
        )
        + "</dl>"
        if facts
        else ""
    )


def _formatted(form: str, value: Any) -> str:
    """Returns a figure in readable form; any other value from a damaged file unchanged."""
    try:
        return form.format(value)
    except (ValueError, TypeError):
        return str(value)


def _results(summary: Mapping[str, Any], recipe: Mapping[str, Any], used: str) -> str:
    splits, by_metric = split_metrics(mapping(summary.get("metrics")))
    rows = [
        [name, *(figure(values[split]) if split in values else "" for split in splits), used]
        for name, values in by_metric.items()
    ]
    head = ["metric", *splits, "measured on"]
    measured = wide(table(head, rows, numbers=range(1, len(splits) + 1)), "results") if rows else ""
    facts = {
        label: _formatted(form, summary[key])
        for key, label, form in _SUMMARY_LINES
        if isinstance(summary.get(key), int | float | str)
    }
    best = mapping(summary.get("data")).get("best_loss")
    if isinstance(best, int | float):
        facts["smallest loss that any model can reach"] = figure(best)
    for name, values in baseline_facts(mapping(summary.get("data"))).items():
        facts[f"baseline: {name}"] = values
    return section("Results", measured + _expected(summary, recipe, used) + (f"<p></p>{pairs(facts)}" if facts else ""))


def _expected(summary: Mapping[str, Any], recipe: Mapping[str, Any], used: str) -> str:
    """Returns what the recipe's author expects, beside what was measured where it is of the same data."""
    text = str(recipe.get("expected") or "").replace("``", "")
    if not text:
        return ""
    data, rows = mapping(summary.get("data")), []
    for each, value in [] if data.get("substituted") else compared(text, mapping(summary.get("metrics"))):
        seen = f"{figure(each.least)} to {figure(each.most)}"
        rows.append([f"test {each.metric}", figure(value), figure(each.median), seen, each.verdict(value), used])
    head = ["figure", "this run", "expected (median)", "seen over seeds", "this run is", "measured on"]
    shown = wide(table(head, rows, numbers=range(1, 3)), "against what is expected") if rows else ""
    aside = "From the recipe, of its own data (this run had others)" if data.get("substituted") else "From the recipe"
    changed = recipe.get("changed")
    more = f" This run changed {changed}." if changed else ""
    return f'<p></p>{shown}<p class="note">{aside}: {escaped(text)}{escaped(more)}</p>'


def _pictures(run_dir: Path, used: str) -> str:
    """Shows the predictions that are pictures."""
    path = run_dir / PICTURES
    if not path.is_file():
        return ""
    source = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    return section("Pictures", plotted(titled("test examples", used), f'<img src="{source}" alt="test examples">'))


def _of_metrics(
    metrics: Mapping[str, Any], data: Mapping[str, Any], sections: Mapping[str, MetricSection], plots: bool
) -> list[str]:
    """Returns the sections of the metrics, in the order of the summary."""
    values: dict[str, dict[str, Any]] = {}
    for tag, value in metrics.items():
        split, _, name = tag.partition("/")
        values.setdefault(name, {})[split] = value
    return [_of_metric(name, by_split, data, sections, plots) for name, by_split in values.items()]


def _of_metric(
    name: str,
    by_split: Mapping[str, Any],
    data: Mapping[str, Any],
    sections: Mapping[str, MetricSection],
    plots: bool,
) -> str:
    """Returns the section of a metric, of one of several outputs with its name; empty where it has none."""
    output, _, kind = name.rpartition("/")
    if kind not in sections:
        return ""
    of_output = mapping(data.get("class_names_of")).get(output)
    about = {**data, "class_names": of_output} if of_output else data
    part = sections[kind](by_split, about, plots)
    return _TITLE.sub(lambda found: f"<h2>{found[1]}: {escaped(output)}</h2>", part, count=1) if output else part


def _of_model(
    run_dir: Path,
    summary: Mapping[str, Any],
    data: Mapping[str, Any],
    sections: Mapping[str, MetricSection],
    used: str,
    plots: bool,
) -> list[str]:
    """Returns what was looked at in the trained model, where the run came that far."""
    if not (run_dir / INSPECTION).exists() or summary.get("status") != "completed":
        return [_pictures(run_dir, used)]
    found = read_inspection(run_dir)
    try:
        parts = [*predictions_sections(found, used, plots), *model_sections(found, used, plots)]
        measured = mapping(summary.get("metrics"))
        matrices = []
        for output, each in outputs_of(found):
            name = f"{output}/confusion" if output else "confusion"
            if each.get("confusion") and "confusion" in sections and f"test/{name}" not in measured:
                seen = f"test, {each['looked_at']:,} of {each['of']:,} examples"
                matrices.append(_of_metric(name, {seen: each["confusion"]}, data, sections, plots))
        parts = [*matrices, *parts]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{run_dir / INSPECTION} is damaged ({error}): remove it, and the report is without it."
        ) from error
    return parts if any(each.get("random") for _, each in outputs_of(found)) else [*parts, _pictures(run_dir, used)]
