"""A recurrent network step by step is the same as over the whole sequence."""

import jax
import numpy as np
import pytest

import jaxdl
from jaxdl.models.stepping import advance, cannot_step, first_states


@pytest.mark.parametrize(("cell", "features"), [("simple", (5,)), ("lstm", (6, 4)), ("gru", (3, 5, 2))])
@pytest.mark.parametrize("embed", [0, 3])
def test_steps_with_carried_states_give_the_outputs_of_the_whole_sequence(cell, features, embed):
    model = jaxdl.RNN(features=features, cell=cell, embed=embed, vocabulary=9, every_step=True, outputs=7)
    random = np.random.RandomState(0)
    inputs = random.randint(0, 9, (2, 8)) if embed else random.normal(size=(2, 8, 3)).astype(np.float32)
    params = jax.jit(model.init)(jax.random.key(0), inputs)["params"]
    whole = jax.jit(model.apply)({"params": params}, inputs)
    states, parts = first_states(model, 2), []
    for start, stop in ((0, 3), (3, 4), (4, 8)):
        outputs, states = advance(model, params, jax.numpy.asarray(inputs[:, start:stop]), states)
        parts.append(outputs)
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (jaxdl.MLP(features=(3,)), "MLP has no state to carry"),
        (jaxdl.RNN(features=(3,)), "no output for every step"),
        (jaxdl.RNN(features=(3,), every_step=True, bidirectional=True), "its layers also run backward"),
        (jaxdl.RNN(features=(4,), every_step=True, attention=2), "attend to all earlier ones"),
        (jaxdl.RNN(features=(3,), every_step=True), None),
    ],
)
def test_why_a_model_cannot_be_run_step_by_step(model, reason):
    found = cannot_step(model)
    assert found is None if reason is None else reason in str(found)
