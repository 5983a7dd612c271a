"""How SIGINT and SIGTERM end a training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from jaxdl.backend.signals import StopSignals, Terminated
from jaxdl.record import read_summary

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_first_signal_only_asks(number: signal.Signals, error: type[BaseException]) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with StopSignals() as signals:
        assert signals.received is None
        os.kill(os.getpid(), number)
        assert signals.received == number
        # A second one is the operating system's.
        assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == [signal.SIG_DFL] * 2
    with pytest.raises(error):
        signals.raise_received()
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


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


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
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
    assert f"the same command with --run_dir={run_dir} goes on" in output
    summary = read_summary(run_dir)
    assert summary["status"] == "preempted"
    assert [int(path.name) for path in (run_dir / "checkpoints").iterdir()] == [summary["step"]]


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
