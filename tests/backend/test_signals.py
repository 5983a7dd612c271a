"""When a training stands still, and how signals end it."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.backend.signals import StopSignals, Terminated
from jaxdl.fields.interval import Interval
from jaxdl.record import read_summary
from jaxdl.report.run import write_report
from jaxdl.training.saving import SavingPauses

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (signal.SIGINT, KeyboardInterrupt),
        (signal.SIGTERM, Terminated),
        (signal.SIGHUP, Terminated),
        (signal.SIGUSR1, Terminated),
    ],
)
def test_a_first_signal_only_asks(number: signal.Signals, error: type[BaseException]) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with StopSignals() as signals:
        pauses = SavingPauses(Interval.parse("1h"), 100, 0, signals)
        assert not pauses.due(3)
        os.kill(os.getpid(), number)
        assert pauses.due(3)
        # A second one is the operating system's.
        assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == [signal.SIG_DFL] * 2
    with pytest.raises(error):
        signals.raise_received()
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_ignored_hangup_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.received is None
    finally:
        signal.signal(signal.SIGHUP, before)


class Interrupted(nn.Module):
    """Is sent SIGTERM while its program is traced.

    Attributes:
        outputs: size of the last layer.
    """

    outputs: int | None = None

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        assert self.outputs is not None
        if signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)  # raises here, where it does
        return nn.Dense(self.outputs)(inputs.reshape((inputs.shape[0], -1)).astype(np.float32))


@pytest.mark.slow
@pytest.mark.usefixtures("terminated")
def test_a_signal_is_no_error_of_what_is_being_prepared(tmp_path: Path, recipe: jaxdl.Experiment) -> None:
    with pytest.raises(Terminated) as caught:
        jaxdl.train(dataclasses.replace(recipe, model=Interrupted()), run_dir=tmp_path / "run", data_dir=tmp_path)
    assert not any("flax" in str(entry.path) or "jax/_src" in str(entry.path) for entry in caught.traceback)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("terminated")
def test_a_signal_at_the_end_leaves_a_whole_run_and_is_not_lost(
    tmp_path: Path, recipe: jaxdl.Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        write_report(*arguments, **options)

    monkeypatch.setattr("jaxdl.training.one_run.write_report", interrupted)
    with pytest.raises(Terminated):
        jaxdl.train(recipe, run_dir=tmp_path, data_dir=tmp_path)
    assert read_summary(tmp_path)["status"] == "completed"
    assert '<p class="sub">completed' in (tmp_path / "report.html").read_text()


@pytest.fixture
def terminated() -> Iterator[None]:
    """SIGTERM raises `Terminated` wherever it comes, as in a command."""

    def terminate(number: int, frame: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    yield
    signal.signal(signal.SIGTERM, before)


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


# A training that never ends by itself, and says when it has begun.
ENDLESS = """
    import sys
    from pathlib import Path
    import jaxdl
    from jaxdl.cli.run import run
    from jaxdl.cli.options import Options
    recipe = jaxdl.Experiment(
        name="endless",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(16,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
        training=jaxdl.Training(epochs=1_000_000, batch_size=8),
        checkpoint=jaxdl.Checkpointing(every="1h"),
    )
    sys.exit(run(Options(run_dir=sys.argv[1], platform="cpu"), recipe, ["x"], 0.0))
"""


def wait_until_it_trains(process: subprocess.Popen[str], run_dir: Path) -> None:
    limit = time.monotonic() + 60
    while not (run_dir / "metrics.jsonl").exists():
        assert process.poll() is None and time.monotonic() < limit, process.communicate()[0]
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGUSR1, 128 + signal.SIGUSR1)],
)
def test_one_signal_saves_and_ends_the_run_within_seconds(tmp_path: Path, number: signal.Signals, status: int) -> None:
    run_dir = tmp_path / "run"
    with start(ENDLESS, run_dir) as process:
        wait_until_it_trains(process, run_dir)
        assert not (run_dir / "checkpoints").exists()
        asked = time.monotonic()
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == status, output
    assert time.monotonic() - asked < 20
    assert f"the same command with --run_dir={run_dir} resumes" in output
    summary = read_summary(run_dir)
    assert summary["status"] == "preempted"
    assert [int(path.name) for path in (run_dir / "checkpoints").iterdir()] == [summary["step"]]


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    with start(ENDLESS, run_dir) as process:
        wait_until_it_trains(process, run_dir)
        process.send_signal(signal.SIGSTOP)  # so that both signals are there before it can answer the first
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        for _ in range(200):
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        process.communicate(timeout=60)
    assert process.returncode in (-signal.SIGINT, 130)
