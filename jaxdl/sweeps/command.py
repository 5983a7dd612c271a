"""The sweep that a command line asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jaxdl.experiment import Experiment
from jaxdl.flags import without_options
from jaxdl.interval import Interval
from jaxdl.options import OF_SWEEPS, Options
from jaxdl.sweeps.api import conduct, make_definition
from jaxdl.sweeps.display import print_results
from jaxdl.sweeps.execution import Execution
from jaxdl.sweeps.results import best_command
from jaxdl.sweeps.space import make_space, parse_flags


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
    swept = {name for path in definition.space.specs() for name in (path, path.rpartition(".")[2])}
    command = ["launch.py", *without_options(arguments, {"sweep", "sweep_file", *OF_SWEEPS, *swept})]
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
