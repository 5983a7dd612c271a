"""A training that is stopped anywhere, by anything, and goes on: it ends with the same bits."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.record import read_record, read_summary
from jaxdl.training import reproduce as verification
from tests.trained import RECIPES

ROOT = Path(__file__).resolve().parents[2]


def command(name: str) -> list[str]:
    """Returns the command that trains one of the small recipes."""
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.trained import end_process, main; "
    return [sys.executable, "-c", f"{script}end_process(main([{name!r}, sys.argv[1]]))"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kills"),
    [("mnist_cnn", 2), *(pytest.param(name, 30, marks=pytest.mark.nightly) for name in sorted(RECIPES))],
)
def test_kills_at_random_moments_change_no_bit(name: str, kills: int, tmp_path: Path) -> None:
    proof = jaxdl.verify_resume(command(name), tmp_path / "proof", kills=kills, seed=len(name))
    assert proof.different == []
    assert sum(proof.kills.values()) == kills and set(proof.kills) <= {"SIGKILL", "SIGTERM", "SIGINT"}
    assert proof.slowest_stop < 20
    assert json.loads((tmp_path / "proof" / "proof.json").read_text())["trainings"] == proof.trainings


# Trains as `command` says, but dies just before or after the so-manieth call of one of some functions of `os`, or tells
# how many there were.
_DYING = """
import itertools, os, signal, sys

name, run_dir, functions, number, moment = sys.argv[1:]
count = itertools.count(1)  # one for all threads


def dying(function):
    def called(*arguments, **options):
        now = next(count) == int(number)
        if now and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        function(*arguments, **options)
        if now:
            os.kill(os.getpid(), signal.SIGKILL)

    return called


for function in functions.split(","):
    setattr(os, function, dying(getattr(os, function)))
from tests.trained import main

