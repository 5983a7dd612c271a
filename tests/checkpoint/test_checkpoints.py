"""Checkpoints: what was saved comes back to the bit, the right ones are kept, and trouble is named."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import struct

import jaxdl.errors
from jaxdl.checkpoint import Checkpoints
from jaxdl.checkpoint.digest import params_sha256
from jaxdl.errors import UserError

ROOT = Path(jaxdl.errors.__file__).parents[1]


class State(struct.PyTreeNode):
    """Stands in for a training state: every kind of leaf that one has."""

    step: Any
    params: Any
    model_state: Any
    opt_state: Any
    key: Any


def make_state(seed: int = 0, features: int = 8, optimizer: Any = None) -> State:
    rng = np.random.default_rng(seed)
    params = {
        "Dense_0": {"kernel": jnp.asarray(rng.normal(size=(4, features)), jnp.float32), "bias": jnp.zeros(features)},
        "half": jnp.asarray(rng.normal(size=3), jnp.bfloat16),
    }
    decay_mask = {"Dense_0": {"kernel": True, "bias": False}, "half": False}
    optimizer = optimizer or optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3, mask=decay_mask))
    statistics = {"batch_stats": {"mean": jnp.asarray(rng.normal(size=features), jnp.float32)}}
    return State(jnp.int32(seed), params, statistics, optimizer.init(params), jax.random.key(seed))


def equal(one: Any, other: Any) -> bool:
    """Whether two states have the same structure and the same bits."""
    same_structure = jax.tree.structure(one) == jax.tree.structure(other)  # type: ignore[operator]
    return same_structure and params_sha256(one) == params_sha256(other)


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


@pytest.mark.parametrize(
    ("mode", "values", "best"),
    [
        ("max", [0.1, 0.5, 0.5, 0.2], 2),  # the earliest of equals
        ("min", [0.4, 0.2, 0.2, 0.3], 2),
        ("max", [float("nan"), 0.3, float("nan"), 0.1], 2),
        ("min", [3.0, 2.0, 1.0, 0.5], 4),
    ],
)
def test_the_last_and_the_best_are_kept(tmp_path: Path, mode: Any, values: list[float], best: int) -> None:
    with Checkpoints(tmp_path, "validation/x", mode) as checkpoints:
        for step, value in enumerate(values, 1):
            checkpoints.save(step, make_state(step), {"validation/x": value, "validation/confusion": [[1]]})
        checkpoints.wait()
        assert checkpoints.steps() == sorted({best, 4})
        assert (checkpoints.best_step(), checkpoints.latest_step()) == (best, 4)
    assert sorted(int(p.name) for p in tmp_path.iterdir()) == sorted({best, 4})
    with Checkpoints(tmp_path, read_only=True) as checkpoints:  # a reader need not know the metric
        like = make_state()
        assert checkpoints.restore(like, "best").step == best
        assert checkpoints.restore(like, "last").step == checkpoints.restore(like).step == 4
        assert checkpoints.restore(like, best).step == best


def test_the_best_is_still_known_after_reopening(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, "a") as checkpoints:
        checkpoints.save(1, make_state(1), {"a": 0.9})
    with Checkpoints(tmp_path, "a") as checkpoints:
        checkpoints.save(2, make_state(2), {"a": 0.1})
        checkpoints.save(3, make_state(3), {"a": 0.2})
    with Checkpoints(tmp_path, "a", read_only=True) as checkpoints:
        assert (checkpoints.steps(), checkpoints.best_step()) == ([1, 3], 1)


def test_without_a_metric_the_best_is_the_last(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(step, make_state(step), {"a": 1.0 / step})
        checkpoints.wait()
        assert (checkpoints.steps(), checkpoints.best_step()) == ([2, 3], None)
        assert checkpoints.restore(make_state(), "best").step == 3


def test_an_earlier_step_can_be_saved_after_a_later_one(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, "a") as checkpoints:
        checkpoints.save(5, make_state(5), {"a": 0.1})
        checkpoints.save(3, make_state(3), {"a": 0.9})
        checkpoints.wait()
        assert (checkpoints.steps(), checkpoints.best_step(), checkpoints.latest_step()) == ([3, 5], 3, 5)
        assert equal(checkpoints.restore(make_state(), "best"), make_state(3))
        checkpoints.save(6, make_state(6), {"a": 0.2})
        checkpoints.wait()
        assert (checkpoints.steps(), checkpoints.best_step()) == ([3, 6], 3)


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


def run(script: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, **options)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    for damage in ("cut", "removed"):
        with Checkpoints(tmp_path / damage) as checkpoints:
            checkpoints.save(1, {"a": jnp.zeros(3), "b": jnp.ones((2, 2))})
        for file in (tmp_path / damage / "1" / "state").rglob("d/*"):
            if damage == "cut":
                file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
            else:
                file.unlink()
    # In a process of its own: Orbax leaves other reads unfinished, whose complaints come at any later time.
    done = run(
        """
        import sys
        from pathlib import Path
        import jax, numpy as np
        from jaxdl.checkpoint import Checkpoints
        from jaxdl.errors import UserError
        like = {"a": jax.ShapeDtypeStruct((3,), np.float32), "b": jax.ShapeDtypeStruct((2, 2), np.float32)}
        for damage in ("cut", "removed"):
            try:
                Checkpoints(Path(sys.argv[1]) / damage, read_only=True).restore(like)
            except UserError as error:
                print(error)
        """,
        tmp_path,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr
    for line, damage in zip(lines, ("cut", "removed"), strict=True):
        assert line.startswith(f"the checkpoint {tmp_path}/{damage}/1 is damaged (")


def test_a_full_disk_is_reported_in_one_line_and_the_checkpoint_before_is_intact(tmp_path: Path) -> None:
    done = run(
        """
        import resource, sys
        from pathlib import Path
        import numpy as np
        from absl import logging
        from jaxdl.checkpoint import Checkpoints
        from jaxdl.errors import UserError
        logging.set_verbosity(logging.INFO)  # as under absl's app.run
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        small = {"x": np.arange(10, dtype=np.float32)}
        for noticed_by in ("wait", "close", "save"):
            checkpoints = Checkpoints(Path(sys.argv[1]) / noticed_by)
            checkpoints.save(1, small)
            checkpoints.wait()
            try:
                checkpoints.save(2, {"x": np.random.default_rng(0).normal(size=100_000)})
                checkpoints.save(3, small) if noticed_by == "save" else getattr(checkpoints, noticed_by)()
            except UserError as error:
                print(error)
            checkpoints.close()
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    cause = "File too large; raise the limit on file sizes (ulimit -f)."
    folders = [tmp_path / name for name in ("wait", "close", "save")]
    assert done.stdout.splitlines() == [f"cannot write a checkpoint in {folder}: {cause}" for folder in folders]
    assert done.stderr == ""  # Orbax's own messages tell the same with ten tracebacks
    for folder in folders:
        with Checkpoints(folder, read_only=True) as checkpoints:
            assert checkpoints.steps() == [1]
            restored = checkpoints.restore({"x": jax.ShapeDtypeStruct((10,), np.float32)})
        np.testing.assert_array_equal(restored["x"], np.arange(10.0))


