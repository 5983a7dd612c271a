"""What training, evaluation and prediction share."""

from __future__ import annotations

import jax.numpy as jnp
import pytest

from jaxdl.errors import UserError
from jaxdl.steps.forward import Forward
from tests.steps.test_functions import SPEC, experiment


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_numbers_are_computed_in_the_precision_and_ids_stay(precision: str) -> None:
    forward = Forward(experiment(**{"training.precision": precision}).for_spec(SPEC), SPEC, None)
    assert forward.in_precision(jnp.zeros(3)).dtype == precision
    assert forward.in_precision(jnp.zeros(3, jnp.int32)).dtype == jnp.int32
    params = {"kernel": jnp.zeros(2), "own": jnp.zeros(2, jnp.float8_e4m3fn)}
    variables = forward.variables(params, {"batch_stats": {"mean": jnp.zeros(2)}})
    assert variables["params"]["kernel"].dtype == precision
    assert variables["params"]["own"].dtype == jnp.float8_e4m3fn  # as the model itself stores it
    assert variables["batch_stats"]["mean"].dtype == jnp.float32


def test_fewer_outputs_than_classes_are_refused() -> None:
    forward = Forward(experiment().for_spec(SPEC), SPEC, None)
    forward.check_outputs(jnp.zeros((2, 3)))
    with pytest.raises(UserError, match="2 outputs, but these data have 3 classes"):
        forward.check_outputs(jnp.zeros((2, 2)))
