"""The sweep that a command line asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jaxdl.cli.flags import settable, short_names, without_options
from jaxdl.cli.options import OF_SWEEPS, Options
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields.interval import Interval
from jaxdl.sweeps.api import conduct, make_definition
from jaxdl.sweeps.executors.execution import Execution
from jaxdl.sweeps.results.display import print_results
from jaxdl.sweeps.results.results import best_command
from jaxdl.sweeps.space.axis import Axis, Choices
from jaxdl.sweeps.space.space import Space, make_space, parse_flags


def run_sweep(options: Options, experiment: Experiment, arguments: Sequence[str]) -> int:
    """Runs the sweep that a command line asks for, and prints what came of it.

    Args:
        options: how to run it.
        experiment: the recipe that it varies.
        arguments: the command line without the program's name.

    Returns:
        The exit status: 0, or 1 where no trial was completed.

    Raises:
        UserError: something that the user can mend; before anything was written.
        KeyboardInterrupt: it was asked to stop; the same command goes on.
    """
    execution = Execution(
        executor=options.executor,
        batch=int(options.sweep_batch) if options.sweep_batch.isdecimal() else options.sweep_batch,  # type: ignore[arg-type]
        workers=options.workers,
        budget=Interval.parse(options.budget).amount if options.budget else None,
        retries=options.retries,
        on_failure=options.on_failure,
        ray_address=options.ray_address,
        trial_cpus=options.trial_cpus,
        trial_gpus=options.trial_gpus,
        settings={"platform": options.platform, "xla_flags": options.xla_flags},
    )
    definition = make_definition(
        experiment,
        make_space(experiment, parse_flags(options.sweep)),
        mode=options.sweep_mode,
        trials=options.trials,
        objective=options.sweep_objective,
        direction=options.direction,
        prune=options.prune,
        sweep_seed=options.sweep_seed,
        lag=max(1, execution.width()),
    )
    _check_not_given(experiment, definition.space, arguments)
    command = ["launch.py", *_without_sweep(arguments, definition.space)]
    results = conduct(
        definition,
        execution,
        sweep_dir=Path(options.sweep_dir) if options.sweep_dir else None,
        data_dir=Path(options.data_folder),
        command=command,
        extend=options.extend,
        dry_run=options.dry_run,
    )
    if results is None:
        return 0
    best = results.best
    print_results(results, best_command(best, command) if best else "")
    return 0 if best is not None else 1


def _check_not_given(experiment: Experiment, space: Space, arguments: Sequence[str]) -> None:
    """Refuses flags of a part that the sweep chooses: they would hold for some of the trials only."""
    fields = {field.path: field for field in settable(experiment)}
    names = {path: path for path in fields} | short_names(list(fields))
    parts = [axis.path for axis in space.axes if axis.path in fields and fields[axis.path].declaration.family]
    for argument in arguments:
        name = argument.lstrip("-").partition("=")[0] if argument.startswith("-") else ""
        path = names.get(name) or names.get(name.removeprefix("no"), "")
        for part in parts:
            if path == part:
                raise UserError(f"--{name}: the sweep chooses {part}, so leave it out.")
            if path.startswith(f"{part}."):
                raise UserError(
                    f"--{name} is a field of the {part}, which the sweep chooses: give --sweep={name}=VALUE."
                )


def _without_sweep(arguments: Sequence[str], space: Space) -> list[str]:
    """Returns the command line of the recipe alone."""
    names = {path: (path, path.rpartition(".")[2]) for path in space.specs()}
    swept = {name for both in names.values() for name in both}
    switches = {name for axis in space.axes if _is_switch(axis) for name in names[axis.path]}
    return without_options(arguments, {"sweep", "sweep_file", *OF_SWEEPS, *swept}, switches)


def _is_switch(axis: Axis) -> bool:
    return isinstance(axis.values, Choices) and all(isinstance(value, bool) for value in axis.values.values)
