"""The predict function as a file that needs no jaxdl."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from jaxdl.errors import UserError
from jaxdl.inference.predictor import TrainedModel
from jaxdl.objectives import broadcast_mask

if TYPE_CHECKING:
    from jax.export import Exported

_PLATFORMS = ("cpu", "cuda", "tpu")


def export_program(model: TrainedModel) -> bytes:
    """Returns the predict function with its parameters as a serialised `jax.export` program (StableHLO).

    It takes inputs (batch, *spec.input_shape) of dtype spec.input_dtype, for any batch, and needs no jaxdl to run:
    ``jax.export.deserialize(data).call(inputs)``. If the data of the training had lengths (`spec.lengths`), it takes
    lengths (batch,) int32 as a second argument, and sequences of any number of steps (`exported` says where not); the
    predictions of an example with a length that is not from 0 to the number of steps are NaN. It is lowered for the
    CPU, CUDA and TPU, and returns what `TrainedModel.predict` does.

    Raises:
        UserError: the package that JAX needs to serialise programs is not installed.
    """
    return bytes(exported(model).serialize())


def exported(model: TrainedModel) -> Exported:
    """Returns the program that `export_program` serialises, with symbolic sizes ``batch`` and ``time``.

    ``time`` is a symbol where there are lengths and the model takes sequences of any number of steps: not for sounds,
    since JAX's Fourier transform needs a fixed size, nor for trees, nor for a model of the user's own whose program
    depends on the number of steps.

    Raises:
        UserError: as `export_program`.
    """
    if importlib.util.find_spec("flatbuffers") is None:
        raise UserError("exporting needs one more package: pip install flatbuffers.")
    spec = model.spec
    if spec.lengths and spec.preprocess.mel is None and spec.trees is None:
        try:
            return _lowered(model, "batch, time")
        except Exception:  # JAX has many errors for sizes that must be known; one of another cause comes again below
            return _lowered(model, "batch")
    return _lowered(model, "batch")


def _lowered(model: TrainedModel, sizes: str) -> Exported:
    from jax import export

    symbols = export.symbolic_shape(sizes)  # in one call: sizes of two calls cannot meet in a program
    shape = (*symbols, *model.spec.input_shape[len(symbols) - 1 :])
    inputs = jax.ShapeDtypeStruct(shape, jax.dtypes.canonicalize_dtype(model.spec.input_dtype))
    lengths = jax.ShapeDtypeStruct(symbols[:1], jnp.int32)

    def predict(inputs: jax.Array) -> jax.Array:
        return _at_root(model, model.steps.predict_step(model.state, {"inputs": inputs}), None)

    def predict_valid(inputs: jax.Array, lengths: jax.Array) -> jax.Array:
        predictions = model.steps.predict_step(model.state, {"inputs": inputs, "lengths": lengths})
        predictions = _at_root(model, predictions, lengths)
        possible = (lengths >= 0) & (lengths <= inputs.shape[1])
        return jnp.where(broadcast_mask(possible, predictions.shape), predictions, jnp.nan)

    lower = export.export(jax.jit(predict_valid if model.spec.lengths else predict), platforms=_PLATFORMS)
    return lower(inputs, lengths) if model.spec.lengths else lower(inputs)


def _at_root(model: TrainedModel, predictions: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """Returns what is predicted for each example: of trees with a prediction for each node, those of their roots."""
    if model.spec.trees is None or not model.spec.target_shape:
        return predictions
    if lengths is None:
        return predictions[:, -1]
    root = jnp.clip(lengths - 1, 0, predictions.shape[1] - 1).reshape(-1, 1, *[1] * (predictions.ndim - 2))
    return jnp.take_along_axis(predictions, root, 1)[:, 0]
