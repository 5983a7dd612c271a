"""What weights add to the loss, and that it is a number of the program."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import jaxdl
from jaxdl.steps.functions import hyperparameters, make_loss_and_gradients
from jaxdl.steps.penalty import penalty
from tests.steps.test_functions import SPEC, batch, experiment


@pytest.mark.parametrize("accumulate", [1, 4])
def test_loss_and_gradients_have_what_the_weights_add(accumulate: int) -> None:
    plain = experiment(model=jaxdl.MLP(features=(6,)), training=jaxdl.Training(batch_size=24, accumulate=accumulate))
    l1, l2 = 0.25, 0.5
    penalised = jaxdl.replace(plain, {"training.l1": l1, "training.l2": l2})
    assert {"training.l1", "training.l2"} == hyperparameters(penalised).keys() - hyperparameters(plain).keys()
    data: Any = batch(24)
    state = jaxdl.make_steps(plain, SPEC, 10).init_state(0)

    def found(recipe: jaxdl.Experiment) -> Any:
        return make_loss_and_gradients(recipe, SPEC, 10)(state, data, hyperparameters(recipe))

    (loss, gradients), (more, with_more) = found(plain), found(penalised)
    kernels = [np.asarray(layer["kernel"], np.float64) for layer in state.params.values()]
    expected = sum(l1 * np.abs(kernel).sum() + l2 * (kernel**2).sum() for kernel in kernels)
    assert float(more - loss) == pytest.approx(expected, rel=1e-4)
    for name, layer in state.params.items():
        kernel = np.asarray(layer["kernel"])
        difference = np.asarray(with_more[name]["kernel"] - gradients[name]["kernel"])
        np.testing.assert_allclose(difference, l1 * np.sign(kernel) + 2 * l2 * kernel, rtol=1e-3, atol=1e-5)
        np.testing.assert_array_equal(with_more[name]["bias"], gradients[name]["bias"])


def test_without_it_nothing_is_in_the_program() -> None:
    assert penalty(jaxdl.Training(), {"dense": {"kernel": jax.numpy.ones((2, 2))}}) is None
