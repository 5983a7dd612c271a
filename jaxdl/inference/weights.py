"""A model's weights under their names, for a safetensors file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxdl.backend.keys import is_key
from jaxdl.checkpoint.weights import SAFETENSORS, safetensors_file
from jaxdl.errors import UserError
from jaxdl.files.atomic import replace_file
from jaxdl.files.paths import expanded
from jaxdl.inference.manifest import manifest
from jaxdl.inference.predictor import TrainedModel
from jaxdl.steps.averages import averaged


def weights_of(model: TrainedModel) -> dict[str, Any]:
    """Returns the variables by which a model predicts, by collection: their average, where it has one.

    Of a model ``{"params": ..., "batch_stats": ...}``, NumPy arrays; keys of random numbers are left out.
    """
    average = averaged(model.state)
    state = model.state if average is None else average
    kept = jax.tree.map(
        lambda leaf: None if is_key(leaf) else np.asarray(leaf), {"params": state.params, **state.model_state}
    )
    found: dict[str, Any] = kept
    return found


def save_weights(path: str | os.PathLike[str], variables: Mapping[str, Any]) -> None:
    """Writes a model's variables as a safetensors file, for ``--init_from`` or another framework.

    Args:
        path: the file, whose name ends in ``.safetensors``.
        variables: by collection, such as `from_torch` returns them.

    Raises:
        UserError: another ending, the package safetensors is missing, or the file cannot be written.
    """
    path = expanded(path)
    if path.suffix != SAFETENSORS:
        raise UserError(f"{path}: weights are written as {SAFETENSORS}; give a name that ends so.")
    replace_file(path, safetensors_file(variables, {"format": "jaxdl"}))


def weight_files(model: TrainedModel) -> tuple[bytes, str]:
    """Returns a model's weights as a safetensors file, and the JSON that describes it.

    Raises:
        UserError: the package safetensors is missing.
    """
    data = safetensors_file(weights_of(model), {"format": "jaxdl", "experiment": model.experiment.name})
    return data, manifest(model, "safetensors", (), (), {"runs_as": "safetensors.numpy.load_file(path)"})
