"""Damaged files, full disks, kills and signals: each ends with a clear line, and what was saved before is whole."""

from __future__ import annotations

import contextlib
import errno
import os
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
import pytest

import jaxdl.errors
from jaxdl.checkpoint import Checkpoints, small
from jaxdl.checkpoint.faults import Damaged, disk_errors, unless_it_passes
from jaxdl.errors import UserError
from tests.checkpoint.states import equal, make_state

ROOT = Path(jaxdl.errors.__file__).parents[1]


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


@pytest.mark.slow
@pytest.mark.parametrize("numbers", [100_000, 1_000_000], ids=["small", "by Orbax"])
def test_a_full_disk_is_reported_in_one_line_and_the_checkpoint_before_is_intact(tmp_path: Path, numbers: int) -> None:
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
                checkpoints.save(2, {"x": np.random.default_rng(0).normal(size=int(sys.argv[2]))})
                checkpoints.save(3, small) if noticed_by == "save" else getattr(checkpoints, noticed_by)()
            except UserError as error:
                print(error)
            checkpoints.close()
        """,
        tmp_path,
        numbers,
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


@pytest.mark.parametrize("times", [1, 2])
def test_only_what_cannot_be_read_twice_is_damaged(tmp_path: Path, times: int) -> None:
    failures = iter(range(times))

    def read() -> str:
        if next(failures, None) is not None:
            raise Damaged(tmp_path, 1, "File not found")
        return "whole"

    if times == 1:
        assert unless_it_passes(tmp_path, read) == "whole"
    else:
        with pytest.raises(Damaged):
            unless_it_passes(tmp_path, read)


@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_checkpoint_that_must_not_be_read_is_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    (tmp_path / "file").write_text("")

    def refuse(path: Any, *arguments: Any, **options: Any) -> Any:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def read() -> None:
        raise Damaged(tmp_path, 1, "File not found")

    with monkeypatch.context() as patch, pytest.raises(PermissionError):
        patch.setattr("os.scandir" if what == "folder" else "builtins.open", refuse)
        unless_it_passes(tmp_path, read)


def test_a_checkpoint_that_orbax_cannot_look_at_once_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, make_state(step))
    looks, failures = os.stat, iter(range(1))

    def look(path: Any, *arguments: Any, **options: Any) -> Any:
        if str(path).endswith("/2") and next(failures, None) is not None:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return looks(path, *arguments, **options)

    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        monkeypatch.setattr(os, "stat", look)
        found = checkpoints.steps()
        monkeypatch.undo()
        assert next(failures, None) is None  # it was looked at
        assert found == [1, 2]


def test_an_error_that_comes_only_at_the_closing_is_one_line_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orbax writes its metadata in a thread of its own, whose error waits until then."""

    def fail(self: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("orbax.checkpoint.CheckpointManager.close", fail)
    monkeypatch.setattr(small, "MOST_BYTES", 0)
    checkpoints = Checkpoints(tmp_path / "c")
    checkpoints.save(1, make_state())
    with pytest.raises(UserError, match=f"cannot write a checkpoint in {tmp_path}/c: No space left on device; free"):
        checkpoints.close()


def test_what_orbax_cannot_find_while_it_saves_is_one_line(tmp_path: Path) -> None:
    """It asks whether its own folders exist, and the disk may not answer; other errors of values are ours."""
    line = f"cannot write a checkpoint in {tmp_path}: .* does not exist: /c/1; check"
    with pytest.raises(UserError, match=line), disk_errors(tmp_path):
        raise ValueError("Checkpoint directory does not exist: /c/1.")
    with pytest.raises(ValueError, match="no leaf"), disk_errors(tmp_path):
        raise ValueError("no leaf of an array")


def test_only_late_complaints_of_tensorstore_are_hidden() -> None:
    """A future that ends after its event loop was closed, as those of other files do once one file has failed."""
    script = """
        import asyncio, sys
        import tensorstore as ts
        from jaxdl.checkpoint.faults import silence_late_futures
        def end_late():
            promise, future = ts.Promise.new()
            loop = asyncio.new_event_loop()
            async def read():
                await future
            task = loop.create_task(read())
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()
            promise.set_result(1)
        class Other:
            def __del__(self):
                raise RuntimeError("Event loop is closed")
        end_late()
        print("---", file=sys.stderr, flush=True)
        for _ in range(2):
            silence_late_futures()
        end_late()
        Other()
    """
    loud, _, silenced = run(script).stderr.partition("---\n")
    assert loud.count("RuntimeError: Event loop is closed") == 1 and "call_soon_threadsafe" in loud
    assert silenced.count("RuntimeError: Event loop is closed") == 1 and "in __del__" in silenced


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
@pytest.mark.parametrize("numbers", [300_000, 1_100_000], ids=["small", "by Orbax"])
def test_a_process_killed_while_saving_leaves_the_checkpoint_before(tmp_path: Path, numbers: int) -> None:
    script = textwrap.dedent("""
        import sys
        import numpy as np
        from jaxdl.checkpoint import Checkpoints
        checkpoints = Checkpoints(sys.argv[1])
        for step in range(1, 10_000):
            checkpoints.save(step, {"x": np.full(int(sys.argv[2]), step, np.float32)})
            print(step, flush=True)
    """)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    like = {"x": jax.ShapeDtypeStruct((numbers,), jnp.float32)}
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), str(numbers)], env=environment, stdout=subprocess.PIPE, text=True
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
        np.testing.assert_array_equal(checkpoints.restore(like)["x"], np.full(numbers, step, np.float32))
        checkpoints.save(step + 1, {"x": np.zeros(numbers, np.float32)})
    assert [p.name for p in tmp_path.iterdir()] == [str(step + 1)]  # and what was half-written is gone


@pytest.mark.slow
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
