"""The benchmark of trainings side by side: its table, what it refuses, and that it really times steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import widths


def test_medians_are_printed_beside_those_of_a_training_alone() -> None:
    rounds = [
        {"digits_mlp": {"alone": {"seconds": s, "peak": 3e8}, "16": {"seconds": s / 4, "peak": 5e8}}}
        for s in (1e-3, 3e-3, 2e-3)
    ]
    assert widths.table(rounds).splitlines() == [
        "| | alone | 16 |",
        "|---|---|---|",
        "| `digits_mlp` | 2 ms (1.00), 0.30 GB | 0.5 ms (0.25), 0.50 GB |",
    ]


@pytest.mark.parametrize(
    ("option", "problem"),
    [("--forms=alone,1", "1 is no form"), ("--worker=digits_mlp", "nothing is no form"), ("--rounds=0", "at least 1")],
)
def test_what_cannot_be_measured_is_refused(option: str, problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        widths.main(["--data_dir=none", option])
    assert stop.value.code == 2
    assert problem in capsys.readouterr().err


@pytest.mark.slow
def test_each_form_is_timed_in_a_process_of_its_own(tmp_path: Path) -> None:
    output = tmp_path / "widths.json"
    options = ["--experiments=digits_mlp", "--forms=alone,threads,4", "--rounds=1"]
    assert widths.main([*options, f"--data_dir={tmp_path}", f"--output={output}"]) == 0
    (found,) = json.loads(output.read_text())["rounds"]
    assert list(found["digits_mlp"]) == ["alone", "threads", "4"]
    assert all(1e-6 < each["seconds"] < 1 and each["peak"] > 1e8 for each in found["digits_mlp"].values())
