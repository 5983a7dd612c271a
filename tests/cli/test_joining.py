"""Flags for several processes, and what these do not do together; no process waits here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jaxdl.backend.distributed import Member
from jaxdl.cli.flags import parse_command_line
from jaxdl.cli.joining import joined, member_of
from jaxdl.errors import UserError
from jaxdl.experiment.registry import load_experiment

ROOT = Path(__file__).resolve().parents[2]
HERE = ("--coordinator=127.0.0.1:1", "--num_processes=2", "--process_id=1")
SLURM = {
    "SLURM_JOB_ID": "4711", "SLURM_STEP_NODELIST": "node1", "SLURM_NTASKS": "64", "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
}  # fmt: skip


def parsed(*flags: str) -> Any:
    return parse_command_line(["--experiment=digits_mlp", *flags], load_experiment("digits_mlp", ROOT / "experiments"))


def test_slurm_in_an_interactive_shell_makes_nobody_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    options, experiment = parsed()
    assert joined(options, experiment) is None
    found = member_of(parsed("--distributed=auto")[0])
    assert found is not None and found.count == 64


def test_flags_name_the_process() -> None:
    assert member_of(parsed(*HERE)[0]) == Member("127.0.0.1:1", 2, 1)
    assert joined(*parsed("--coordinator=127.0.0.1:1", "--num_processes=1", "--process_id=0")) is None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--distributed=auto",), "leave out one of the two"),
        (("--mode=summary",), "--mode=summary needs one"),
        (("--sweep=seed=0:2",), "run it in one process"),
        (("--debug",), "--debug runs without compiled programs"),
        (("--profile",), "--profile traces one process"),
        (("--join_timeout=0.3", "--quiet"), "process 1 waited 0.3 s for process 0 at 127.0.0.1:1 .connection refused."),
    ],
)
def test_what_several_processes_do_not_do_is_refused_in_time(flags: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError, match=said):
        joined(*parsed(*HERE, *flags))
