"""The predict function as a file that needs no jaxdl."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from jaxdl.data.named import full_name
from jaxdl.errors import check_installed
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
    predictions of an example with a length that is not from 0 to the number of steps are NaN. Several inputs are one
    dictionary, of ``inputs/NAME`` and ``lengths/NAME``, and several outputs are a dictionary by their names. It is
    lowered for the CPU, CUDA and TPU, and returns what `TrainedModel.predict` does.

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
    check_installed(["flatbuffers"], "export", "exporting")
    spec = model.spec
    if spec.lengths and not spec.inputs and spec.preprocess.mel is None and spec.trees is None:
        try:
            return _lowered(model, "batch, time")
        except Exception:  # JAX has many errors for sizes that must be known; one of another cause comes again below
            return _lowered(model, "batch")
    return _lowered(model, "batch")


def _lowered(model: TrainedModel, sizes: str) -> Exported:
    from jax import export

    symbols = export.symbolic_shape(sizes)  # in one call: sizes of two calls cannot meet in a program
    given, steps = {}, {}
    for name, spec in model.spec.inputs or (("", model.spec),):
        shape = (*symbols, *spec.input_shape[len(symbols) - 1 :])
        dtype = jax.dtypes.canonicalize_dtype(spec.input_dtype)
        given[full_name("inputs", name)] = jax.ShapeDtypeStruct(shape, dtype)
        if spec.lengths:
            steps[full_name("lengths", name)] = full_name("inputs", name)
    given |= {name: jax.ShapeDtypeStruct(symbols[:1], jnp.int32) for name in steps}

    def predict(batch: dict[str, jax.Array]) -> Any:
        predictions = model.steps.predict_step(model.state, batch)
        predictions = _at_root(model, predictions, batch.get("lengths"))
        for lengths, inputs in steps.items():
            possible = (batch[lengths] >= 0) & (batch[lengths] <= batch[inputs].shape[1])
            predictions = jax.tree.map(functools.partial(_where, possible), predictions)
        return predictions

    if model.spec.inputs:
        return export.export(jax.jit(predict), platforms=_PLATFORMS)(given)
    single = jax.jit(lambda *arrays: predict(dict(zip(given, arrays, strict=True))))
    return export.export(single, platforms=_PLATFORMS)(*given.values())


def _at_root(model: TrainedModel, predictions: Any, lengths: jax.Array | None) -> Any:
    """Returns what is predicted for each example: of trees with a prediction for each node, those of their roots."""
    if model.spec.trees is None or not model.spec.target_shape or model.spec.inputs:
        return predictions
    if lengths is None:
        return predictions[:, -1]
    root = jnp.clip(lengths - 1, 0, predictions.shape[1] - 1).reshape(-1, 1, *[1] * (predictions.ndim - 2))
    return jnp.take_along_axis(predictions, root, 1)[:, 0]


def _where(possible: jax.Array, predictions: jax.Array) -> jax.Array:
    """Returns the predictions of examples whose lengths are possible, and NaN for others."""
    return jnp.where(broadcast_mask(possible, predictions.shape), predictions, jnp.nan)
