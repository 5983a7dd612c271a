"""What a compiled program says of its operations."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdl.profiling.program import Operation, operations_of

PROGRAM = """
HloModule jit_run_train_steps

%fused_computation (param_0: f32[8,4], param_1: f32[8,8]) -> f32[4,8] {
  %dot.1 = f32[8,4]{1,0} dot(%param_1, %param_0), metadata={op_name="jit(run)/transpose(jvp(CNN))/dense_1/dot_general"}
  ROOT %add.2 = f32[4,8]{1,0} add(%dot.1, %dot.1), metadata={op_name="jit(run)/transpose(jvp(CNN))/dense_1/add"}
}

ENTRY %main.9 (state: f32[8,4], inputs: f32[8,8]) -> f32[4,8] {
  %while.3 = f32[8,4]{1,0} while(%state), condition=%cond, body=%body
  %threefry.4 = u32[8]{0} custom-call(%state), metadata={op_name="jit(run)/threefry2x32"}
  ROOT %fusion.5 = f32[4,8]{1,0} fusion(%while.3, %inputs), kind=kOutput, calls=%fused_computation
}
"""


def test_a_fusion_is_that_of_its_product_and_its_result() -> None:
    found = operations_of(PROGRAM)
    assert found["fusion.5"] == Operation("dot fusion", "dense_1", True, "add")
    assert found["dot.1"] == Operation("dot", "dense_1", True, "dot_general")
    assert found["threefry.4"] == Operation("custom-call", "random numbers", False, "threefry2x32")
    assert found["while.3"].is_container and not found["fusion.5"].is_container


def test_a_compiled_program_tells_what_its_operations_are() -> None:
    class Named(nn.Module):
        @nn.compact
        def __call__(self, inputs: jax.Array) -> jax.Array:
            return nn.Dense(4, name="first")(inputs)

    def loss(params: Any, inputs: jax.Array) -> jax.Array:
        return (jnp.asarray(Named().apply({"params": params}, inputs)) ** 2).mean()

    inputs = jnp.ones((8, 8))
    params = Named().init(jax.random.key(0), inputs)["params"]
    text = jax.jit(jax.grad(loss)).lower(params, inputs).compile().as_text()
    products = [found for found in operations_of(text).values() if "dot" in found.kind]
    assert {(found.layer, found.backward) for found in products} == {("first", False), ("first", True)}
