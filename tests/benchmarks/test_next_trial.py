"""What one more trial costs, from the times of a short and a long sweep."""

from __future__ import annotations

import sys

import jax
import numpy as np
import pytest

from benchmarks.next_trial import each_trial, main, summarise
from benchmarks.process import Finished, versions_in


def ended(wall: float, processor: float, peak_mib: float) -> Finished:
    return Finished(None, 0, wall, processor, peak_mib, 0.5, "")


def test_what_a_sweep_costs_once_is_left_out() -> None:
    found = each_trial(ended(20.0, 30.0, 500.0), ended(40.0, 70.0, 1000.0), more=100)
    assert found == pytest.approx({"wall": 0.2, "processor": 0.4, "peak_gb": 1.048576, "other_cores": 0.5})


def test_two_commits_are_compared_within_a_round() -> None:
    def figures(wall: float) -> dict[str, float]:
        return {"wall": wall, "processor": 2 * wall, "peak_gb": 1.0}

    rounds = [{"now": figures(0.1), "before": figures(0.2)}, {"now": figures(0.3), "before": figures(0.4)}]
    found = summarise(rounds)
    assert found["now"]["wall"]["median"] == pytest.approx(0.2)
    processor = found["ratio"]["before"]["processor"]
    assert (processor["min"], processor["max"]) == pytest.approx((0.5, 0.75))
    assert not summarise([{"now": figures(0.1)}])["ratio"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trials=64"], "--trials=64: give two numbers, the smaller first"),
        (["--trials=64,16"], "the smaller first"),
        (["--trials=1,2,3"], "the smaller first"),
        (["--peer_trials=8"], "--peer_trials=8: give two numbers, the smaller first"),
        (["--python=torch=python"], "--python=torch=python: must be FRAMEWORK=PATH, with one of optuna-torch"),
        (["--rounds=0"], "--rounds=0: must be at least 1"),
        (["--before=/nowhere"], "there is no launch.py in it"),
    ],
)
def test_wrong_arguments_end_with_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2 and message in capsys.readouterr().err


def test_versions_are_those_of_a_python() -> None:
    assert versions_in(sys.executable, ["numpy", "jax"]) == {"numpy": np.__version__, "jax": jax.__version__}
    assert versions_in(sys.executable, ["no-such-package"]) == {}
