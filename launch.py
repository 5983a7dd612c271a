"""Runs an experiment: ``python launch.py --experiment=mnist_cnn``; ``--list`` and ``--help`` say what else there is."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

_BEGIN = time.perf_counter()  # before the imports below, which take most of a short run's start
gc.disable()  # until `main` runs the command: importing makes many objects and no garbage
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Until then, too: nothing is there to save, and Ctrl-C in the import of a library in C++ would be an ImportError.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from jaxdl.backend.signals import end_process  # noqa: E402
from jaxdl.cli.flags import help_text, parse_command_line  # noqa: E402
from jaxdl.cli.options import Options  # noqa: E402
from jaxdl.errors import UserError  # noqa: E402
from jaxdl.experiment.registry import list_experiments, load_experiment  # noqa: E402

if TYPE_CHECKING:
    from jaxdl.experiment import Experiment

# The modes whose experiment is that of a run directory.
_OF_A_RUN = ("eval", "predict", "export", "reproduce")
EXPERIMENTS = Path(__file__).resolve().parent / "experiments"


def find_experiment(options: Options) -> Experiment | None:
    """Returns the experiment that the command names, or that its run directory was made by."""
    if options.list or (options.help and not options.experiment):
        return None
    if options.run_dir and options.mode in _OF_A_RUN:
        from jaxdl.experiment.config import from_config
        from jaxdl.record import read_config

        config = read_config(Path(options.run_dir))
        name = str(config.get("name", ""))
        if options.experiment not in ("", name):
            raise UserError(f"{options.run_dir} holds a run of {name!r}, not of {options.experiment!r}.")
        return from_config(config, load_experiment(name, EXPERIMENTS))
    if not options.experiment and options.mode in _OF_A_RUN:
        raise UserError(f"--mode={options.mode} needs --run_dir=DIR of a finished run.")
    if not options.experiment:
        raise UserError("no experiment given: use --experiment=NAME; --list prints the names.")
    return load_experiment(options.experiment, EXPERIMENTS)


def list_text() -> str:
    """Returns the experiments, a line each."""
    experiments = list_experiments(EXPERIMENTS)
    width = max(map(len, experiments), default=0)
    return "\n".join(f"{name:{width}}  {line}" for name, line in experiments.items())


def main(arguments: list[str], begin: float) -> int:
    """Runs one command; returns its exit status: 0, 1 for a training that diverged, 2 for what the user can mend,
    130 for Ctrl-C."""
    try:
        options, experiment = parse_command_line(arguments, find_experiment)
        if options.list:
            print(list_text())
            return 0
        if options.help:
            print(help_text(experiment))
            return 0
        assert experiment is not None
        from jaxdl.cli.commands import run

        gc.freeze()  # what the imports made stays until the end, so it is not looked through again
        gc.enable()
        if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return run(options, experiment, arguments, begin)
    except UserError as error:
        print(f"launch.py: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # of the user's own files: what we write or fetch ourselves says more
        where = f" {error.filename}" if error.filename else ""
        print(f"launch.py: error: cannot read{where}: {error.strerror or error}; check the path.", file=sys.stderr)
        return 2


if __name__ == "__main__":
    end_process(main(sys.argv[1:], _BEGIN))
