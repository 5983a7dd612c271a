"""A model that was trained for a moment, and what the report would show of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jaxdl
from jaxdl.inference.inspection.inspect import inspect_model

QUICK = jaxdl.Training(epochs=1, batch_size=64)


def trained(path: Path, recipe: jaxdl.Experiment) -> tuple[jaxdl.TrainedModel, Any, dict[str, Any]]:
    """Trains a recipe; returns its model, its data, and what is seen in it."""
    jaxdl.train(recipe, run_dir=path / "run", data_dir=path, notify=None)
    model, dataset = jaxdl.load_run(path / "run", recipe), recipe.data.load(path, lambda line: None)
    return model, dataset, inspect_model(model.experiment, dataset, model.state).found
