"""Evaluates a finished run again, from its run directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.inference.predictor import load_run
from jaxdl.record import read_record
from jaxdl.training.cache import load_data
from jaxdl.training.epoch import Metrics
from jaxdl.training.loop import Trainer
from jaxdl.training.run import shortened
from jaxdl.training.session import data_summary


def evaluate(
    run_dir: Path, experiment: Experiment, data_dir: Path, notify: Callable[[str], None] = print
) -> dict[str, Any]:
    """Evaluates a run's final state on validation and test.

    Returns:
        As the run's summary: ``experiment``, ``metrics`` by ``SPLIT/NAME``, ``data``, ``parameters``.

    Raises:
        UserError: as `load_run`, or the data cannot be had or has other shapes.
    """
    model = load_run(run_dir, experiment)
    dataset = load_data(shortened(experiment), data_dir, notify)
    if dataset.spec != model.spec:
        raise UserError(
            f"{run_dir} was trained on examples of shape {model.spec.input_shape}, but {dataset.used} has "
            f"{dataset.spec.input_shape} or other classes; give the --data and --data_dir of the training."
        )
    if dataset.fingerprint != read_record(run_dir).get("data_fingerprint"):
        notify(f"These are not the data that {run_dir} was trained on: {dataset.used} has another fingerprint.")
    trainer = Trainer(model.experiment, dataset)
    figures: Metrics = {}
    for split in ("validation", "test"):
        if trainer.data.size(split):
            figures |= {f"{split}/{name}": value for name, value in trainer.evaluate(model.state, split).items()}
    return {
        "experiment": experiment.name,
        "status": "evaluated",
        "step": int(model.state.step),
        "metrics": figures,
        "data": data_summary(dataset, model.experiment),
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(model.state.params)),
    }
