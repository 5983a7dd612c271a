"""Trials on a machine with another disk: what comes home, and what stays for the next attempt."""

from __future__ import annotations

import dataclasses
import io
import shutil
import tarfile
from pathlib import Path

import pytest

from jaxdl.errors import UserError
from jaxdl.files.locks import LOCK, FolderLock
from jaxdl.sweeps.executors.away import Home, bring_home, run_here_or_away
from jaxdl.sweeps.trials.trial import Job, Outcome, trial_dir
from tests.sweeps.small import RECIPE


@pytest.fixture
def sweep_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "other-disk"))
    (tmp_path / "sweep").mkdir()
    return tmp_path / "sweep"


def job_in(sweep_dir: Path) -> Job:
    return Job(3, RECIPE, trial_dir(sweep_dir, 3), sweep_dir, (), "validation/loss", "minimize")


def trains(outcome: Outcome, seen: list[Path]):  # type: ignore[no-untyped-def]
    """Returns what writes a run directory as a training would."""

    def run(job: Job) -> Outcome:
        seen.append(job.run_dir)
        (job.run_dir / "checkpoints" / "7").mkdir(parents=True, exist_ok=True)
        with open(job.run_dir / "checkpoints" / "7" / "state", "a") as file:
            file.write("state")
        (job.run_dir / LOCK).write_text("1")
        (job.run_dir / "latest").symlink_to("checkpoints/7") if not (job.run_dir / "latest").is_symlink() else None
        return outcome

    return run


def test_on_the_same_disk_the_run_directory_is_the_one_of_the_sweep(sweep_dir: Path) -> None:
    lock, seen = FolderLock(sweep_dir, "sweep directory", "--sweep_dir"), list[Path]()
    home, done = Home.of(sweep_dir), Outcome("completed")
    assert run_here_or_away(job_in(sweep_dir), home, trains(done, seen)) == (done, None)
    assert seen == [trial_dir(sweep_dir, 3)]
    lock.release()
    FolderLock(sweep_dir, "sweep directory", "--sweep_dir").release()
    assert not home.is_here(), "another process has the sweep now"


def test_from_another_disk_it_comes_home_whole_and_leaves_nothing_there(sweep_dir: Path, tmp_path: Path) -> None:
    home, seen = Home(sweep_dir, b"what no file here holds", "head"), list[Path]()
    outcome, packed = run_here_or_away(job_in(sweep_dir), home, trains(Outcome("completed"), seen))
    assert outcome.state == "completed" and packed is not None
    assert seen[0].is_relative_to(tmp_path / "other-disk") and not seen[0].exists()
    run_dir = trial_dir(sweep_dir, 3)
    (run_dir / "half").mkdir(parents=True)  # of an earlier attempt on the disk of the sweep
    bring_home(packed, run_dir)
    assert sorted(path.name for path in run_dir.iterdir()) == ["checkpoints", "latest"]
    assert (run_dir / "checkpoints" / "7" / "state").read_text() == "state"
    assert [path.name for path in run_dir.parent.iterdir()] == ["0003"]


def test_a_failed_attempt_stays_for_the_next_one_of_any_later_start(sweep_dir: Path) -> None:
    home, seen = Home(sweep_dir, b"x", "head"), list[Path]()
    failed = Outcome("failed", reason="out of memory", again=True)
    assert run_here_or_away(job_in(sweep_dir), home, trains(failed, seen)) == (failed, None)
    later = dataclasses.replace(home, mark=b"y")
    _, packed = run_here_or_away(job_in(sweep_dir), later, trains(Outcome("completed"), seen))
    assert packed is not None and seen[0] == seen[1]
    bring_home(packed, trial_dir(sweep_dir, 3))
    assert (trial_dir(sweep_dir, 3) / "checkpoints" / "7" / "state").read_text() == "statestate"
    other = dataclasses.replace(home, machine="another head")
    assert other.away() != home.away()


def test_what_would_leave_its_folder_is_not_unpacked(sweep_dir: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("../../outside")
        archive.addfile(entry, io.BytesIO(b""))
    with pytest.raises((tarfile.FilterError, UserError)):
        bring_home(buffer.getvalue(), trial_dir(sweep_dir, 3))
    assert not (tmp_path / "outside").exists() and not (sweep_dir / "outside").exists()
    assert not trial_dir(sweep_dir, 3).exists()
    shutil.rmtree(sweep_dir)
