"""The run directory: one owner at a time, whole files or none, and nothing written into what is not ours."""

from __future__ import annotations

import datetime
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import jaxdl.errors
from jaxdl.errors import UserError
from jaxdl.record import (
    RunDirectory,
    new_run_dir,
    read_config,
    read_metrics,
)

ROOT = Path(jaxdl.errors.__file__).parents[1]


def script(text: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def listing(path: Path) -> list[str]:
    return sorted(str(p.relative_to(path)) for p in path.rglob("*"))


def test_a_new_run_directory_is_named_by_time_and_chance(tmp_path: Path) -> None:
    paths = {new_run_dir(tmp_path / "runs", "mnist_cnn") for _ in range(20)}
    assert len(paths) == 20
    for path in paths:
        assert path.parent == tmp_path / "runs" / "mnist_cnn"
        time, _, digits = path.name.partition("-")
        written = datetime.datetime.strptime(time, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
        assert abs(datetime.datetime.now(datetime.UTC) - written) < datetime.timedelta(seconds=10)
        assert re.fullmatch("[0-9a-f]{6}", digits)
    assert listing(tmp_path) == []


@pytest.mark.parametrize("damage", [b"", b'{"step": 1, "epoch": 1, "split": "train", "loss": 7.0}\n' * 2])
def test_metrics_that_were_cut_or_changed_are_refused_and_left_as_they_are(tmp_path: Path, damage: bytes) -> None:
    with RunDirectory.create(tmp_path, "x") as run:
        run.write_config({"name": "x"})
        run.log_metrics(1, 1, "train", {"loss": 1.0})
        run.log_metrics(2, 2, "train", {"loss": 2.0})
        mark = run.mark()
        (tmp_path / "metrics.jsonl").write_bytes(damage)
        with pytest.raises(
            UserError, match=r"metrics\.jsonl is not what it was when step 2 was saved: it had \d+ bytes"
        ):
            run.rewind(2, mark)
    assert (tmp_path / "metrics.jsonl").read_bytes() == damage


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the run directory ``tmp_path/run``."""
    text = """
        import sys, time
        from pathlib import Path
        from jaxdl.record import RunDirectory
        run = RunDirectory.create(Path(sys.argv[1]), "x")
        run.write_config({"name": "x"})
        print("held", flush=True)
        time.sleep(60)
    """
    with subprocess.Popen(
        script(text, tmp_path / "run"), env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_directory_in_use_is_refused_until_its_process_is_killed(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    before = listing(tmp_path)
    with pytest.raises(UserError, match=f"{tmp_path}/run is in use by process {holder.pid}"):
        RunDirectory.create(tmp_path / "run", "x")
    assert listing(tmp_path) == before
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with RunDirectory.create(tmp_path / "run", "x"):
        pass


def test_one_process_holds_a_directory_once_and_gives_it_back(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "x")
    with pytest.raises(UserError, match=f"in use by process {os.getpid()}"):
        RunDirectory.create(tmp_path, "x")
    run.close()
    run.close()
    RunDirectory.create(tmp_path, "x").close()


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="file is a file"):
        RunDirectory.create(tmp_path / "file", "x")
    with pytest.raises(UserError, match="cannot .*file/below: Not a directory"):
        RunDirectory.create(tmp_path / "file" / "below", "x")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("files", [{"notes.txt": "mine"}, {"config.json": '{"model_type": "bert"}'}])
def test_a_folder_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match="is not empty and is not a run directory"):
        RunDirectory.create(tmp_path, "x")
    assert listing(tmp_path) == sorted(files)


def test_a_run_of_another_experiment_is_refused(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path, "mnist_cnn") as run:
        run.write_config({"name": "mnist_cnn"})
    before = listing(tmp_path)
    with pytest.raises(UserError, match="belongs to experiment 'mnist_cnn', not 'mnist_mlp'"):
        RunDirectory.create(tmp_path, "mnist_mlp")
    assert listing(tmp_path) == before
    RunDirectory.create(tmp_path, "mnist_cnn").close()


def test_a_copied_run_is_known_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"name": "x"}')
    RunDirectory.create(tmp_path, "x").close()
    (tmp_path / "config.json").write_text('{"name": "y"}')
    with pytest.raises(UserError, match="belongs to experiment 'y'"):
        RunDirectory.create(tmp_path, "x")


def test_a_folder_without_write_permission_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    text = """
        import os, sys
        from pathlib import Path
        from jaxdl.errors import UserError
        from jaxdl.record import RunDirectory
        folder = os.open(sys.argv[1], os.O_RDONLY)
        if os.getuid() == 0:
            os.setuid(65534)  # root may write anywhere
        os.fchdir(folder)
        for path in (Path("."), Path("new") / "run"):
            try:
                RunDirectory.create(path, "x")
            except UserError as error:
                print(error)
    """
    done = subprocess.run(script(text, folder), env=environment(), capture_output=True, text=True)
    first, second = done.stdout.splitlines()
    assert first == "cannot create the run directory .: Permission denied; check the permissions.", done.stderr
    assert second == "cannot create the run directory new/run: Permission denied; check the permissions."
    assert listing(folder) == []


def test_a_run_that_ends_before_it_began_leaves_nothing(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "runs" / "x" / "1", "x") as run:
        run.discard_if_new()
    assert listing(tmp_path) == []
    with RunDirectory.create(tmp_path / "runs" / "1", "x") as run:
        (tmp_path / "runs" / "other").mkdir()
        run.discard_if_new()
    assert listing(tmp_path) == ["runs", "runs/other"]
    with RunDirectory.create(tmp_path / "runs" / "2", "x") as run:
        run.write_config({"name": "x"})
        run.discard_if_new()
    assert (tmp_path / "runs" / "2" / "config.json").exists()


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_files_have_the_users_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        with RunDirectory.create(tmp_path / "run", "x") as run:
            run.write_config({"name": "x"})
            run.log_metrics(1, 1, "train", {"loss": 1.0})
    finally:
        os.umask(before)
    for path in (tmp_path / "run").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask, path
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o777 & ~mask


FULL_DISK = """
    import resource, sys
    from pathlib import Path
    from jaxdl.errors import UserError
    from jaxdl.record import RunDirectory
    run = RunDirectory.create(Path(sys.argv[1]), "x")
    run.write_config({"name": "x"})
    run.log_metrics(1, 1, "train", {"loss": 1.0})
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
    for write in (
        lambda: run.write_config({"name": "x", "more": "x" * 1000}),
        lambda: run.log_metrics(2, 1, "train", {"loss" * 1000: 1.0}),
    ):
        try:
            write()
        except UserError as error:
            print(error)
"""


def test_a_full_disk_is_named_and_the_files_before_are_intact(tmp_path: Path) -> None:
    done = subprocess.run(script(FULL_DISK, tmp_path), env=environment(), capture_output=True, text=True)
    way_out = "File too large; raise the limit on file sizes (ulimit -f)."
    assert done.stdout.splitlines() == [
        f"cannot write {tmp_path}/config.json: {way_out}",
        f"cannot write {tmp_path}/metrics.jsonl: {way_out}",
    ], done.stderr
    assert read_config(tmp_path) == {"name": "x"}
    assert read_metrics(tmp_path) == [{"step": 1, "epoch": 1, "split": "train", "loss": 1.0}]
    assert not [p for p in tmp_path.iterdir() if p.name.endswith(".tmp")]


def test_a_directory_removed_while_in_use_is_named(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", "x")
    run.log_metrics(1, 1, "train", {"loss": 1.0})
    shutil.rmtree(tmp_path / "run")
    writes = (lambda: run.write_summary({}), lambda: run.log_metrics(2, 1, "train", {"loss": 1.0}), run.sync)
    for write in writes:
        with pytest.raises(UserError, match="the run directory .*run was removed while it was in use"):
            write()
    # Another process may have made it anew: what is in it now is that one's.
    with RunDirectory.create(tmp_path / "run", "x") as other:
        for write in writes:
            with pytest.raises(UserError, match="was removed while it was in use"):
                write()
        other.log_metrics(7, 1, "train", {"loss": 7.0})
        other.sync()
    run.close()
    assert [line["step"] for line in read_metrics(tmp_path / "run")] == [7]


def test_metrics_that_are_changed_while_they_are_written_are_noticed(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path, "x") as run:
        run.log_metrics(1, 1, "train", {"loss": 1.0})
        run.sync()
        (tmp_path / "metrics.jsonl").unlink()
        run.log_metrics(2, 2, "train", {"loss": 1.0})
        with pytest.raises(UserError, match=r"metrics\.jsonl was changed while the run wrote it"):
            run.sync()
