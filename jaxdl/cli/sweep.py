"""Runs the sweep of a command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from jaxdl.backend.mesh import devices_of, named_axes
from jaxdl.cli.argv import program, spelled_out, tokens, without
from jaxdl.cli.flags import flag_names
from jaxdl.cli.on_end import run_on_end
from jaxdl.cli.options import Options, option_switches, sweep_options
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields import settable
from jaxdl.files.paths import expanded
from jaxdl.record import Notes
from jaxdl.report.terminal import announce
from jaxdl.sweeps.api import conduct, default_sweep_dir, make_definition
from jaxdl.sweeps.results.display import print_results
from jaxdl.sweeps.results.results import best_command
from jaxdl.sweeps.space.pairs import read_pairs
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.space.space import Space, parse_flags


def run_sweep(options: Options, experiment: Experiment, arguments: Sequence[str]) -> int:
    """Runs the sweep of a command line, and prints its results.

    Args:
        options: how to run it.
        experiment: the recipe that it varies.
        arguments: the command line without the program's name.

    Returns:
        The exit status: 0, or 1 if a trial failed or none was completed.

    Raises:
        UserError: a mistake that the user can correct; nothing was written.
        KeyboardInterrupt: the sweep was stopped; the same command resumes it.
    """
    axes, _ = named_axes(experiment.training.devices, experiment.training.mesh)
    cpu_devices = devices_of(axes or ())
    settings = {"platform": options.platform, "xla_flags": options.xla_flags, "cpu_devices": cpu_devices}
    execution = dataclasses.replace(options.execution, settings=settings, notes=Notes(options.tag, options.note))
    selection = options.selection
    pairs = read_pairs(expanded(selection.sweep_pairs)) if selection.sweep_pairs else []
    space = make_space(experiment, parse_flags(options.sweep), selection.sweep_if, pairs)
    definition = make_definition(experiment, space, selection, lag=max(1, execution.width()))
    _check_not_given(experiment, space, arguments)
    command = [*program(), *_without_sweep(arguments, experiment, space)]
    sweep_dir = Path(options.sweep_dir) if options.sweep_dir else default_sweep_dir(definition)
    status = "failed"
    try:
        results = conduct(
            definition,
            execution,
            sweep_dir=sweep_dir,
            data_dir=Path(options.data_folder),
            command=command,
            extend=options.extend,
            dry_run=options.dry_run,
            notify=None if options.quiet and not options.dry_run else announce,
        )
        if results is None:
            return 0
        best = results.best
        print_results(results, best_command(best, command) if best else "")
        status = "failed" if results.failed or best is None else "completed"
        return 0 if status == "completed" else 1
    except KeyboardInterrupt:
        status = "preempted"
        raise
    finally:
        if sweep_dir.exists() and not options.dry_run:
            run_on_end(options.on_end, sweep_dir=sweep_dir, status=status)


def _check_not_given(experiment: Experiment, space: Space, arguments: Sequence[str]) -> None:
    """Raises `UserError` for flags of a part that the sweep chooses: they would apply to only some of the trials."""
    fields = {field.path: field for field in settable(experiment)}
    names = flag_names(fields)
    parts = [axis.path for axis in space.axes if axis.path in fields and fields[axis.path].declaration.family]
    for token in tokens(spelled_out(arguments), option_switches()):
        path = names.get(token.name) or names.get(token.name.removeprefix("no"), "")
        for part in parts:
            if path == part:
                raise UserError(f"--{token.name}: the sweep chooses {part}, so leave it out.")
            if path.startswith(f"{part}."):
                raise UserError(
                    f"--{token.name} is a field of the {part}, which the sweep chooses: "
                    f"give --sweep={token.name}=VALUE."
                )


def _without_sweep(arguments: Sequence[str], experiment: Experiment, space: Space) -> list[str]:
    """Returns the command line with only the recipe's flags."""
    names = flag_names({field.path: field for field in settable(experiment)})
    swept = {name for path in (axis.path for axis in space.axes) for name in (path, path.rpartition(".")[2])}
    booleans = {field.path for field in settable(experiment) if field.type is bool}
    switches = option_switches() | {name for name, path in names.items() if path in booleans}
    found = tokens(spelled_out(arguments), switches)
    return without(found, {"sweep", "sweep_file", "max_time", "quiet", "on_end", *sweep_options(), *swept}, switches)
