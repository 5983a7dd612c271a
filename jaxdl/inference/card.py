"""A model card: what an exported model is, from the record of its run (Mitchell et al. 2019, arXiv:1810.03993)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jaxdl.record import SUMMARY, read_config, read_record, read_summary

_MOST_CLASSES = 50


def model_card(run_dir: Path, file: str, description: str) -> str:
    """Returns the card as Markdown; it says only what the run directory and the description say.

    Args:
        run_dir: of the run.
        file: name of the exported file.
        description: the JSON that lies beside it.

    Raises:
        UserError: the run directory is damaged.
    """
    config, record, export = read_config(run_dir), read_record(run_dir), json.loads(description)
    summary = read_summary(run_dir) if (run_dir / SUMMARY).exists() else {}
    sections = [
        ("Use", _use(export)),
        ("Data", _data(summary.get("data") or {})),
        ("Figures", _figures(summary.get("metrics") or {})),
        ("Training", _training(config, record, summary)),
        ("Limits", _limits(summary, record)),
    ]
    text = "\n".join(f"## {title}\n\n{body}\n" for title, body in sections if body)
    return f"# {export['experiment']}: {file}\n\n{text}"


def _use(export: Mapping[str, Any]) -> str:
    lines = [f"Format {export['format']}: `{export['runs_as']}`", ""]
    arrays = [("input", each) for each in export["inputs"]] + [("output", each) for each in export["outputs"]]
    if arrays:
        rows = [(kind, each["name"], each["dtype"], _shape(each["shape"]), each["meaning"]) for kind, each in arrays]
        lines += [_table(("", "name", "dtype", "shape", "meaning"), rows), ""]
    names = export["class_names"]
    if names:
        more = f" and {len(names) - _MOST_CLASSES:,} more" if len(names) > _MOST_CLASSES else ""
        lines.append(f"{len(names):,} classes: {', '.join(map(_escaped, names[:_MOST_CLASSES]))}{more}")
    return "\n".join(lines).rstrip()


def _data(data: Mapping[str, Any]) -> str:
    if not data:
        return ""
    used = f"{_escaped(str(data.get('used')))}"
    if data.get("substituted"):
        used += f", **which took the place of {_escaped(str(data.get('requested')))}**"
    counts = ", ".join(
        f"{data[f'{split}_examples']:,} examples of {split}"
        for split in ("train", "test")
        if isinstance(data.get(f"{split}_examples"), int)
    )
    return f"{used}. {counts}.\n\nFingerprint `{data.get('fingerprint')}`."


def _figures(metrics: Mapping[str, Any]) -> str:
    rows = [(name, f"{value:.4g}") for name, value in sorted(metrics.items()) if isinstance(value, int | float)]
    return _table(("figure", "value"), rows) if rows else ""


def _training(config: Mapping[str, Any], record: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    git = record.get("git") or {}
    facts = {
        "steps": summary.get("step"),
        "epochs": summary.get("epoch"),
        "parameters": summary.get("parameters"),
        "params_sha256": summary.get("params_sha256"),
        "seed": config.get("seed"),
        "commit": git.get("commit") and f"{git['commit']}{' (with changes)' if git.get('dirty') else ''}",
        "wall seconds": summary.get("wall_seconds"),
    }
    versions = record.get("versions") or {}
    facts |= {name: versions[name] for name in ("jax", "jaxdl", "python") if versions.get(name)}
    rows = [(name, f"{value:,.0f}" if isinstance(value, float) else value) for name, value in facts.items() if value]
    recipe = json.dumps(config, indent=2, ensure_ascii=False, default=str)
    return f"{_table(('fact', 'value'), rows)}\n\nThe recipe:\n\n```json\n{recipe}\n```"


def _limits(summary: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    lines = ["The figures hold for data like the test split; nothing here says how the model does on others."]
    if (summary.get("data") or {}).get("substituted"):
        lines.append("It was trained on a stand-in for its data set.")
    if summary and summary.get("status") != "completed":
        lines.append(f"The training did not end by itself: its status is {summary.get('status')}.")
    if not summary:
        lines.append("The training has not ended: there are no figures yet.")
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *([_escaped(str(cell)) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _shape(sizes: Iterable[Any]) -> str:
    return f"({', '.join(map(str, sizes))})"


def _escaped(text: str) -> str:
    """Returns a text that Markdown shows as it is, in one line."""
    kept = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>#|" else letter for letter in kept)
