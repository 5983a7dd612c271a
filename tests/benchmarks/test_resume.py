"""What a checkpoint costs, as it follows from the rounds, and that only a killed training is gone on with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.resume import Bench, lines, with_costs

FIGURES = {"epoch_seconds": {"none": [5.0, 5.1, 4.8], "epoch": [5.03, 5.07, 4.86]}, "resume_seconds": [3.0, 2.9, 3.2]}


def test_the_cost_of_a_checkpoint_is_what_an_epoch_with_one_takes_longer() -> None:
    found = with_costs("keras", FIGURES)
    assert found["checkpoint_seconds"] == pytest.approx({"median": 0.03, "min": -0.03, "max": 0.06, "count": 3})
    assert found["epoch_seconds"] == FIGURES["epoch_seconds"]
    assert "share_at_default_interval" not in found
    assert "keras: 0.030 [-0.030, 0.060] s of the training for one checkpoint" in lines("keras", found)


def test_that_of_jaxdl_is_also_a_share_of_the_thirty_seconds_between_two() -> None:
    found = with_costs("jaxdl", FIGURES)
    share = found["share_at_default_interval"]
    assert share == pytest.approx({"median": 0.001, "min": -0.001, "max": 0.002, "count": 3})
    assert lines("jaxdl", found) == [
        "jaxdl, none: 5.00 [4.80, 5.10] s an epoch",
        "jaxdl, epoch: 5.03 [4.86, 5.07] s an epoch",
        "jaxdl: 0.030 [-0.030, 0.060] s of the training for one checkpoint",
        "jaxdl: 0.10 [-0.10, 0.20] % of it at one every 30 s, the default",
        "jaxdl: 3.00 [2.90, 3.20] s to the first new step",
    ]


class Pretending(Bench):
    """Starts a script instead of a training; the run directory is its argument.

    Attributes:
        script: what each process runs.
    """

    script = ""

    def start(self, framework: str, save: str, epochs: int, run_dir: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", self.script, str(run_dir)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_training_is_killed_at_its_first_checkpoint_and_gone_on_with(tmp_path: Path) -> None:
    bench = Pretending(tmp_path)
    bench.script = """if True:
        import pathlib, sys, time
        checkpoint = pathlib.Path(sys.argv[1], "checkpoints", "100")
        if checkpoint.exists():
            print('{"first_step": 1.5}')
        else:
            checkpoint.mkdir(parents=True)
            time.sleep(60)
    """
    assert bench.resume_seconds("jaxdl") == 1.5


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("""print('{"first_step": 1.5}')""", "status 0: it was finished before it could be killed"),
        ("raise SystemExit('no memory')", "status 1: no memory"),
    ],
)
def test_one_that_ended_before_it_was_killed_tells_nothing(tmp_path: Path, script: str, why: str) -> None:
    bench = Pretending(tmp_path)
    bench.script = script
    with pytest.raises(RuntimeError, match=why):
        bench.resume_seconds("jaxdl")