status = main([name, run_dir])
print(next(count) - 1)
sys.exit(status)
"""


def train_and_die(run_dir: Path, functions: str, number: int = 0, moment: str = "") -> subprocess.CompletedProcess[str]:
    """Trains until call `number` of `functions`, counted from 1; to the end where there is no such."""
    arguments = ["residual", f"--run_dir={run_dir}", functions, str(number), moment]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", _DYING, *arguments], env=environment, capture_output=True, text=True, check=False
    )


def evenly(calls: int, kills: int) -> list[tuple[int, str]]:
    """Returns moments from after the first of so many calls to before the last."""
    return [(1 + round(kill * (calls - 1) / (kills - 1)), ("after", "before")[kill % 2]) for kill in range(kills)]


def at_the_end(calls: int, kills: int) -> list[tuple[int, str]]:
    """Returns the moments after the last of so many calls."""
    return [(number, "after") for number in range(calls - kills + 1, calls + 1)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("functions", "chosen", "kills"),
    [
        # By these, files and checkpoints appear under their names.
        ("replace,rename", evenly, 2),
        pytest.param("replace,rename", evenly, 16, marks=pytest.mark.nightly),
        # With this, an old checkpoint vanishes bit by bit; what is left of the last one no later saving takes away.
        ("rmdir", at_the_end, 1),
        pytest.param("rmdir", at_the_end, 5, marks=pytest.mark.nightly),
    ],
)
def test_a_kill_in_a_moment_that_is_hardly_met_changes_no_bit(
    tmp_path: Path, functions: str, chosen: Callable[[int, int], list[tuple[int, str]]], kills: int
) -> None:
    straight = tmp_path / "straight"
    calls = int(train_and_die(straight, functions).stdout.splitlines()[-1])
    for number, moment in chosen(calls, kills):
        where, run_dir = f"{moment} call {number} of {calls} of {functions}", tmp_path / str(number)
        assert train_and_die(run_dir, functions, number, moment).returncode == -signal.SIGKILL, where
        going_on = subprocess.run(
            [*command("residual"), f"--run_dir={run_dir}"], capture_output=True, text=True, check=False
        )
        assert going_on.returncode == 0, f"{where}: {going_on.stderr}"
        assert verification.compare(straight, run_dir) == [], where
        assert '<p class="sub">completed' in (run_dir / "report.html").read_text(), where
        shutil.rmtree(run_dir)


@pytest.mark.slow
def test_a_difference_is_found(tmp_path: Path, recipe: jaxdl.Experiment) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    jaxdl.train(recipe, run_dir=one, data_dir=tmp_path)
    jaxdl.train(jaxdl.replace(recipe, {"seed": 1}), run_dir=other, data_dir=tmp_path)
    assert verification.compare(one, one) == []
    found = " | ".join(verification.compare(one, other))
    for part in ("params_sha256", "the last state", "metrics.jsonl from line 1 on", "the final figures"):
        assert part in found


def test_a_training_that_fails_is_no_proof(tmp_path: Path) -> None:
    failing = [sys.executable, "-c", "print('what went wrong'); raise SystemExit(3)"]
    with pytest.raises(UserError, match=r"ended with status 3: what went wrong See .*output\.txt"):
        jaxdl.verify_resume(failing, tmp_path / "proof", kills=1)


@pytest.mark.parametrize(
    ("number", "status", "stopped"),
    [
        (signal.SIGKILL, 1, True),
        (signal.SIGTERM, 143, True),
        (signal.SIGTERM, 0, False),
        (signal.SIGINT, 130, True),
        (signal.SIGINT, 0, False),
    ],
)
def test_a_training_is_stopped_by_a_signal_unless_it_is_finished(
    tmp_path: Path, number: signal.Signals, status: int, stopped: bool
) -> None:
    assert answering(number, status, tmp_path).run_until(tmp_path / "run", 1.0, number) == stopped


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 1), (signal.SIGTERM, 130), (signal.SIGINT, 1)])
def test_a_training_that_fails_when_it_is_to_stop_is_no_proof(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with pytest.raises(UserError, match=rf"ended with status {status} after {number.name}: all is lost See .*output"):
        answering(number, status, tmp_path).run_until(tmp_path / "run", 1.0, number)


def answering(number: signal.Signals, status: int, folder: Path) -> verification._Runner:
    """Returns a runner of a program that answers a signal with an exit status, where it can."""
    answer = f"signal.signal({int(number)}, lambda *_: (print('all is lost', flush=True), os._exit({status})))"
    catch = "pass" if number == signal.SIGKILL else answer
    return verification._Runner([sys.executable, "-c", f"import os, signal, time; {catch}; time.sleep(60)"], folder)


def test_no_password_of_the_command_is_written(tmp_path: Path) -> None:
    trained = """if True:
        import json, pathlib, sys
        run_dir = pathlib.Path(sys.argv[-1].removeprefix("--run_dir="))
        run_dir.mkdir()
        (run_dir / "summary.json").write_text('{"compile_seconds": 0}')
    """
    mirror = "--data.mirror=https://me:s3cr3t@p4rt@host/path"
    jaxdl.verify_resume([sys.executable, "-c", trained, mirror], tmp_path / "proof", kills=0)
    written = (tmp_path / "proof" / "proof.json").read_text()
    assert json.loads(written)["command"][-1] == "--data.mirror=https://***@host/path"
    assert "s3cr3t" not in written and "p4rt" not in written


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="exists already"):
        jaxdl.verify_resume(command("residual"), tmp_path, kills=1)


def test_a_run_is_reproduced_to_the_bit(tmp_path: Path, recipe: jaxdl.Experiment) -> None:
    jaxdl.train(recipe, run_dir=tmp_path / "original", data_dir=tmp_path)
    found = jaxdl.reproduce(tmp_path / "original", tmp_path / "copy")  # the config says which recipe it is
    assert found.identical and found.conditions == []
    assert "reproduced to the bit" in found.text()


@pytest.mark.slow
def test_what_is_not_reproduced_is_laid_beside_what_is_different(tmp_path: Path, recipe: jaxdl.Experiment) -> None:
    original = tmp_path / "original"
    jaxdl.train(recipe, run_dir=original, data_dir=tmp_path)
    # As if an older release had made it, with other results.
    record = read_record(original)
    record["versions"]["jax"] = "0.1.0"
    (original / "record.json").write_text(json.dumps(record))
    summary = read_summary(original) | {"params_sha256": "0" * 64}
    (original / "summary.json").write_text(json.dumps(summary))
    found = jaxdl.reproduce(original, tmp_path / "copy", recipe, tmp_path)
    assert not found.identical
    assert len(found.conditions) == 1 and found.conditions[0].startswith("versions.jax: ")
    assert found.conditions[0].endswith("(was 0.1.0)")
    assert "params_sha256: 0000" in found.text() and "versions.jax" in found.text()


@pytest.mark.slow
def test_an_unfinished_run_cannot_be_reproduced(tmp_path: Path, recipe: jaxdl.Experiment) -> None:
    jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path)
    summary = read_summary(tmp_path / "run") | {"status": "preempted"}
    (tmp_path / "run" / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(UserError, match="status 'preempted'"):
        jaxdl.reproduce(tmp_path / "run", tmp_path / "copy", recipe, tmp_path)
    assert not (tmp_path / "copy").exists()


DAMAGES = [
    ("record.json", "{", "record.json is damaged"),
    ("record.json", None, "record.json is missing"),
    ("metrics.jsonl", "{\n", r"metrics.jsonl is damaged \(line 1"),
    ("metrics.jsonl", None, "metrics.jsonl is missing"),
    ("checkpoints", None, "has no checkpoint"),
    ("summary.json", '{"status": "completed", "status": "completed"}', '"status" stands twice'),
]


def test_a_damaged_run_is_found_before_it_is_trained_again(
    tmp_path: Path, whole: Path, recipe: jaxdl.Experiment
) -> None:
    for number, (name, content, message) in enumerate(DAMAGES):
        shutil.copytree(whole, tmp_path / str(number))
        file = tmp_path / str(number) / name
        if content is not None:
            file.write_text(content)
        elif file.is_dir():
            shutil.rmtree(file)
        else:
            file.unlink()
        with pytest.raises(UserError, match=message):
            jaxdl.reproduce(tmp_path / str(number), tmp_path / "copy", recipe, tmp_path)
        assert not (tmp_path / "copy").exists()
