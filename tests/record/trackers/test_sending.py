"""A tracker is given what a run records, in a thread of its own; one that is slow, away or wrong holds up nothing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from jaxdl.record.trackers.sending import Sending
from jaxdl.record.trackers.tracker import TrackedRun

FIGURES = {"train/loss": 0.5}


class Noting:
    """Notes what it is given."""

    def __init__(self, id: str | None = "id-1") -> None:
        self.calls: list[tuple[object, ...]] = []
        self.id, self.earlier, self.thread = id, "none", 0

    def begin(self, run: TrackedRun) -> str | None:
        self.earlier, self.thread = str(run.earlier), threading.get_ident()
        return self.id

    def log(self, step: int, epoch: int, figures: Mapping[str, float]) -> None:
        self.calls.append(("log", step, epoch, dict(figures)))

    def show(self, step: int, name: str, value: np.ndarray | str) -> None:
        self.calls.append(("show", step, name, value if isinstance(value, str) else value.shape))

    def end(self, status: str, figures: Mapping[str, float]) -> None:
        self.calls.append(("end", status, dict(figures)))


class Failing(Noting):
    """Raises an error for each second entry, or for all."""

    def __init__(self, all: bool) -> None:
        super().__init__()
        self.all, self.tried = all, 0

    def log(self, step: int, epoch: int, figures: Mapping[str, float]) -> None:
        self.tried += 1
        if self.all or step % 2:
            raise SystemExit("the service is away")  # as some tools do
        super().log(step, epoch, figures)


class Hanging(Noting):
    """Does not come back."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()

    def begin(self, run: TrackedRun) -> str | None:
        self.free.wait(60)
        return None


@pytest.fixture
def run(tmp_path: Path) -> TrackedRun:
    return TrackedRun("digits", tmp_path.name, tmp_path, {"seed": 0})


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    tracker = Hanging()
    yield tracker
    tracker.free.set()


def test_it_is_given_everything_in_order_in_another_thread(run: TrackedRun) -> None:
    tracker, said = Noting(), list[str]()
    sending = Sending("noting", lambda: tracker, run, said.append)
    sending.log(10, 1, "train", FIGURES)
    sending.show(10, "hooks/first", np.zeros((4, 4), np.uint8))
    sending.show(10, "hooks/said", "text")
    sending.close("completed", {"test/loss": 0.25})
    sending.close("completed", {})
    assert tracker.calls == [
        ("log", 10, 1, FIGURES),
        ("show", 10, "hooks/first", (4, 4)),
        ("show", 10, "hooks/said", "text"),
        ("end", "completed", {"test/loss": 0.25}),
    ]
    assert tracker.thread != threading.get_ident() and said == []


def test_a_run_that_resumes_is_known_again_and_given_no_figure_twice(run: TrackedRun) -> None:
    first = Sending("noting", Noting, run, print)
    first.log(10, 1, "train", FIGURES)
    first.log(10, 1, "validation", FIGURES)
    first.log(20, 2, "train", FIGURES)
    first.close("preempted", {})
    assert json.loads((run.run_dir / "trackers/noting.json").read_text())["id"] == "id-1"
    tracker = Noting()
    second = Sending("noting", lambda: tracker, run, print)
    for split in ("train", "validation"):
        second.log(20, 2, split, {f"{split}/loss": 1.0})
    second.log(30, 3, "train", FIGURES)
    second.close("completed", {})
    assert tracker.earlier == "id-1"
    assert [call[1:] for call in tracker.calls] == [
        (20, 2, {"validation/loss": 1.0}),
        (30, 3, FIGURES),
        ("completed", {}),
    ]


def test_one_that_hangs_holds_up_nothing_and_is_left_alone_at_the_end(run: TrackedRun, hanging: Hanging) -> None:
    said: list[str] = []
    sending = Sending("hanging", lambda: hanging, run, said.append, seconds_at_end=0.2, most_waiting=10)
    begin = time.perf_counter()
    for step in range(1000):
        sending.log(step, 0, "train", FIGURES)
    assert time.perf_counter() - begin < 1
    sending.close("completed", {})
    assert time.perf_counter() - begin < 5
    assert "hanging has not taken everything within 0.2 s" in said[0] and "too slow for 990 entries" in said[1]


def test_one_that_is_slow_is_waited_for_at_the_end(run: TrackedRun) -> None:
    class Slow(Noting):
        def log(self, step: int, epoch: int, figures: Mapping[str, float]) -> None:
            time.sleep(0.05)
            super().log(step, epoch, figures)

    tracker, said = Slow(), list[str]()
    sending = Sending("slow", lambda: tracker, run, said.append)
    for step in range(5):
        sending.log(step, 0, "train", FIGURES)
    sending.close("completed", {})
    assert len(tracker.calls) == 6 and said == []


def test_an_error_is_told_and_what_follows_is_taken(run: TrackedRun) -> None:
    tracker, said = Failing(all=False), list[str]()
    sending = Sending("failing", lambda: tracker, run, said.append)
    for step in range(7):
        sending.log(step, 0, "train", FIGURES)
    sending.close("completed", {})
    assert [call[1] for call in tracker.calls] == [0, 2, 4, 6, "completed"]
    assert len(said) == 1 and said[0].startswith("failing did not take an entry (SystemExit: the service is away)")


def test_after_several_errors_in_a_row_it_is_given_nothing_more(run: TrackedRun) -> None:
    tracker, said = Failing(all=True), list[str]()
    sending = Sending("failing", lambda: tracker, run, said.append)
    for step in range(20):
        sending.log(step, 0, "train", FIGURES)
        time.sleep(0.01)
    sending.close("completed", {})
    assert tracker.tried == 3 and tracker.calls == []
    assert "failing does not work (SystemExit: the service is away)" in said[-1]


def test_one_that_cannot_begin_is_told(run: TrackedRun) -> None:
    said: list[str] = []

    def make() -> Noting:
        raise ImportError("no module named tool")

    sending = Sending("tool", make, run, said.append)
    sending.close("completed", {})
    assert len(said) == 1 and "tool does not work (ImportError: no module named tool)" in said[0]
