"""Checkpoints: what was saved comes back to the bit, and what is missing is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.checkpoint import Checkpoints
from jaxdl.errors import UserError
from tests.checkpoint.states import State, equal, make_state

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("make_like", [lambda s: s, lambda s: jax.eval_shape(lambda: s)], ids=["arrays", "shapes"])
def test_a_state_comes_back_to_the_bit_with_its_structure_and_its_key(tmp_path: Path, make_like: Any) -> None:
    state = make_state(3)
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        checkpoints.save(7, state)
    with Checkpoints(tmp_path / "checkpoints", read_only=True) as checkpoints:
        restored = checkpoints.restore(make_like(state))
    assert equal(restored, state)
    assert isinstance(restored, State)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(restored))
    assert jax.random.uniform(restored.key) == jax.random.uniform(state.key)


def test_another_implementation_of_keys_comes_back(tmp_path: Path) -> None:
    state = {"key": jax.random.key(5, impl="rbg")}
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state)
        checkpoints.wait()
        restored = checkpoints.restore(jax.eval_shape(lambda: state))
    assert jax.random.key_impl(restored["key"]) == jax.random.key_impl(state["key"])
    assert equal(restored, state)


def test_the_state_may_be_donated_as_soon_as_save_returns(tmp_path: Path) -> None:
    @jax.jit
    def start() -> jax.Array:
        return jnp.arange(2_000_000, dtype=jnp.float32)

    overwrite = jax.jit(lambda x: x * 0 - 1, donate_argnums=0)
    state = start()
    expected = np.arange(2_000_000, dtype=np.float32)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, {"x": state})
        for _ in range(3):
            state = overwrite(state)
        state.block_until_ready()
        checkpoints.wait()
        restored = checkpoints.restore({"x": jax.ShapeDtypeStruct((2_000_000,), jnp.float32)})
    np.testing.assert_array_equal(restored["x"], expected)


def test_saving_a_step_again_changes_nothing(tmp_path: Path) -> None:
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make_state(1))
        checkpoints.save(1, make_state(1))
        checkpoints.wait()
        assert equal(checkpoints.restore(make_state()), make_state(1))


def test_a_folder_without_checkpoints_is_left_alone(tmp_path: Path) -> None:
    with Checkpoints(tmp_path / "none", read_only=True) as checkpoints:
        assert checkpoints.latest_step() is None and checkpoints.best_step() is None
        with pytest.raises(UserError, match="no checkpoint in .*none"):
            checkpoints.restore(make_state())
    assert not (tmp_path / "none").exists()


def test_a_step_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(4, make_state())
        checkpoints.wait()
        with pytest.raises(UserError, match=r"step 3 in .*there are: \[4\]"):
            checkpoints.restore(make_state(), 3)


def test_importing_the_module_imports_no_orbax_and_starts_no_backend() -> None:
    code = """
import sys
import jaxdl.checkpoint
from jax._src import xla_bridge
print("orbax" in sys.modules, xla_bridge._backends)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "False {}\n", done.stderr
