"""Proofs that a run repeats to the bit: what they compare, what they find, and what is no proof."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.record import read_record, read_summary
from jaxdl.training import reproduce as reproduction


def test_a_difference_is_found(tmp_path: Path, recipe: jaxdl.Experiment) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    jaxdl.train(recipe, run_dir=one, data_dir=tmp_path)
    jaxdl.train(jaxdl.replace(recipe, {"seed": 1}), run_dir=other, data_dir=tmp_path)
    assert reproduction.compare(one, one) == []
    found = " | ".join(reproduction.compare(one, other))
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


def answering(number: signal.Signals, status: int, folder: Path) -> reproduction._Runner:
    """Returns a runner of a program that answers a signal with an exit status, where it can."""
    answer = f"signal.signal({int(number)}, lambda *_: (print('all is lost', flush=True), os._exit({status})))"
    catch = "pass" if number == signal.SIGKILL else answer
    return reproduction._Runner([sys.executable, "-c", f"import os, signal, time; {catch}; time.sleep(60)"], folder)


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
        jaxdl.verify_resume(["never", "started"], tmp_path, kills=1)


def test_a_run_is_reproduced_to_the_bit(tmp_path: Path, recipe: jaxdl.Experiment) -> None:
    jaxdl.train(recipe, run_dir=tmp_path / "original", data_dir=tmp_path)
    found = jaxdl.reproduce(tmp_path / "original", tmp_path / "copy", recipe, tmp_path)
    assert found.identical and found.conditions == []
    assert "reproduced to the bit" in found.text()


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


def test_an_unfinished_run_cannot_be_reproduced(tmp_path: Path, recipe: jaxdl.Experiment) -> None:
    jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path)
    summary = read_summary(tmp_path / "run") | {"status": "preempted"}
    (tmp_path / "run" / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(UserError, match="status 'preempted'"):
        jaxdl.reproduce(tmp_path / "run", tmp_path / "copy", recipe, tmp_path)
    assert not (tmp_path / "copy").exists()
