"""What a run prints: lines above a live area, messages on stderr, results on stdout."""

from __future__ import annotations

import errno
import io
import os
import pty
import re
from pathlib import Path
from typing import Any

import pytest

import jaxdl.errors
from jaxdl.errors import printable
from jaxdl.report.progress import Progress, Reached
from jaxdl.report.terminal import LiveArea, announce, reader_is_gone, results_table


def test_an_area_without_a_terminal_is_the_lines_of_text_alone() -> None:
    file = io.StringIO()
    area = LiveArea(lambda: "never shown", file)
    area.say("before")
    with area:
        area.say("one\ntwo \x1b[2J")
    assert file.getvalue() == "before\none\ntwo \\x1b[2J\n"


BASELINES = {"always 3": {"test/accuracy": 0.125}}
SUMMARY: dict[str, Any] = {
    "experiment": "mnist_cnn",
    "status": "completed",
    "metrics": {
        "validation/accuracy": 0.975,
        "test/accuracy": 0.98765,
        "test/loss": 0.012345,
        "test/confusion": [[1, 0], [0, 1]],
    },
    "data": {"requested": "mnist", "used": "digits", "substituted": True, "best_loss": 0.001, "baselines": BASELINES},
    "parameters": 1_199_882,
    "train_examples_per_second": 12345.6,
    "wall_seconds": 33.33,
    "compile_seconds": 2.5,
}


def results(summary: dict[str, Any], run_dir: str = "runs/mnist_cnn/1") -> str:
    file = io.StringIO()
    results_table(summary, Path(run_dir), file=file)
    return file.getvalue()


def test_the_results_name_the_stand_in_beside_every_figure() -> None:
    lines = [re.split(r"\s{2,}", line.strip()) for line in results(SUMMARY).splitlines()]
    assert ["metric", "validation", "test", "measured on"] in lines
    assert ["accuracy", "0.9750", "0.9877", "digits (stand-in for mnist)"] in lines
    assert ["loss", "0.01235", "digits (stand-in for mnist)"] in lines
    for line in (
        ["status", "completed"],
        ["best possible", "loss 0.001, no model can have a lower expected loss"],
        ["parameters", "1,199,882"],
        ["speed", "12,346 examples/s"],
        ["time", "33.3 s, 2.5 s of it compiling"],
        ["run directory", "runs/mnist_cnn/1"],
        ["baseline", "always 3: test accuracy 0.1250"],
    ):
        assert line in lines
    assert not any("confusion" in cell for line in lines for cell in line)


def test_operations_per_second_stand_beside_the_speed() -> None:
    achieved = {"train_flops_per_second": 4.321e9, "train_flops_share": None}
    assert "examples/s, 4.32 GFLOP/s\n" in results(SUMMARY | achieved)
    assert "4.32 GFLOP/s, 5% of the measured peak" in results(SUMMARY | achieved | {"train_flops_share": 0.0512})
    beyond = results(SUMMARY | achieved | {"train_flops_share": 1.09})
    assert "more than the measured peak: measure again with --mode=devices" in beyond and "109%" not in beyond


def test_a_long_path_stays_on_one_line() -> None:
    path = "/" + "/".join(["folder"] * 40)
    assert f"run directory  {path}\n" in results(SUMMARY, path)


def test_a_summary_that_holds_next_to_nothing_is_shown() -> None:
    assert "failed" in results({"experiment": "x", "status": "failed"})


def test_results_go_to_stdout_and_messages_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    results_table(SUMMARY, Path("runs/x"))
    announce("mnist is not here\nusing digits")
    out, err = capsys.readouterr()
    assert "0.9877" in out and "mnist is not here" not in out
    assert err == "mnist is not here\nusing digits\n"


HOSTILE = "[red]x[/red] \x1b[2J\x07\x9b1m\u202e"


def test_nothing_from_data_steers_the_terminal_or_the_markup() -> None:
    shown = []
    file = io.StringIO()
    with Progress(HOSTILE, epochs=1, steps=1, file=file) as progress:
        progress.end_epoch(Reached(1, 1, {HOSTILE: {HOSTILE: 1.0}}))
        progress.say(HOSTILE)
    shown.append(file.getvalue())
    summary = {
        "experiment": HOSTILE,
        "metrics": {f"{HOSTILE}/{HOSTILE}": 1.0},
        "data": {"used": HOSTILE, "requested": HOSTILE, "substituted": True},
    }
    shown.append(results(summary, HOSTILE))
    announce(HOSTILE, file=(file := io.StringIO()))
    shown.append(file.getvalue())
    for text in shown:
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
        assert "[red]" in text and "\\x1b" in text


def test_text_is_kept_and_what_steers_a_terminal_is_spelled_out() -> None:
    assert printable("Zürich 数字") == "Zürich 数字"
    assert printable("a\nb\x1b") == "a\\nb\\x1b"


class Gone(io.StringIO):
    """A terminal that was closed, or a pipe whose reader has ended."""

    def __init__(self, error: OSError):
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error

    def isatty(self) -> bool:
        return isinstance(self.error, BrokenPipeError)


GONE = [OSError(errno.EIO, "Input/output error"), BrokenPipeError(errno.EPIPE, "Broken pipe")]


@pytest.mark.parametrize("error", GONE)
def test_a_terminal_that_is_gone_ends_nothing(error: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    announce("a message", Gone(error))
    with Progress("mnist", 2, 10, file=Gone(error)) as progress:
        progress.update(Reached(3, 1, {"train": {"loss": 0.5}}))
        progress.end_epoch(Reached(5, 1, {"train": {"loss": 0.5}}))


def test_results_that_nobody_reads_are_dropped_and_those_that_cannot_be_written_are_named() -> None:
    results_table({"metrics": {"test/loss": 1.0}}, Path("run"), Gone(GONE[1]))
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(
        jaxdl.errors.UserError, match="cannot write the results: No space left on device; .*run/summary"
    ):
        results_table({"metrics": {"test/loss": 1.0}}, Path("run"), Gone(full))


def test_a_closed_terminal_is_a_reader_that_is_gone_and_a_disk_that_fails_is_none(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    os.close(ours)
    with open(theirs, "w") as terminal, open(tmp_path / "file", "w") as file:
        with pytest.raises(OSError) as raised:
            os.write(theirs, b"results")
        assert raised.value.errno == errno.EIO
        assert reader_is_gone(terminal, raised.value) and not reader_is_gone(file, raised.value)
        assert not reader_is_gone(terminal, OSError(errno.ENOSPC, "No space left on device"))
        results_table({"metrics": {"test/loss": 1.0}}, Path("run"), terminal)  # the results are in the run directory
