"""What can be done with a finished run: evaluate it again, predict with it, export it."""

from __future__ import annotations

from jaxdl.inference.card import model_card
from jaxdl.inference.evaluation import evaluate
from jaxdl.inference.export import export_program
from jaxdl.inference.exporting import check_output, write_exported
from jaxdl.inference.inputs import read_examples, read_spec
from jaxdl.inference.keras_weights import from_keras
from jaxdl.inference.named import named_csv
from jaxdl.inference.pictures import Picture, has_pictures, pictures
from jaxdl.inference.predictions import counted_steps, predictions_csv, predictions_table
from jaxdl.inference.predictor import TrainedModel, load_run
from jaxdl.inference.programs import Program, load_program
from jaxdl.inference.torch_weights import from_torch
from jaxdl.inference.weights import save_weights

__all__ = [
    "Picture",
    "Program",
    "TrainedModel",
    "check_output",
    "counted_steps",
    "evaluate",
    "export_program",
    "from_keras",
    "from_torch",
    "has_pictures",
    "load_program",
    "load_run",
    "model_card",
    "named_csv",
    "pictures",
    "predictions_csv",
    "predictions_table",
    "read_examples",
    "read_spec",
    "save_weights",
    "write_exported",
]
