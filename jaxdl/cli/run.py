"""Runs one command whose options and experiment are known."""

from __future__ import annotations

import contextlib
import importlib
import signal
from collections.abc import Callable, Iterator, Sequence

import jax

from jaxdl.backend.debugging import not_a_number
from jaxdl.backend.memory import ran_out_of_memory
from jaxdl.backend.settings import configure
from jaxdl.backend.signals import Terminated, raise_terminated, stop_after
from jaxdl.cli.commands import COMMANDS
from jaxdl.cli.options import Options
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields.interval import Interval


def run(options: Options, experiment: Experiment | None, arguments: Sequence[str], begin: float) -> int:
    """Runs the command.

    Args:
        options: what to do.
        experiment: the recipe, or that of the run in ``options.run_dir``; None for a command that needs none.
        arguments: the command line, for the record.
        begin: `time.perf_counter` when the command began.

    Returns:
        The exit status, see `jaxdl.cli.commands.STATUSES`.

    Raises:
        UserError: a mistake that the user can correct.
    """
    _check_options(options)
    module, _, function = COMMANDS[options.mode].function.partition(":")
    configure(platform=options.platform, xla_flags=options.xla_flags, debug=options.debug)
    raise_terminated()
    if options.max_time:
        stop_after(Interval.parse(options.max_time).amount)
    try:
        with out_of_memory():
            command: Callable[..., int] = getattr(importlib.import_module(f"jaxdl.cli.{module}"), function)
            return command(options, experiment, arguments, begin)
    except FloatingPointError as error:  # of --debug, or JAX_DEBUG_NANS
        raise UserError(f"{not_a_number(error)}.") from error
    except KeyboardInterrupt as stop:
        # The status that a shell reports for a program that a signal ended.
        return 128 + (stop.number if isinstance(stop, Terminated) else signal.SIGINT)


def _check_options(options: Options) -> None:
    """Raises `UserError` for options that do not apply to the command, and for missing ones that it needs."""
    for name in ("resume", "max_time", "hang_after"):
        if getattr(options, name) and options.mode != "train":
            raise UserError(f"--{name} is for trainings: it does not work with --mode={options.mode}.")
    if options.resume and (options.run_dir or options.is_sweep):
        other = "--run_dir names the run" if options.run_dir else "the same command continues a sweep"
        raise UserError(f"--resume looks for the newest unfinished run, but {other}; leave out --resume.")
    if options.profile and options.mode != "train":
        raise UserError(f"--profile traces a training: it does not work with --mode={options.mode}.")
    owners: dict[str, list[str]] = {}
    for mode, command in COMMANDS.items():
        for name in command.own_options:
            owners.setdefault(name, []).append(mode)
    for name, modes in owners.items():
        if options.mode not in modes and getattr(options, name) != getattr(Options(), name):
            raise UserError(f"--{name} only applies to --mode={' or '.join(modes)}.")
    if options.is_sweep and options.mode != "train":
        raise UserError(f"--sweep trains: it does not work with --mode={options.mode}.")
    if options.is_sweep and options.hang_after:
        raise UserError("--hang_after ends a process that has one run; a sweep has many: leave it out.")
    if options.is_sweep and (options.profile or options.run_dir or options.debug):
        name = next(name for name in ("profile", "run_dir", "debug") if getattr(options, name))
        raise UserError(f"--{name} is for one run; a sweep has many: give --sweep_dir, or leave out --sweep.")
    for name in COMMANDS[options.mode].needs:
        if not getattr(options, name):
            raise UserError(f"--mode={options.mode} needs --{name} (see --help).")


@contextlib.contextmanager
def out_of_memory() -> Iterator[None]:
    """Turns an out-of-memory error of the machine or its accelerator into `UserError`."""
    way_out = "lower --batch_size or --eval_batch_size, make the model smaller, or free memory"
    try:
        yield
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        cause = f" ({' '.join(str(error).split())[:150]})" if str(error) else ""
        raise UserError(f"out of memory{cause}: {way_out}.") from error
