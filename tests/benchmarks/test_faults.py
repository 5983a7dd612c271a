"""The fault campaign: what it does to a process, and that nothing is lost at the points that it draws."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import syscalls
from benchmarks.faults import Fault, Injector
from benchmarks.syscalls import Operation

ROOT = Path(__file__).resolve().parents[2]
needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux stops system calls")

# A process of its own: one with threads, as that of the tests, must not fork.
STRUCK = """
    import os, sys
    from pathlib import Path
    from benchmarks import syscalls
    folder, calls = Path(sys.argv[1]), []
    def write():
        for name in "ab":
            try:
                (folder / name).write_text("text")
                Path(f"/proc/self/comm").read_text()
            except OSError as error:
                print(name, error.errno, flush=True)
        os._exit(3)
    def strike(operation):
        calls.append(operation)
        return sys.argv[2] if len(calls) == int(sys.argv[3]) else None
    if not syscalls.is_possible():
        print("impossible")
        sys.exit()
    print(*syscalls.run(write, folder, strike, 30.0))
    for each in calls:
        print(each.kind, Path(each.path).name)
"""


def struck(folder: Path, answer: str, number: int) -> list[str]:
    command = [sys.executable, "-c", textwrap.dedent(STRUCK), str(folder), answer, str(number)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    if "impossible" in done.stdout:
        pytest.skip("this system does not let a process be stopped at its operations")
    return done.stdout.splitlines()


@needs_linux
def test_one_operation_fails_or_kills(tmp_path: Path) -> None:
    undisturbed = struck(tmp_path, "ENOSPC", 1000)
    assert undisturbed[0] == "3 False"
    assert {"create a", "write a", "create b", "write b"} <= set(undisturbed)  # and nothing of /proc
    assert len(undisturbed[1:]) == sum(line.endswith((" a", " b")) for line in undisturbed[1:])
    place = undisturbed.index("write a")
    for path in tmp_path.iterdir():
        path.unlink()
    assert struck(tmp_path, "ENOSPC", place)[:2] == ["a 28", "3 False"]
    assert (tmp_path / "b").read_text() == "text"
    (tmp_path / "b").unlink()
    assert struck(tmp_path, "KILL", place)[0] == "-9 False"
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(("lasting", "answers"), [(True, ["EROFS", "EROFS", None]), (False, ["EROFS", None, None])])
def test_a_lasting_fault_meets_all_writing_after_it(lasting: bool, answers: list[str | None]) -> None:
    folder = Path("/folder")
    operations = [Operation("mkdir", "name", "/folder/a"), Operation("write", "write", "/folder/b")]
    injector = Injector(Fault(0, draw=0.7, lasting=lasting), folder)
    found = [injector(each) for each in (*operations, Operation("read", "read", "/folder/c"))]
    assert found == answers and injector.operation == Operation("mkdir", "name", "a")


def test_each_kind_of_operation_can_fail_or_be_the_last() -> None:
    for kind, errors in syscalls.ERRORS.items():
        count = len(errors) + 1
        given = []
        for place in range(count):
            injector = Injector(Fault(0, draw=(place + 0.5) / count, lasting=False), Path("/"))
            given.append(injector(Operation("any", kind, "/a")))
        assert given == [*errors, syscalls.KILL]


def campaign(folder: Path, *flags: str) -> None:
    command = [sys.executable, "-m", "benchmarks.faults", f"--output={folder}", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    if "cannot stop" in done.stderr:
        pytest.skip("this system does not let a process be stopped at its operations")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder whose syncs take no time, where there is one: what they promise is another test's matter."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@needs_linux
def test_a_save_loses_nothing(tmp_path: Path) -> None:
    campaign(tmp_path, "--scenarios=save", "--points=3", "--seed=1")
    results = json.loads((tmp_path / "faults.json").read_text())
    assert len(results["points"]) == 3 and results["operations"]["save"] > 100
    assert all(point["answer"] and not point["problems"] for point in results["points"])
    assert "| save | " in (tmp_path / "faults.md").read_text()


@needs_linux
@pytest.mark.slow
@pytest.mark.nightly  # its smaller sibling: points of two scenarios, below
@pytest.mark.parametrize("points", [5, 60])
def test_nothing_is_lost_at_any_point(points: int, in_memory: Path) -> None:
    short = ("save", "prediction")  # so that it takes two minutes
    turns = ",".join(["training", *short, "resume", *short, "sweep", *short, "sweep in one program"])
    campaign(in_memory, f"--points={points}", "--seed=2", f"--scenarios={turns}")


@needs_linux
@pytest.mark.slow
def test_a_resumption_and_a_sweep_lose_nothing(in_memory: Path) -> None:
    campaign(in_memory, "--points=2", "--seed=3", "--scenarios=resume,sweep")