def test_a_folder_that_was_removed_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    checkpoints = Checkpoints(folder)
    checkpoints.save(1, make_state())
    checkpoints.wait()
    (folder).rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=f"cannot write a checkpoint in {folder}: No such file or directory"):
        checkpoints.save(2, make_state())
        checkpoints.wait()
    checkpoints.close()


@pytest.mark.slow
def test_a_process_killed_while_saving_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys
        import numpy as np
        from jaxdl.checkpoint import Checkpoints
        checkpoints = Checkpoints(sys.argv[1])
        for step in range(1, 10_000):
            checkpoints.save(step, {"x": np.full(300_000, step, np.float32)})
            print(step, flush=True)
    """)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    like = {"x": jax.ShapeDtypeStruct((300_000,), jnp.float32)}
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 5:
                break
        time.sleep(0.03)
        process.send_signal(signal.SIGKILL)
    with Checkpoints(tmp_path) as checkpoints:
        step = checkpoints.latest_step()
        assert step is not None and step >= 4
        np.testing.assert_array_equal(checkpoints.restore(like)["x"], np.full(300_000, step, np.float32))
        checkpoints.save(step + 1, {"x": np.zeros(300_000, np.float32)})
    assert [p.name for p in tmp_path.iterdir()] == [str(step + 1)]  # and what was half-written is gone


@pytest.mark.slow
def test_a_run_that_ends_with_its_best_state_goes_on_from_before_a_damaged_one(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, "a", keep=3) as checkpoints:
        for step, value in ((1, 0.2), (2, 0.9), (3, 0.1), (4, 0.3)):
            checkpoints.save(step, make_state(step), {"a": value})
    file = next(path for path in (tmp_path / "2" / "state").rglob("d/*") if path.is_file())
    file.write_bytes(file.read_bytes()[:-8])
    shutil.copytree(tmp_path, tmp_path.with_name("other"))
    lines: list[str] = []
    with Checkpoints(tmp_path.with_name("other"), "a", keep=3) as checkpoints:
        saved = checkpoints.resume(make_state(), {}, lines.append)
        assert saved is not None and saved.step == 4 and lines == []
    with Checkpoints(tmp_path, "a", keep=3) as checkpoints:
        with pytest.raises(UserError, match=r"/2 is damaged"):
            checkpoints.restore(make_state(), "best")
        with pytest.raises(UserError, match=r"there is no older one"):
            checkpoints.resume(make_state(), {}, lines.append, needs_best=True)


def test_the_best_is_missed_where_it_was_removed(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, "a") as checkpoints:
        checkpoints.save(1, make_state(1), {"a": 0.9})
        checkpoints.save(2, make_state(2), {"a": 0.1})
    shutil.rmtree(tmp_path / "1")
    with (
        Checkpoints(tmp_path, read_only=True) as checkpoints,
        pytest.raises(UserError, match="the best checkpoint, of step 1, is missing"),
    ):
        checkpoints.restore(make_state(), "best")


def test_importing_the_module_imports_no_orbax_and_starts_no_backend() -> None:
    done = run("""
        import sys
        import jaxdl.checkpoint
        from jax._src import xla_bridge
        print("orbax" in sys.modules, xla_bridge._backends)
    """)
    assert done.stdout == "False {}\n", done.stderr


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


def test_one_that_was_half_removed_hides_neither_the_last_nor_the_best(tmp_path: Path) -> None:
    states = {step: make_state(step) for step in (1, 2, 3)}
    with Checkpoints(tmp_path / "c", "loss", "min", keep=2) as checkpoints:
        for step, loss in ((1, 0.1), (2, 0.3), (3, 0.2)):
            checkpoints.save(step, states[step], {"loss": loss})
    shutil.rmtree(tmp_path / "c" / "2" / "about")
    with Checkpoints(tmp_path / "c", "loss", "min", keep=2) as checkpoints:
        assert checkpoints.best_step() == 1
        assert equal(checkpoints.restore(states[1], "best"), states[1])
        assert equal(checkpoints.restore(states[3]), states[3])
    shutil.rmtree(tmp_path / "c" / "1" / "about")
    with Checkpoints(tmp_path / "c", "loss", "min", keep=2) as checkpoints, pytest.raises(UserError, match="damaged"):
        checkpoints.restore(states[1], "best")


def test_a_signal_while_reading_is_no_damage(tmp_path: Path) -> None:
    """Orbax turns whatever is raised while it reads arrays into an error of the file."""
    state = {f"array {number}": jnp.full((64, 64), number) for number in range(60)}
    answered: list[int] = []

    def answer(number: int, frame: object) -> None:
        answered.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, answer)
    try:
        with Checkpoints(tmp_path / "c") as checkpoints:
            checkpoints.save(1, state)
            checkpoints.wait()
            for number, after in enumerate(np.linspace(0.0, 0.1, 60)):
                timer = threading.Timer(after, signal.raise_signal, [signal.SIGINT])
                # By the count, because Python drops what is raised in a destructor.
                with contextlib.suppress(KeyboardInterrupt):
                    timer.start()
                    while len(answered) == number:
                        checkpoints.restore(state)
                timer.join()
            assert equal(checkpoints.restore(state), state)
    finally:
        signal.signal(signal.SIGINT, before)
    assert answered == [signal.SIGINT] * 60
