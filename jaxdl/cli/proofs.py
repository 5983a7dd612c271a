"""The modes that check that a repeated run, and a resumed run, have the same bits."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from jaxdl.cli.argv import program, spelled_out, tokens, without
from jaxdl.cli.options import Options, option_switches
from jaxdl.experiment import Experiment
from jaxdl.record import new_run_dir
from jaxdl.report.terminal import announce
from jaxdl.training import reproduce as proofs

_SHORT_EPOCHS = 2


def reproduce(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    """Trains a finished run again and compares; returns 0 if all bits are the same."""
    copy = new_run_dir(Path("runs"), experiment.name)
    command = [*program(), *arguments]
    found = proofs.reproduce(Path(options.run_dir), copy, experiment, Path(options.data_folder), command, announce)
    announce(found.text())
    return 0 if found.identical else 1


def verify_resume(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    """Stops and resumes a training many times; returns 0 if all bits equal those of an uninterrupted one."""
    folder = Path(options.run_dir) if options.run_dir else new_run_dir(Path("runs"), f"{experiment.name}-verify_resume")
    program_here = program() if program()[0] == "-m" else [sys.argv[0]]
    command = [sys.executable, *program_here, *short_arguments(arguments, experiment)]
    found = proofs.verify_resume(command, folder, options.kills, experiment.seed, announce)
    announce(found.text())
    return 0 if found.identical else 1


def short_arguments(arguments: Sequence[str], experiment: Experiment) -> list[str]:
    """Returns the given arguments, with at most two epochs unless they set the number.

    The training is saved every second, so that even a training of a few seconds resumes in the middle of an epoch.
    """
    switches = option_switches()
    given = tokens(spelled_out(arguments), switches)
    short = without(given, ("mode", "run_dir", "kills"), switches)
    names = {token.name for token in given}
    if not names & {"epochs", "training.epochs"}:
        short.append(f"--training.epochs={min(_SHORT_EPOCHS, experiment.training.epochs)}")
    if not names & {"every", "checkpoint.every"}:
        short.append("--checkpoint.every=1s")
    return short
