"""The arrays of a state as a checkpoint holds them, and the names of those that do not fit."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl.checkpoint import Checkpoints
from jaxdl.checkpoint.arrays import check_fits, described, host_copy, shape_in_file
from jaxdl.errors import UserError
from tests.checkpoint.states import make_state


def test_a_copy_on_the_host_keeps_its_values_and_holds_keys_as_words() -> None:
    array, key = np.arange(6, dtype=np.float32), jax.random.key(7)
    copied = host_copy({"array": array, "device": jnp.int32(3), "key": key})
    array[:] = -1
    assert all(type(leaf) is np.ndarray for leaf in jax.tree.leaves(copied))
    np.testing.assert_array_equal(copied["array"], np.arange(6, dtype=np.float32))
    assert copied["device"] == 3 and copied["device"].dtype == np.int32
    np.testing.assert_array_equal(copied["key"], jax.random.key_data(key))


def test_arrays_are_described_by_name_dtype_and_shape() -> None:
    tree = {"layer": {"kernel": jnp.zeros((2, 3), jnp.bfloat16)}, "steps": [np.int32(1)]}
    assert described(tree) == {"layer/kernel": "bfloat16[2, 3]", "steps/0": "int32[]"}


def test_a_state_fits_what_its_own_copy_is_described_as() -> None:
    state = make_state()
    check_fits(described(host_copy(state)), state, Path("c"))
    check_fits(described(host_copy(state)), jax.eval_shape(lambda: state), Path("c"))


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_keys_are_restored_as_the_words_of_their_implementation(impl: str) -> None:
    keys = jax.random.split(jax.random.key(0, impl=impl), 3)
    words = jax.random.key_data(keys)
    found = shape_in_file(keys)
    assert (found.shape, found.dtype) == (words.shape, words.dtype)


def test_what_says_no_device_is_restored_to_the_default_one() -> None:
    found = shape_in_file(jax.ShapeDtypeStruct((2, 3), jnp.float16))
    assert (found.shape, found.dtype, found.sharding.device_set) == ((2, 3), jnp.float16, {jax.devices()[0]})


def test_of_many_differences_five_are_named_parameters_first_and_the_others_counted() -> None:
    like = {"a": jnp.zeros(1), "params": {str(number): jnp.zeros(2) for number in range(6)}}
    with pytest.raises(UserError) as caught:
        check_fits({}, like, Path("folder/3"))
    message = str(caught.value)
    assert message.startswith(
        "the checkpoint folder/3 does not fit: params/0 is missing in the checkpoint and float32[2]"
    )
    assert [f"params/{number} is" in message for number in range(6)] == [True] * 5 + [False]
    assert "; and 2 more. " in message


def test_other_shapes_are_refused_by_name_with_both(tmp_path: Path) -> None:
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make_state(features=8))
        checkpoints.wait()
        with pytest.raises(UserError) as caught:
            checkpoints.restore(make_state(features=9))
    message = str(caught.value)
    assert "params/Dense_0/kernel is float32[4, 8] in the checkpoint and float32[4, 9] in the model" in message
    assert "\n" not in message


def test_another_dtype_or_optimizer_is_refused_rather_than_converted(tmp_path: Path) -> None:
    state = make_state()
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state)
        checkpoints.wait()
        halved = state.replace(params={**state.params, "half": state.params["half"].astype(jnp.float32)})
        with pytest.raises(UserError, match=r"params/half is bfloat16\[3\] in the checkpoint and float32\[3\]"):
            checkpoints.restore(halved)
        with pytest.raises(UserError, match=r"opt_state/.* is missing in the checkpoint|in the checkpoint and missing"):
            checkpoints.restore(make_state(optimizer=optax.sgd(0.1)))
