"""Runs one command whose options and experiment are known."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
from collections.abc import Callable, Iterator, Sequence

import jax

from jaxdl.backend.cores import usable_cores
from jaxdl.backend.debugging import not_a_number
from jaxdl.backend.memory import ran_out_of_memory
from jaxdl.backend.mesh import devices_of, named_axes
from jaxdl.backend.processes import processes
from jaxdl.backend.settings import configure
from jaxdl.backend.signals import Terminated, raise_terminated, stop_after
from jaxdl.cli.argv import program
from jaxdl.cli.checks import check_options
from jaxdl.cli.commands import function_of
from jaxdl.cli.joining import joined
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
    check_options(options)
    together = joined(options, experiment)
    if together is None:
        return _run(options, experiment, arguments, begin)
    if not together.is_first:
        options = dataclasses.replace(options, quiet=True, on_end="")
    return together.guarded(lambda: _run(options, experiment, arguments, begin), program()[-1])


def _run(options: Options, experiment: Experiment | None, arguments: Sequence[str], begin: float) -> int:
    """Runs the command in this process, which has joined the others, if there are any."""
    axes, together = None, processes()
    if experiment is not None:
        axes, _ = named_axes(experiment.training.devices, experiment.training.mesh)
    cpu_devices = _devices_to_try(options) if axes is None else devices_of(axes)
    configure(
        platform=options.platform,
        xla_flags=options.xla_flags,
        debug=options.debug,
        cpu_devices=cpu_devices if together is None else max(1, cpu_devices // together.count),
        synchronous=options.mode == "serve",
    )
    raise_terminated()
    if options.max_time:
        stop_after(Interval.parse(options.max_time).amount)
    try:
        with out_of_memory():
            command: Callable[..., int] = function_of(options.mode)
            return command(options, experiment, arguments, begin)
    except FloatingPointError as error:  # of --debug, or JAX_DEBUG_NANS
        raise UserError(f"{not_a_number(error)}.") from error
    except KeyboardInterrupt as stop:
        # The status that a shell reports for a program that a signal ended.
        return 128 + (stop.number if isinstance(stop, Terminated) else signal.SIGINT)


def _devices_to_try(options: Options) -> int:
    """Returns as how many devices the CPU counts where the recipe does not say it."""
    tuned = options.mode == "train" and not options.is_sweep and options.tuning != "off" and not options.debug
    return len(usable_cores()) if tuned and processes() is None else 1


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
