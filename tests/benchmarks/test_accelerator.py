"""The script for a machine with an accelerator, tried in small on the CPU."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import accelerator
from benchmarks.accelerator import PRECISIONS, WORKLOADS, problems, table


def figures(losses: list[float], **changes: Any) -> dict[str, Any]:
    known = {"step_seconds": [0.002, 0.001, 0.009], "step_flops": {"float32": 4_000_000_000}}
    return {"losses": losses, "compiled_bytes": 10_000_000, "predicted_bytes": 9_000_000} | known | changes


def test_a_row_has_the_median_step_its_rate_and_the_memory() -> None:
    rows = table({"mlp": {"float32": figures([2.3, 0.5])}}, {"float32": 8e12}).splitlines()
    assert rows[2:] == ["| mlp | float32 | 2.000 | 2 | 25% | 10.0 | x0.90 | 2.30 to 0.500 |"]


@pytest.mark.parametrize(
    ("single", "half", "count"),
    [
        ([2.3, 0.5], [2.3, 0.6], 0),
        ([2.3, 2.2], [2.3, 2.1], 2),
        ([2.3, 0.5], [2.3, 1.1], 1),
        ([2.3, float("nan")], [2, 1], 2),
    ],
)
def test_what_does_not_learn_or_lies_apart_is_a_problem(single: list[float], half: list[float], count: int) -> None:
    assert len(problems("mlp", {"float32": figures(single), "bfloat16": figures(half)})) == count


@pytest.mark.slow
def test_it_runs_within_its_time_and_writes_after_each_workload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jaxdl.backend.rates.measured_peak", lambda *given: SimpleNamespace(flops_per_second=1e9))
    output = tmp_path / "accelerator.json"
    assert accelerator.main(["--tiny", "--rounds=1", "--workloads=mlp", f"--output={output}"]) == 0
    written = json.loads(output.read_text())
    assert list(written["figures"]) == ["mlp"] and written["left_out"] == []
    for by_precision in written["figures"].values():
        assert tuple(by_precision) == PRECISIONS
    assert set(WORKLOADS) > set(written["figures"])


def test_when_the_time_is_up_no_workload_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jaxdl.backend.rates.measured_peak", lambda *given: SimpleNamespace(flops_per_second=1.0))
    assert accelerator.main(["--minutes=0", f"--output={tmp_path / 'a.json'}"]) == 0
    assert capsys.readouterr().err.count("the time is up") == len(WORKLOADS)
