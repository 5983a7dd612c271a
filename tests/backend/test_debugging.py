"""The line of a user's model at which an error happened."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.backend.debugging import not_a_number, users_line
from jaxdl.errors import UserError
from tests.small import blobs

RECIPE = jaxdl.Experiment(
    name="debugged",
    data=jaxdl.Digits(),
    model=jaxdl.MLP(features=()),
    objective=jaxdl.SoftmaxCrossEntropy(),
    optimizer=jaxdl.SGD(),
)


class OfNegatives(nn.Module):
    """Takes the logarithm of negative numbers, in training alone."""

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        hidden = nn.Dense(3)(inputs.reshape(len(inputs), -1))
        return jnp.log(hidden - 1_000) if train else hidden


class OfZeros(nn.Module):
    """Takes the root of zero, whose gradient is infinite; times zero it is not a number."""

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        hidden = nn.Dense(3)(inputs.reshape(len(inputs), -1))
        return jnp.sqrt(0 * hidden)


def error_of_a_step(model: nn.Module) -> FloatingPointError:
    recipe = jaxdl.replace(RECIPE, {"model": model})
    steps = jaxdl.make_steps(recipe, blobs().spec, 10)
    with jax.disable_jit(), jax.debug_nans(True), pytest.raises(FloatingPointError) as found:
        steps.train_step(steps.init_state(0), blobs().splits["train"], jaxdl.hyperparameters(recipe))
    return found.value


@pytest.mark.slow
def test_the_line_of_the_model_that_makes_nan_is_named() -> None:
    said = not_a_number(error_of_a_step(OfNegatives()))
    assert said.startswith(f"invalid value (nan) encountered in log at {__file__}:")
    assert said.endswith("in __call__: return jnp.log(hidden - 1_000) if train else hidden")


@pytest.mark.slow
def test_for_nan_in_a_gradient_the_line_of_the_operation_is_named() -> None:
    said = not_a_number(error_of_a_step(OfZeros()))
    assert f"in the gradient of the operation at {__file__}:" in said
    assert said.endswith("in __call__: return jnp.sqrt(0 * hidden)")


@pytest.mark.slow
def test_without_a_users_model_it_is_the_line_of_jaxdl() -> None:
    steps = jaxdl.make_steps(RECIPE, blobs().spec, 10)
    batch = {"inputs": jnp.full((2, 4, 4, 1), jnp.nan), "targets": jnp.zeros(2, jnp.int32)}
    with jax.disable_jit(), jax.debug_nans(True), pytest.raises(FloatingPointError) as found:
        steps.predict_step(steps.init_state(0), batch)
    assert users_line(found.value) is None
    assert str(Path("jaxdl")) in not_a_number(found.value)


def test_a_model_that_does_not_fit_the_data_is_named_with_its_line() -> None:
    class Unfit(nn.Module):
        @nn.compact
        def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
            return jnp.broadcast_to(inputs, (2, 7))

    with pytest.raises(UserError, match=r"does not fit the data: .*\(at .*broadcast_to\(inputs, \(2, 7\)\)\)"):
        jaxdl.Trainer(jaxdl.replace(RECIPE, {"model": Unfit()}), blobs()).compile()
