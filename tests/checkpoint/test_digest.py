"""The digest of a pytree: what it is made of, and that it sees each difference."""

from __future__ import annotations

import hashlib

import jax.numpy as jnp
import numpy as np

from jaxdl.checkpoint.digest import params_sha256


def test_params_sha256_is_what_its_docstring_says() -> None:
    bias, kernel = np.array([1.5, -2.0], np.float32), np.arange(6, dtype=np.int32).reshape(2, 3)
    params = {"b": {"kernel": jnp.asarray(kernel)}, "a": {"bias": jnp.asarray(bias)}, "c": jnp.float32(3.0)}
    expected = hashlib.sha256(
        b"a/bias\0float32\x002\0" + bias.astype("<f4").tobytes()
        + b"b/kernel\0int32\x002,3\0" + kernel.astype("<i4").tobytes()
        + b"c\0float32\0\0" + np.array(3.0, "<f4").tobytes()
    ).hexdigest()  # fmt: skip
    assert params_sha256(params) == expected
    in_other_order = {"c": params["c"], "a": params["a"], "b": {"kernel": kernel.astype(">i4")}}
    assert params_sha256(in_other_order) == expected


def test_params_sha256_sees_one_bit_a_name_and_a_shape() -> None:
    params = {"kernel": np.zeros((2, 3), np.float32)}
    changed = {"kernel": np.zeros((2, 3), np.float32)}
    changed["kernel"][1, 2] = -0.0
    others = [changed, {"other": params["kernel"]}, {"kernel": np.zeros((3, 2), np.float32)}]
    assert len({params_sha256(tree) for tree in [params, *others]}) == 4
