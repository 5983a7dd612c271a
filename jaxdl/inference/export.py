"""The predict function as a file that needs no jaxdl."""

from __future__ import annotations

import importlib.util

import jax
import jax.numpy as jnp

from jaxdl.errors import UserError
from jaxdl.inference.predictor import TrainedModel
from jaxdl.objectives import broadcast_mask

_PLATFORMS = ("cpu", "cuda", "tpu")


def export_program(model: TrainedModel) -> bytes:
    """Returns the predict function with its parameters as a serialised `jax.export` program (StableHLO).

    It takes inputs (batch, *spec.input_shape) of dtype spec.input_dtype, for any batch, and needs no jaxdl to run:
    ``jax.export.deserialize(data).call(inputs)``. If the data of the training had lengths (`spec.lengths`), it takes
    lengths (batch,) int32 as a second argument; the predictions of an example with a length that is not from 0 to the
    number of steps are NaN. It is lowered for the CPU, CUDA and TPU.

    Raises:
        UserError: the package that JAX needs to serialise programs is not installed.
    """
    if importlib.util.find_spec("flatbuffers") is None:
        raise UserError("exporting needs one more package: pip install flatbuffers.")
    from jax import export

    def predict(inputs: jax.Array) -> jax.Array:
        return model.steps.predict_step(model.state, {"inputs": inputs})

    def predict_valid(inputs: jax.Array, lengths: jax.Array) -> jax.Array:
        predictions = model.steps.predict_step(model.state, {"inputs": inputs, "lengths": lengths})
        possible = (lengths >= 0) & (lengths <= model.spec.input_shape[0])
        return jnp.where(broadcast_mask(possible, predictions.shape), predictions, jnp.nan)

    (batch,) = export.symbolic_shape("batch")
    inputs = jax.ShapeDtypeStruct((batch, *model.spec.input_shape), jnp.dtype(model.spec.input_dtype))
    lengths = jax.ShapeDtypeStruct((batch,), jnp.int32)
    exported = export.export(jax.jit(predict_valid if model.spec.lengths else predict), platforms=_PLATFORMS)
    return bytes(exported(*((inputs, lengths) if model.spec.lengths else (inputs,))).serialize())
