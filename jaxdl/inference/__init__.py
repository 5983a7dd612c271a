"""What can be done with a finished run: evaluate it again, predict with it, export it."""

from __future__ import annotations

from jaxdl.inference.evaluation import evaluate
from jaxdl.inference.export import export_program
from jaxdl.inference.inputs import read_examples, read_spec
from jaxdl.inference.named import named_csv
from jaxdl.inference.pictures import Picture, has_pictures, pictures
from jaxdl.inference.predictions import counted_steps, predictions_csv
from jaxdl.inference.predictor import TrainedModel, load_run

__all__ = [
    "Picture",
    "TrainedModel",
    "counted_steps",
    "evaluate",
    "export_program",
    "has_pictures",
    "load_run",
    "named_csv",
    "pictures",
    "predictions_csv",
    "read_examples",
    "read_spec",
]
