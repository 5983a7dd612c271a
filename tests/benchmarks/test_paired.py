"""What is made of paired measurements, and that the commands that are measured run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.paired import main, summarise, table
from benchmarks.process import ROOT

ROUNDS = [
    {"list": {"before": 1.0, "now": 2.0}, "digits_cnn": {"before": 1000.0, "now": 3000.0}},
    {"list": {"before": 2.0, "now": 1.0}, "digits_cnn": {"before": 2000.0, "now": 2000.0}},
    {"list": {"before": 4.0, "now": 5.0}},
]


def test_ratios_are_those_of_each_round() -> None:
    """The ratio of the medians would be 1 for ``list``."""
    found = summarise(ROUNDS)
    assert found["list"]["before"] == {"median": 2.0, "min": 1.0, "max": 4.0, "count": 3}
    assert found["list"]["now"] == {"median": 2.0, "min": 1.0, "max": 5.0, "count": 3}
    assert found["list"]["ratio"] == {"median": 1.25, "min": 0.5, "max": 2.0, "count": 3}
    assert found["digits_cnn"]["ratio"] == {"median": 2.0, "min": 1.0, "max": 3.0, "count": 2}


def test_the_table_has_a_line_for_each_measurement() -> None:
    _, listing, training = table(summarise(ROUNDS)).splitlines()
    assert listing.split() == [
        "list",
        "s",
        "2.000",
        "[1.000,",
        "4.000]",
        "2.000",
        "[1.000,",
        "5.000]",
        "1.250",
        "[0.500,",
        "2.000]",
    ]
    assert training.split()[:5] == ["digits_cnn", "examples/s", "1,500", "[1,000,", "2,000]"]


@pytest.mark.slow
@pytest.mark.nightly
def test_a_checkout_is_measured_beside_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Here beside itself."""
    assert main([f"--before={ROOT}", "--rounds=1", "--only=list,first_step", f"--output={tmp_path}"]) == 0
    written = json.loads((tmp_path / "paired.json").read_text())
    [figures] = written["rounds"]
    assert figures.keys() == {"list", "first_step"}
    assert all(seconds > 0 for sides in figures.values() for seconds in sides.values())
    assert table(written["summary"]) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--before=nowhere"], "--before=nowhere: there is no launch.py in it"),
        ([f"--before={ROOT}", "--only=lst"], "--only=lst: must be some of list, help"),
        ([f"--before={ROOT}", "--rounds=0"], "--rounds=0: must be at least 1"),
        ([], "required: --before"),
    ],
)
def test_bad_input_ends_with_status_2(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(flags)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_command_that_fails_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "launch.py").write_text("raise SystemExit('it broke')")
    assert main([f"--before={tmp_path}", "--rounds=1", "--only=list", f"--output={tmp_path}"]) == 1
    assert f"{tmp_path}: --list: it broke" in capsys.readouterr().err
