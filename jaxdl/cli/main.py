"""The program: a command line in, an exit status out."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from jaxdl.cli.options import Options
    from jaxdl.experiment import Experiment


def main(experiments: Path) -> NoReturn:
    """Runs the command of this process, and ends the process with its exit status.

    Args:
        experiments: the folder of the experiments.
    """
    begin = time.perf_counter()  # before the imports, which take most of the start of a short run
    _open_closed_streams()
    gc.disable()  # until the command runs: imports create many objects and no garbage
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Also until then: there is nothing to save, and Ctrl-C in the import of a C++ library would raise ImportError.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from jaxdl.backend.signals import end_process

    end_process(_flushed(command(sys.argv[1:], experiments, begin)))


def _flushed(status: int) -> int:
    """Returns the exit status after all output is written; 2 in the place of 0 if it cannot be."""
    try:
        sys.stdout.flush()
    except OSError as error:
        from jaxdl.report.terminal import announce, drop

        drop(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            announce(f"error: cannot write the output: {error.strerror}; write it to another place.")
            return status or 2
    return status


def _open_closed_streams() -> None:
    """Opens the null device in the place of each standard stream that was closed before the start (``>&-``).

    A file of the run would otherwise get the stream's number, and messages would be written into it.
    """
    for number, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def command(arguments: list[str], experiments: Path, begin: float) -> int:
    """Runs one command; returns its exit status.

    It is 0, 1 for a training that diverged, 2 for what the user can mend, and 128 plus the number of a signal that
    stopped it: 130 after SIGINT, 143 after SIGTERM.

    Args:
        arguments: the command line without the program's name.
        experiments: the folder of the experiments.
        begin: `time.perf_counter` when the command began.
    """
    from jaxdl.cli.argv import program
    from jaxdl.errors import UserError

    name = program()[-1]
    try:
        return _command(arguments, experiments, begin)
    except UserError as error:
        _complain(name, str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output, such as head, has ended
        from jaxdl.report.terminal import drop

        drop(sys.stdout)
        return 0
    except OSError as error:  # about the user's own files: files that we write or download have better messages
        from jaxdl.files.atomic import way_out, writing_failed

        action = "write" if writing_failed(error) or not error.filename else "read"
        where = error.filename or "the output"
        _complain(name, f"cannot {action} {where}: {error.strerror or error}; {way_out(error)}.")
        return 2


def _complain(name: str, problem: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(f"{name}: error: {problem}", file=sys.stderr, flush=True)


def _command(arguments: list[str], experiments: Path, begin: float) -> int:
    from jaxdl.cli.flags import parse_command_line, peek, refuse_misspelt_experiment

    asked = peek(arguments)
    if not (asked.experiment or asked.run_dir or asked.list or asked.help):
        refuse_misspelt_experiment(arguments)
    options, experiment = parse_command_line(arguments, find_experiment(asked, experiments))
    if options.list:
        print(list_text(experiments))
        return 0
    if options.help:
        from jaxdl.cli.argv import program
        from jaxdl.cli.help import help_text

        print(help_text(experiment, " ".join(program())))
        return 0
    assert experiment is not None
    from jaxdl.cli.run import run  # here, so that --list and --help import no JAX

    gc.freeze()  # the imported objects stay until the end, so they need no garbage collection
    gc.enable()
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return run(options, experiment, arguments, begin)


def find_experiment(asked: Options, experiments: Path) -> Experiment | None:
    """Returns the experiment from the command or from its run directory; None if it needs none.

    Raises:
        UserError: there is no such experiment or run.
    """
    from jaxdl.cli.commands import COMMANDS
    from jaxdl.errors import UserError
    from jaxdl.experiment.registry import load_experiment

    if asked.list or (asked.help and not asked.experiment):
        return None
    from jaxdl.record import CONFIG  # here, so that --list and --help import less

    of_a_run = asked.mode in COMMANDS and COMMANDS[asked.mode].of_a_run
    resumed = asked.mode == "train" and not asked.experiment and (Path(asked.run_dir) / CONFIG).exists()
    if asked.run_dir and (of_a_run or resumed):
        return _experiment_of_run(asked, experiments)
    if of_a_run and not asked.experiment:
        raise UserError(f"--mode={asked.mode} needs --run_dir=DIR of a finished run.")
    if not asked.experiment:
        raise UserError("no experiment given: use --experiment=NAME; --list prints the names.")
    return load_experiment(asked.experiment, experiments)


def _experiment_of_run(asked: Options, experiments: Path) -> Experiment:
    """Returns the experiment of the run in ``--run_dir``; a run that was made from Python needs no file for it."""
    from jaxdl.errors import UserError
    from jaxdl.experiment.config import from_config
    from jaxdl.experiment.registry import has_experiment, load_experiment
    from jaxdl.record import read_config

    config = read_config(Path(asked.run_dir))
    name = str(config.get("name", ""))
    if asked.experiment not in ("", name):
        raise UserError(f"{asked.run_dir} has a run of {name!r}, not of {asked.experiment!r}.")
    return from_config(config, load_experiment(name, experiments) if has_experiment(name, experiments) else None)


def list_text(experiments: Path) -> str:
    """Returns the experiments of a folder, one per line."""
    from jaxdl.experiment.registry import list_experiments

    found = list_experiments(experiments)
    width = max(map(len, found), default=0)
    return "\n".join(f"{name:{width}}  {line}" for name, line in found.items())
