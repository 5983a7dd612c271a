"""Typed PRNG keys, told apart from arrays and turned into words and back."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.backend.keys import is_key, with_keys, without_keys


def test_only_typed_keys_are_keys() -> None:
    keys = jax.random.split(jax.random.key(0), 3)
    assert is_key(keys) and is_key(jax.eval_shape(lambda: keys))
    for other in (jax.random.PRNGKey(0), np.zeros(2, np.uint32), jnp.bfloat16(1), 0.5, None):
        assert not is_key(other)


@pytest.mark.parametrize("implementation", ["threefry2x32", "rbg"])
def test_keys_come_back_from_their_words(implementation: str) -> None:
    keys = jax.random.split(jax.random.key(7, impl=implementation), 3)
    words = without_keys(keys)
    assert words.dtype == jnp.uint32
    np.testing.assert_array_equal(words, jax.random.key_data(keys))
    for like in (keys, jax.eval_shape(lambda: keys)):
        back = with_keys(like, np.asarray(words))
        assert back.dtype == keys.dtype
        assert jax.random.uniform(back[2]) == jax.random.uniform(keys[2])


def test_other_leaves_pass_unchanged() -> None:
    array = np.arange(3.0)
    assert without_keys(array) is array and with_keys(array, array) is array
