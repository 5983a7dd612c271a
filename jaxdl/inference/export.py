"""The predict function as a file that needs no jaxdl."""

from __future__ import annotations

import importlib.util

import jax
import jax.numpy as jnp

from jaxdl.errors import UserError
from jaxdl.inference.predictor import TrainedModel


def export_program(model: TrainedModel) -> bytes:
    """Returns the predict function with its parameters as a serialised `jax.export` program (StableHLO).

    It takes inputs (batch, *spec.input_shape) of dtype spec.input_dtype, for any batch, and needs no jaxdl to run:
    ``jax.export.deserialize(data).call(inputs)``. It is lowered for the CPU, CUDA and TPU.

    Raises:
        UserError: the extra that JAX needs to serialise programs is not installed.
    """
    if importlib.util.find_spec("flatbuffers") is None:
        raise UserError("exporting needs one more package: pip install -c constraints.txt -e '.[export]'.")
    from jax import export

    def predict(inputs: jax.Array) -> jax.Array:
        return model.steps.predict_step(model.state, {"inputs": inputs})

    (batch,) = export.symbolic_shape("batch")
    shape = jax.ShapeDtypeStruct((batch, *model.spec.input_shape), jnp.dtype(model.spec.input_dtype))
    return bytes(export.export(jax.jit(predict), platforms=("cpu", "cuda", "tpu"))(shape).serialize())
