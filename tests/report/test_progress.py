"""The progress of a training: a bar on a terminal and in a notebook, one plain line an epoch elsewhere."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import jaxdl.errors
from jaxdl.report.progress import Progress, Reached

ROOT = Path(jaxdl.errors.__file__).parents[1]
TRAINING = """
    import sys, time
    from jaxdl.report.progress import Progress, Reached
    with Progress("mnist_cnn", epochs=2, steps=20) as progress:
        for epoch in (1, 2):
            for step in range(10 * epoch - 9, 10 * epoch + 1):
                progress.update(Reached(step, epoch, {"train": {"loss": 1 / step, "accuracy": 0.5}}, 12_345.0))
                time.sleep(0.03)
            figures = {"train": {"loss": 0.5}, "validation": {"accuracy": 0.25}}
            progress.end_epoch(Reached(10 * epoch, epoch, figures))
    print("results")
"""


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def command(text: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(text)]


def test_without_a_terminal_there_is_one_plain_line_an_epoch_on_stderr() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command(TRAINING), env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "results\n"
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1/2  train loss 0.5000  validation accuracy 0.2500  12,345 examples/s  ")
    assert lines[1].endswith("0:00 left")
    assert "\x1b" not in done.stderr


def test_on_a_terminal_there_is_a_bar_that_goes_when_the_training_ends() -> None:
    shown_end, program_end = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command(TRAINING), env=environment, stdout=subprocess.PIPE, stderr=program_end) as process:
        os.close(program_end)
        output = b""
        while True:
            try:
                output += os.read(shown_end, 65536)
            except OSError:  # how Linux tells that the other end was closed
                break
        assert process.stdout is not None
        assert process.stdout.read() == b"results\n"
    os.close(shown_end)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.decode())
    bar = r"mnist_cnn +━+ +epoch 1/2  step \d+/20 .*left\s+loss 0\.\d+ accuracy 0\.5000  12,345 examples/s"
    assert re.search(bar, text.replace("╺", "━").replace("╸", "━"))
    assert text.count("epoch 1/2  train loss 0.5000") == 1
    assert output.count(b"\x1b[?25l") == output.count(b"\x1b[?25h") == 1  # the cursor comes back


def test_the_time_left_follows_the_pace_without_the_compilation() -> None:
    clock, file = Clock(), io.StringIO()
    with Progress("x", epochs=4, steps=400, file=file, clock=clock) as progress:
        clock.now += 60  # compiling
        progress.update(Reached(50, 1, {"train": {}}))
        clock.now += 5
        progress.end_epoch(Reached(100, 1, {"train": {"loss": 1.0}}))
        clock.now += 10
        progress.end_epoch(Reached(200, 2, {"train": {"loss": 1.0}}))
        progress.end_epoch(Reached(400, 4, {"train": {"loss": 1.0}}))
    ends = [re.findall(r"(\d+:\d\d) left$", line)[0] for line in file.getvalue().splitlines()]
    assert ends == ["0:30", "0:20", "0:00"]


def test_the_time_left_is_open_until_something_is_known() -> None:
    file = io.StringIO()
    with Progress("x", epochs=4, steps=400, file=file) as progress:
        progress.end_epoch(Reached(100, 1, {}))
    assert file.getvalue().endswith("-:-- left\n")


def test_a_resumed_training_counts_from_where_it_went_on() -> None:
    clock, file = Clock(), io.StringIO()
    with Progress("x", epochs=4, steps=400, first_step=200, file=file, clock=clock) as progress:
        progress.update(Reached(250, 3, {"train": {}}))
        clock.now += 10
        progress.end_epoch(Reached(300, 3, {}))
    assert file.getvalue().endswith("  0:20 left\n")
