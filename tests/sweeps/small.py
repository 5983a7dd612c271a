"""A sweep of six short trials, one after another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jaxdl
from tests.experiments.twins import twin

RECIPE = jaxdl.replace(twin("digits_mlp"), {"training.epochs": 2, "training.watch": "validation/accuracy"})
SPACE = {"learning_rate": [1e-3, 1e-2], "seed": range(3)}


def sweep(sweep_dir: Path, space: Any = SPACE, **given: Any) -> jaxdl.SweepResults:
    # Side by side, which is chosen by measurement, would change the last bits.
    given.setdefault("execution", jaxdl.Execution(batch="off"))
    return jaxdl.sweep(given.pop("recipe", RECIPE), space, sweep_dir=sweep_dir, notify=lambda text: None, **given)
