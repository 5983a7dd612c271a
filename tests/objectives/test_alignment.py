"""CTC against PyTorch, and what padding of outputs and answers does to it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.objectives import ctc
from jaxdl.objectives.alignment import ended, only_blank_beyond

LOGITS = np.random.RandomState(0).normal(size=(3, 6, 4)).astype(np.float32)
LABELS = np.array([[0, 1, 1], [2, 0, 0], [1, 2, 0]])
LENGTHS, ANSWERS = np.array([6, 4, 5]), np.array([3, 1, 2])


def losses(logits: jax.Array) -> jax.Array:
    return ctc(only_blank_beyond(logits, jnp.asarray(LENGTHS)), ended(jnp.asarray(LABELS), jnp.asarray(ANSWERS)))


def test_ctc_and_its_gradient_are_those_of_pytorch() -> None:
    # torch 2: ctc_loss(log_softmax(LOGITS), LABELS, LENGTHS, ANSWERS, blank=3, reduction="none"), and of its sum the
    # gradient by LOGITS: the sums of its sizes, and a column of it.
    found, gradient = jax.jit(lambda x: (losses(x), jax.grad(lambda x: losses(x).sum())(x)))(LOGITS)
    np.testing.assert_allclose(found, [5.5308409, 5.8789463, 3.5502334], rtol=1e-5)
    np.testing.assert_allclose(np.abs(gradient).sum((1, 2)), [5.6715288, 5.3349094, 3.8742404], rtol=1e-4)
    column = [0.8210130, 0.3990659, 0.1697235, 0.4189673, 0.0, 0.0]
    np.testing.assert_allclose(gradient[1, :, 0], column, rtol=1e-4, atol=1e-6)


def test_without_lengths_every_step_counts() -> None:
    assert only_blank_beyond(jnp.asarray(LOGITS), None) is not None
    alone = ctc(LOGITS[1:2, :4], np.array([[2]]))
    np.testing.assert_allclose(alone, losses(jnp.asarray(LOGITS))[1:2], rtol=1e-5)
    np.testing.assert_array_equal(ended(jnp.asarray(LABELS), None), LABELS)


def test_what_has_no_steps_is_refused() -> None:
    with pytest.raises(UserError, match=r"ctc: outputs of shape \(3, 4\).*every_step"):
        ctc(LOGITS[:, 0], LABELS)
