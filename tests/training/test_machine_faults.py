"""Disks, permissions, clocks and memory that fail a run: each ends with a clear line, and what was there is whole."""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.checkpoint import Checkpoints
from jaxdl.errors import UserError
from jaxdl.record import RunDirectory, read_summary
from jaxdl.training.reproduce import compare
from tests.training.stopped import checkpoint_steps, run

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("wrapped", [False, True])
def test_what_the_machine_refuses_is_no_damage(
    recipe: jaxdl.Experiment, cut: Path, monkeypatch: pytest.MonkeyPatch, wrapped: bool
) -> None:
    before = checkpoint_steps(cut)

    def refuse(*arguments: Any, **options: Any) -> None:
        passing = ValueError("Error opening file [os_error_code='24']")  # as TensorStore says it; EMFILE
        if wrapped:
            raise FileNotFoundError("no structure could be found") from passing  # as Orbax says it
        raise passing

    with monkeypatch.context() as patch:
        patch.setattr("orbax.checkpoint.CheckpointManager.restore", refuse)
        with pytest.raises(UserError, match="cannot read the checkpoints of .*Too many open files"):
            run(recipe, cut)
    assert checkpoint_steps(cut) == before


@pytest.mark.slow
def test_a_last_state_that_cannot_be_written_is_no_end(
    recipe: jaxdl.Experiment, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Checkpoints.save
    total = read_summary(whole)["step"]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def full_at_the_end(self: Checkpoints, step: int, *arguments: Any, **options: Any) -> None:
        if step == total:
            self.wait()
            # Orbax divides the arrays, 13 KB, into files as it comes; TensorBoard's events stay below 6 KB.
            resource.setrlimit(resource.RLIMIT_FSIZE, (6000, hard))
        save(self, step, *arguments, **options)

    monkeypatch.setattr(Checkpoints, "save", full_at_the_end)
    try:
        with pytest.raises(UserError, match="cannot write .*checkpoints.*File too large"):
            run(recipe, tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        monkeypatch.undo()
    assert not (tmp_path / "run" / "summary.json").exists() or read_summary(tmp_path / "run")["status"] == "failed"
    assert run(recipe, tmp_path / "run")["status"] == "completed"
    assert compare(whole, tmp_path / "run") == []


@pytest.mark.slow
def test_a_full_disk_while_saving_leaves_the_checkpoint_before(
    recipe: jaxdl.Experiment, whole: Path, cut: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = checkpoint_steps(cut)
    # No file may grow beyond 4 KiB: what a small disk does to the arrays, but not to the lines of metrics.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(UserError, match="cannot write .*File too large; raise the limit on file sizes"):
            run(recipe, cut)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert checkpoint_steps(cut)[0] in before
    run(recipe, cut)
    assert compare(whole, cut) == []


def _as_other_users_may() -> None:
    """Takes from the next program the right of root to write everywhere (capabilities(7), CAP_DAC_OVERRIDE)."""
    drop_from_bounding_set, dac_override = 24, 1
    ctypes.CDLL(None, use_errno=True).prctl(drop_from_bounding_set, dac_override, 0, 0, 0)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    command = [sys.executable, "-m", "tests.trained", "residual", f"--run_dir={tmp_path / 'locked' / 'run'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, preexec_fn=_as_other_users_may)
    assert done.returncode == 2
    assert re.search("cannot create the run directory .*Permission denied; check the permissions", done.stderr)
    assert list((tmp_path / "locked").iterdir()) == []


def test_a_run_directory_below_a_file_is_refused(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Not a directory"):
        run(recipe, tmp_path / "file" / "run")


def test_a_run_directory_that_is_removed_ends_the_run(
    recipe: jaxdl.Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Checkpoints.save

    def remove(self: Checkpoints, step: int, *arguments: Any, **options: Any) -> None:
        if step > 20:
            self.wait()
            shutil.rmtree(tmp_path / "run")
        save(self, step, *arguments, **options)

    monkeypatch.setattr(Checkpoints, "save", remove)
    with pytest.raises(UserError, match="run.* was removed while it was in use"):
        run(recipe, tmp_path / "run")


def test_two_processes_do_not_share_a_directory(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    with (
        RunDirectory.create(tmp_path / "run", "recipe"),
        pytest.raises(UserError, match=f"is in use by process {os.getpid()}"),
    ):
        run(recipe, tmp_path / "run")


# Trains the recipe of a config.json while the time of day jumps, by so many seconds at so many looks at it.
WITH_A_JUMPING_CLOCK = """
    import itertools, json, sys, time
    from pathlib import Path
    looks, now = itertools.count(), time.time
    jumps = {int(look): float(seconds) for look, seconds in json.loads(sys.argv[3]).items()}
    offset = 0.0
    def jumping():
        global offset
        offset += jumps.get(next(looks), 0.0)
        return now() + offset
    time.time = jumping
    import jaxdl
    from jaxdl.backend.signals import end_process
    recipe = jaxdl.Experiment(
        name="recipe", data=jaxdl.Digits(), model=jaxdl.MLP(), objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(), training=jaxdl.Training())
    recipe = jaxdl.from_config(json.loads(Path(sys.argv[1]).read_text()), recipe)
    try:
        summary = jaxdl.train(recipe, run_dir=Path(sys.argv[2]), data_dir=Path(sys.argv[2]))
    except jaxdl.UserError as error:
        print(error, file=sys.stderr)
        end_process(2)
    assert summary["wall_seconds"] > 0 and summary["train_examples_per_second"] > 0
    print(next(looks))
"""


def script(text: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_a_clock_that_is_set_back_changes_nothing(whole: Path, tmp_path: Path) -> None:
    back = json.dumps({look: -86_400 for look in range(0, 100_000, 50)})
    done = script(WITH_A_JUMPING_CLOCK, whole / "config.json", tmp_path / "jumped", back)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 50  # it was looked at
    assert compare(whole, tmp_path / "jumped") == []


@pytest.mark.slow
def test_a_clock_that_is_set_forward_loses_nothing(recipe: jaxdl.Experiment, whole: Path, tmp_path: Path) -> None:
    """Orbax measures by the time of day how long a saving takes, so that it may give one up."""
    forward = json.dumps({look: 86_400 for look in range(0, 100_000, 20)})
    done = script(WITH_A_JUMPING_CLOCK, whole / "config.json", tmp_path / "jumped", forward)
    if done.returncode:
        assert done.returncode == 2
        message = "it took too long, or the clock was set forward meanwhile; run the same command again."
        assert message in done.stderr
        run(recipe, tmp_path / "jumped")
    assert compare(whole, tmp_path / "jumped") == []


@pytest.mark.slow
def test_too_little_memory_ends_with_one_line(tmp_path: Path) -> None:
    """A batch that no machine can hold: 2**21 examples through a layer of 800,000 units.

    Larger batches take XLA a minute to compile (it computes a scatter over the examples beforehand).
    """
    arguments = [
        "--experiment=digits_mlp", f"--run_dir={tmp_path / 'run'}", "--features=800000", "--batch_size=2097152",
        "--platform=cpu",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(ROOT / "launch.py"), *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "out of memory" in done.stderr.splitlines()[-1]
    assert "--batch_size" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_files_follow_the_umask_and_nothing_is_opened_to_others(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        run(recipe, tmp_path / "run")
    finally:
        os.umask(before)
    modes = {path: path.stat().st_mode & 0o077 for path in (tmp_path / "run").rglob("*")}
    assert [str(path) for path, others in modes.items() if others] == []


def test_no_secret_of_the_environment_is_recorded(
    recipe: jaxdl.Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2-hunter2")
    monkeypatch.setenv("XLA_SECRET", "hunter2-hunter2")
    run(recipe, tmp_path / "run", arguments=["launch.py", "--data.mirror=https://user:hunter2-hunter2@host/sets"])
    for path in (tmp_path / "run").rglob("*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes(), path
