"""What a finished run is for: evaluate it again, predict with it, export it."""

from __future__ import annotations

from jaxdl.inference.evaluation import evaluate
from jaxdl.inference.predictor import (
    TrainedModel,
    export_program,
    load_run,
    predictions_csv,
    read_inputs,
    read_spec,
)

__all__ = [
    "TrainedModel",
    "evaluate",
    "export_program",
    "load_run",
    "predictions_csv",
    "read_inputs",
    "read_spec",
]
