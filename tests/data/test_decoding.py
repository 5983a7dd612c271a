from __future__ import annotations

import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

from jaxdl.data import decoding
from jaxdl.data.decoding import bombs_refused, fill
from jaxdl.errors import UserError

PATHS = [Path(str(number)) for number in range(50)]


def number(path):
    if path.name in ("7", "30"):
        raise UserError(f"{path}: bad")
    return np.full(2, int(path.name))


def test_rows_are_in_the_order_of_the_paths():
    rows = np.zeros((7, 2), np.uint8)
    assert fill(rows, PATHS[:7], number) == {}
    assert np.array_equal(rows[:, 1], range(7))
    assert fill(rows[:0], [], number) == {}


def test_the_first_bad_file_stops_the_reading():
    started = []

    def read(path):
        started.append(path)
        return number(path)

    with pytest.raises(UserError, match="7: bad"):
        fill(np.zeros((50, 2), np.uint8), PATHS, read)
    assert len(started) <= 50


def test_bad_files_are_skipped_and_told_in_order():
    rows = np.full((50, 2), 255, np.uint8)
    assert fill(rows, PATHS, number, skip=True) == {7: "7: bad", 30: "30: bad"}
    assert (rows[[7, 30]] == 255).all()


def test_filled_rows_are_told_in_order_until_one_is_skipped():
    rows, reached = np.zeros((50, 2), np.uint8), list[int]()

    def note(count):
        assert np.array_equal(rows[:count, 0], range(count))
        reached.append(count)

    assert fill(rows[:7], PATHS[:7], number, reached=note) == {}
    assert reached == list(range(1, 8))
    reached.clear()
    fill(rows, PATHS, number, skip=True, reached=lambda count: reached.append(count))
    assert reached == list(range(1, 8))[: len(reached)], "row 7 is skipped, which may be known before row 6 is told"


def test_progress_is_told_only_when_it_takes_long(monkeypatch):
    lines: list[str] = []
    fill(np.zeros((7, 2), np.uint8), PATHS[:7], number, lines.append)
    assert lines == []
    monkeypatch.setattr(decoding, "_QUIET", 0)
    monkeypatch.setattr(decoding, "_TELL_EVERY", 0)
    fill(np.zeros((4, 2), np.uint8), PATHS[:4], number, lines.append)
    assert lines == [f"Decoding 4 images: {percent} %" for percent in (0, 25, 50, 75)]


def test_filters_of_warnings_are_as_before(monkeypatch):
    """Threads that each set and restored them would leave some set."""
    before = list(warnings.filters)
    seen = set()

    def read(path):
        seen.add(threading.current_thread().name)
        return number(Path("1"))

    fill(np.zeros((50, 2), np.uint8), PATHS, read)
    assert seen and threading.current_thread().name not in seen
    with bombs_refused():
        assert warnings.filters != before
    assert list(warnings.filters) == before


def test_of_many_files_each_thread_takes_some_at_a_time(monkeypatch):
    monkeypatch.setattr(decoding, "_TASKS", 1)
    monkeypatch.setattr(decoding, "usable_cores", lambda: [0, 1])
    rows, reached = np.zeros((50, 2), np.int64), list[int]()
    assert set(fill(rows, PATHS, number, skip=True)) == {7, 30}
    assert fill(rows, PATHS, lambda path: np.full(2, int(path.name)), reached=reached.append) == {}
    assert reached == [*range(4, 50, 4), 50]
    assert np.array_equal(rows[:, 0], range(50))
    with pytest.raises(UserError, match="7: bad"):
        fill(rows, PATHS, number)
