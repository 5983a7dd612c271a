"""The program: a command line in, an exit status out."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from jaxdl.cli.options import Options


def main(experiments: Path | None = None) -> NoReturn:
    """Runs the command of this process, and ends the process with its exit status.

    Args:
        experiments: the folder of the experiments that are searched after those of the working folder; None: those that
            come with jaxdl.
    """
    begin = time.perf_counter()  # before the imports, which take most of the start of a short run
    _open_closed_streams()
    gc.disable()  # until the command runs: imports create many objects and no garbage
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Also until then: there is nothing to save, and Ctrl-C in the import of a C++ library would raise ImportError.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from jaxdl.backend.signals import end_process
    from jaxdl.cli.finding import folders_of, shipped_folder

    end_process(_flushed(command(sys.argv[1:], folders_of(experiments or shipped_folder()), begin)))


def _flushed(status: int) -> int:
    """Returns the exit status after all output is written; 2 in the place of 0 if it cannot be."""
    try:
        sys.stdout.flush()
    except OSError as error:
        from jaxdl.report.terminal import announce, drop, reader_is_gone

        gone = reader_is_gone(sys.stdout, error)
        drop(sys.stdout)
        if not gone:
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


def command(arguments: list[str], folders: Sequence[Path], begin: float) -> int:
    """Runs one command; returns its exit status, see `jaxdl.cli.commands.STATUSES`.

    Args:
        arguments: the command line without the program's name.
        folders: where experiments are searched by name, in this order.
        begin: `time.perf_counter` when the command began.
    """
    from jaxdl.cli.argv import program
    from jaxdl.errors import UserError

    name = program()[-1]
    try:
        return _command(arguments, folders, begin)
    except UserError as error:
        _complain(name, str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    except OSError as error:  # about the user's own files: files that we write or download have better messages
        from jaxdl.files.atomic import way_out, writing_failed
        from jaxdl.report.terminal import drop, reader_is_gone

        if not error.filename and reader_is_gone(sys.stdout, error):
            drop(sys.stdout)
            return 0
        action = "write" if writing_failed(error) or not error.filename else "read"
        where = error.filename or "the output"
        _complain(name, f"cannot {action} {where}: {error.strerror or error}; {way_out(error)}.")
        return 2


def _complain(name: str, problem: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(f"{name}: error: {problem}", file=sys.stderr, flush=True)


def _command(arguments: list[str], folders: Sequence[Path], begin: float) -> int:
    from jaxdl.cli.commands import COMMANDS, function_of
    from jaxdl.cli.finding import find_experiment, list_text
    from jaxdl.cli.flags import parse_command_line, peek, refuse_misspelt_experiment

    asked = peek(arguments)
    if not (asked.experiment or asked.run_dir or asked.config or _stops_early(asked)):
        refuse_misspelt_experiment(arguments)
    options, experiment = parse_command_line(arguments, find_experiment(asked, folders))
    if options.version:
        from jaxdl.cli.about import version_text

        print(version_text())
        return 0
    if options.list:
        print(list_text(folders))
        return 0
    if options.new:
        from jaxdl.cli.about import write_recipe

        print(write_recipe(options.new, Path("experiments")))
        return 0
    if options.help:
        from jaxdl.cli.argv import program
        from jaxdl.cli.help import help_text

        print(help_text(experiment, " ".join(program())))
        return 0
    if COMMANDS[options.mode].of_runs:
        from jaxdl.cli.checks import check_options

        check_options(options)
        return int(function_of(options.mode)(options))
    from jaxdl.cli.run import run  # here, so that --list and --help import no JAX

    gc.freeze()  # the imported objects stay until the end, so they need no garbage collection
    gc.enable()
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return run(options, experiment, arguments, begin)


def _stops_early(asked: Options) -> bool:
    """Returns whether a command ends without an experiment."""
    return bool(asked.list or asked.help or asked.version or asked.new)
