"""The report of a run: one self-contained HTML page, made only from the files of the run directory."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxdl.errors import UserError
from jaxdl.files.atomic import replace_file
from jaxdl.record import CONFIG, PICTURES, RECORD, REPORT, SUMMARY, read_config, read_metrics, read_record, read_summary
from jaxdl.report.format import baseline_facts, data_used, duration, figure, split_metrics
from jaxdl.report.page import escaped, page, pairs, plotted, section, table, titled

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


def write_report(run_dir: Path, sections: Mapping[str, MetricSection], *, plots: bool = True) -> Path:
    """Writes ``report.html`` into a run directory and returns its path.

    Args:
        run_dir: the run directory.
        sections: what is shown of a metric in addition to its numbers, by the metric's name:
            `jaxdl.objectives.REPORT_SECTIONS`.
        plots: whether to draw plots; without them, the figures are only in tables.

    Raises:
        UserError: there is no run, or a file of it is damaged.
    """
    run_dir = Path(run_dir)
    path = run_dir / REPORT
    replace_file(path, render(run_dir, sections, plots=plots))
    return path


def render(run_dir: Path, sections: Mapping[str, MetricSection], *, plots: bool = True) -> str:
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
    lines = read_metrics(run_dir) if (run_dir / CONFIG).exists() else []
    name = str(summary.get("experiment") or config.get("name") or run_dir.name)
    data = _mapping(summary.get("data"))
    used = data_used(data) if data else ""
    parts = [
        _head(name, summary, run_dir),
        _banner(data),
        _results(summary, used),
        _curves(lines, data, used, record.get("steps_per_epoch")) if plots else "",
        *_of_metrics(_mapping(summary.get("metrics")), data, sections, plots),
        _pictures(run_dir, used),
        section("Data", pairs(_flat(data))),
        section("Configuration", pairs(_flat(config))),
        _record(record),
    ]
    return page(name, parts)


def summary_sections(summary: Mapping[str, Any], run_dir: Path | None = None) -> list[str]:
    """Returns the parts of a page that tell the outcome of a run, without its settings.

    Args:
        summary: the content of ``summary.json``.
        run_dir: the run directory, whose learning curves are then shown, too.

    Raises:
        UserError: a file of the run is damaged.
    """
    data = _mapping(summary.get("data"))
    used = data_used(data) if data else ""
    parts = [_head(str(summary.get("experiment")), summary, run_dir), _banner(data), _results(summary, used)]
    if run_dir is not None:
        record = read_record(run_dir) if (run_dir / RECORD).exists() else {}
        parts.append(_curves(read_metrics(run_dir), data, used, record.get("steps_per_epoch")))
    return parts


def _head(name: str, summary: Mapping[str, Any], run_dir: Path | None) -> str:
    status = summary.get("status", "not ended")
    seconds = summary.get("wall_seconds")
    took = f", {duration(seconds)} ({seconds:.1f} s)" if isinstance(seconds, int | float) else ""
    compiling = summary.get("compile_seconds")
    took += f", {compiling:.1f} s of it compiling" if took and isinstance(compiling, int | float) else ""
    where = f" &middot; {escaped(run_dir)}" if run_dir is not None else ""
    return f'<h1>{escaped(name)}</h1>\n<p class="sub">{escaped(status)}{took}{where}</p>'


def _formatted(form: str, value: Any) -> str:
    """Returns a figure in readable form; any other value from a damaged file unchanged."""
    try:
        return form.format(value)
    except (ValueError, TypeError):
        return str(value)


def _banner(data: Mapping[str, Any]) -> str:
    if not data.get("substituted"):
        return ""
    requested, used = escaped(data.get("requested")), escaped(data.get("used"))
    return f'<p class="banner">Not measured on {requested}: the stand-in {used} was used instead.</p>'


def _results(summary: Mapping[str, Any], used: str) -> str:
    splits, by_metric = split_metrics(_mapping(summary.get("metrics")))
    rows = [
        [name, *(figure(values[split]) if split in values else "" for split in splits), used]
        for name, values in by_metric.items()
    ]
    measured = table(["metric", *splits, "measured on"], rows, numbers=range(1, len(splits) + 1)) if rows else ""
    facts = {
        label: _formatted(form, summary[key])
        for key, label, form in _SUMMARY_LINES
        if isinstance(summary.get(key), int | float | str)
    }
    best = _mapping(summary.get("data")).get("best_loss")
    if isinstance(best, int | float):
        facts["smallest loss that any model can reach"] = figure(best)
    for name, values in baseline_facts(_mapping(summary.get("data"))).items():
        facts[f"baseline: {name}"] = values
    return section("Results", measured + (f"<p></p>{pairs(facts)}" if facts else ""))


def _curves(lines: Sequence[Mapping[str, Any]], data: Mapping[str, Any], used: str, per_epoch: Any) -> str:
    """Draws the curve of each metric of train and validation, the loss first, and of what hooks logged.

    Hooks log in the middle of an epoch, too: `per_epoch` is its number of steps, where the record has it.
    """
    series: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    for line in lines:
        split = str(line.get("split"))
        for name, value in line.items():
            if name in ("step", "epoch", "split") or split == "test" or not isinstance(value, int | float):
                continue
            positions, values = series.setdefault(name, {}).setdefault(split, ([], []))
            within = split == "hooks" and isinstance(per_epoch, int) and per_epoch and isinstance(line.get("step"), int)
            positions.append(line["step"] / per_epoch if within else line.get("epoch", 0))
            values.append(value)
    if not series:
        return ""
    from jaxdl.report.plots import learning_curve

    best = data.get("best_loss")
    plots = []
    for name in sorted(series, key=lambda name: (name != "loss", name)):
        reference = ("best possible", float(best)) if name == "loss" and isinstance(best, int | float) else None
        title = titled(name, used)
        plots.append(plotted(title, learning_curve(title, series[name], reference=reference)))
    return section("Learning curves", f'<div class="plots">{"".join(plots)}</div>')


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
    parts = []
    for name, by_split in values.items():
        output, _, kind = name.rpartition("/")
        if kind in sections:
            of_output = _mapping(data.get("class_names_of")).get(output)
            about = {**data, "class_names": of_output} if of_output else data
            parts.append(sections[kind](by_split, about, plots))
    return parts


def _record(record: Mapping[str, Any]) -> str:
    if not record:
        return ""
    git = _mapping(record.get("git"))
    shown = {key: value for key, value in record.items() if key not in ("git", "command")}
    shown |= {f"git.{key}": value for key, value in git.items() if key != "diff"}
    command = " ".join(map(str, record.get("command") or ()))
    parts = [f"<pre>{escaped(command)}</pre>" if command else "", pairs(_flat(shown))]
    if git.get("diff"):
        parts.append(f"<details><summary>git diff</summary><pre>{escaped(git['diff'])}</pre></details>")
    return section("Record", "".join(parts))


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns a tree of mappings with dotted paths as keys; a part's type is under the part's own name."""
    flat: dict[str, Any] = {}
    for key, item in value.items():
        path = f"{prefix}{key}"
        if isinstance(item, Mapping):
            flat |= _flat(item, path + ".")
        else:
            flat[prefix.rstrip(".") if key == "type" and prefix else path] = item
    return flat


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
