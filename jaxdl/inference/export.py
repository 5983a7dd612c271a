"""The predict function as a file that needs no jaxdl."""

from __future__ import annotations

import functools
import importlib.util
from typing import Any

import jax
import jax.numpy as jnp

from jaxdl.data.named import full_name
from jaxdl.errors import UserError
from jaxdl.inference.predictor import TrainedModel
from jaxdl.objectives import broadcast_mask

_PLATFORMS = ("cpu", "cuda", "tpu")


def export_program(model: TrainedModel) -> bytes:
    """Returns the predict function with its parameters as a serialised `jax.export` program (StableHLO).

    It takes inputs (batch, *spec.input_shape) of dtype spec.input_dtype, for any batch, and needs no jaxdl to run:
    ``jax.export.deserialize(data).call(inputs)``. If the data of the training had lengths (`spec.lengths`), it takes
    lengths (batch,) int32 as a second argument; the predictions of an example with a length that is not from 0 to the
    number of steps are NaN. Several inputs are one dictionary, of ``inputs/NAME`` and ``lengths/NAME``, and several
    outputs are a dictionary by their names. It is lowered for the CPU, CUDA and TPU.

    Raises:
        UserError: the package that JAX needs to serialise programs is not installed.
    """
    if importlib.util.find_spec("flatbuffers") is None:
        raise UserError("exporting needs one more package: pip install flatbuffers.")
    from jax import export

    (batch,) = export.symbolic_shape("batch")
    inputs = model.spec.inputs or (("", model.spec),)
    given = {
        full_name("inputs", name): jax.ShapeDtypeStruct((batch, *each.input_shape), jnp.dtype(each.input_dtype))
        for name, each in inputs
    }
    steps = {full_name("lengths", name): each.input_shape[0] for name, each in inputs if each.lengths}
    given |= {name: jax.ShapeDtypeStruct((batch,), jnp.int32) for name in steps}

    def predict(batch: dict[str, jax.Array]) -> Any:
        predictions = model.steps.predict_step(model.state, batch)
        for name, most in steps.items():
            possible = (batch[name] >= 0) & (batch[name] <= most)
            predictions = jax.tree.map(functools.partial(_where, possible), predictions)
        return predictions

    if model.spec.inputs:
        return bytes(export.export(jax.jit(predict), platforms=_PLATFORMS)(given).serialize())
    single = jax.jit(lambda *arrays: predict(dict(zip(given, arrays, strict=True))))
    return bytes(export.export(single, platforms=_PLATFORMS)(*given.values()).serialize())


def _where(possible: jax.Array, predictions: jax.Array) -> jax.Array:
    """Returns the predictions of examples whose lengths are possible, and NaN for others."""
    return jnp.where(broadcast_mask(possible, predictions.shape), predictions, jnp.nan)
