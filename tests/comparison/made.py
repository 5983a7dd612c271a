"""Run directories as files, without a training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jaxdl
from jaxdl.comparison.tables import write

CONFIG = {
    "name": "digits",
    "data": {"type": "digits", "validation": 0.2},
    "model": {"type": "mlp", "features": [8, 8], "dropout": 0.0},
    "optimizer": {"type": "adam", "learning_rate": 0.001, "schedule": {"type": "constant"}},
    "training": {"epochs": 2},
    "checkpoint": {"every": "30s"},
    "seed": 0,
}


def made(
    path: Path,
    *,
    accuracy: float = 0.9,
    status: str | None = "completed",
    seed: int = 0,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
    curve: tuple[float, ...] = (),
    data: Mapping[str, Any] | None = None,
    name: str = "digits",
) -> Path:
    """Writes a run directory; `changes` are of the parts of its config; without a status it has no summary."""
    path.mkdir(parents=True)
    config: dict[str, Any] = json.loads(json.dumps(CONFIG)) | {"seed": seed, "name": name}
    for part, values in (changes or {}).items():
        config[part] |= values
    (path / "config.json").write_text(json.dumps(config))
    lines = [
        {"step": 10 * epoch, "epoch": epoch, "split": "validation", "accuracy": value, "loss": 1 - value}
        for epoch, value in enumerate(curve, 1)
    ]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if status is not None:
        summary = {
            "experiment": name,
            "status": status,
            "epoch": 2,
            "step": 20,
            "wall_seconds": 61.0,
            "metrics": {"validation/accuracy": accuracy - 0.1, "test/accuracy": accuracy, "test/loss": "nan"},
            "data": data or {"requested": "digits", "used": "digits", "substituted": False},
        }
        (path / "summary.json").write_text(json.dumps(summary))
    return path


def made_page(folder: Path) -> Path:
    """Writes the page that compares three recipes with two seeds each, and returns its path."""
    for number, rate in enumerate((0.1, 0.01, 0.001)):
        for seed in range(2):
            curve = tuple(0.5 + 0.1 * number + 0.01 * seed + 0.01 * epoch for epoch in range(12))
            changes = {"optimizer": {"learning_rate": rate}}
            made(folder / f"runs/{number}-{seed}", accuracy=curve[-1], seed=seed, curve=curve, changes=changes)
    write(jaxdl.compare(folder / "runs"), folder / "page.html")
    return folder / "page.html"
