"""Sweeps from Python."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from jaxdl.backend.cores import accelerators
from jaxdl.data import default_data_dir
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.report.terminal import announce
from jaxdl.sweeps.definition import Definition, direction_of
from jaxdl.sweeps.directory import SweepDirectory, continued
from jaxdl.sweeps.executors.execution import Execution
from jaxdl.sweeps.executors.side_by_side import ONE_BY_ONE, Width
from jaxdl.sweeps.plan import make_plan
from jaxdl.sweeps.results.results import SweepResults
from jaxdl.sweeps.space.axis import Range
from jaxdl.sweeps.space.sampling import grid_values
from jaxdl.sweeps.space.space import Space, make_space
from jaxdl.sweeps.sweep import Sweep
from jaxdl.sweeps.trials.schedule import check_values
from jaxdl.sweeps.trials.table import TABLE, numbers_left
from jaxdl.training.cache import Workshop


def sweep(
    experiment: Experiment,
    space: Mapping[str, Any],
    *,
    sweep_dir: Path | str | None = None,
    data_dir: Path | str | None = None,
    mode: Literal["", "grid", "random", "tpe"] = "",
    trials: int = 0,
    objective: str = "",
    direction: Literal["", "minimize", "maximize"] = "",
    prune: Literal["none", "asha", "hyperband"] = "none",
    sweep_seed: int = 0,
    execution: Execution | None = None,
    extend: bool = False,
    notify: Callable[[str], None] = announce,
) -> SweepResults:
    """Trains an experiment with other values of some of its fields, again and again, and compares what comes of it.

    What an earlier process left unfinished in the same `sweep_dir` is gone on with.

    Args:
        experiment: the recipe.
        space: the values of each field, by its dotted path or by its last name where just one field has it: a text as
            behind ``--sweep=FIELD=`` (``"1e-4,1e-3"``, ``"log(1e-4,1e-1)"``), or an iterable of values.
        sweep_dir: the sweep's directory; None takes one below ``runs/`` that follows from what the sweep is.
        data_dir: folder of prepared data sets; None takes TFDS's own.
        mode: how values are chosen; empty: all combinations where there are finitely many, else at random.
        trials: how many trainings there are in all; 0: as many as the grid has.
        objective: the figure to compare by, ``SPLIT/METRIC``; empty takes the experiment's ``training.watch``.
        direction: whether less or more of it is better; empty: what its name says.
        prune: how trainings that fall behind are stopped early.
        sweep_seed: seed of what is drawn.
        execution: where and how trials run.
        extend: add trials to an earlier sweep with fewer.
        notify: takes messages.

    Raises:
        UserError: something does not go together, the data cannot be had, or the folder is something else.
        KeyboardInterrupt: it was asked to stop, and has saved what was under way.
    """
    execution = execution or Execution()
    definition = make_definition(
        experiment,
        make_space(experiment, space),
        mode=mode,
        trials=trials,
        objective=objective,
        direction=direction,
        prune=prune,
        sweep_seed=sweep_seed,
        lag=max(1, execution.width()),
    )
    results = conduct(
        definition,
        execution,
        sweep_dir=Path(sweep_dir) if sweep_dir else None,
        data_dir=Path(data_dir) if data_dir else default_data_dir(),
        command=[],
        extend=extend,
        notify=notify,
    )
    assert results is not None
    return results


def conduct(
    definition: Definition,
    execution: Execution,
    *,
    sweep_dir: Path | None,
    data_dir: Path,
    command: Sequence[str],
    extend: bool = False,
    dry_run: bool = False,
    notify: Callable[[str], None] = announce,
) -> SweepResults | None:
    """Plans a sweep and runs it; see `sweep`. Nothing is written before all that can be refused was looked at.

    Args:
        definition: the sweep.
        execution: where and how trials run.
        sweep_dir: see `sweep`.
        data_dir: folder of prepared data sets.
        command: the command line of the recipe without the sweep; empty where there is none.
        extend: see `sweep`.
        dry_run: tell the plan and return None.
        notify: takes messages.
    """
    begin = time.perf_counter()
    name = definition.experiment.name
    sweep_dir = sweep_dir or Path("runs") / name / f"sweep-{definition.digest()}"
    check_values(definition)
    before, definition = continued(sweep_dir, definition, extend)
    left = numbers_left(sweep_dir / TABLE, before, definition)
    workshop = Workshop(data_dir, notify)
    width = _width(execution, definition)
    if left:
        plan = make_plan(definition, workshop, left, width, definition.side_by_side or definition.trials)
        notify(f"{plan.text()}\n  sweep directory: {sweep_dir}")
        width = plan.width
    else:
        notify(f"all {definition.trials} trials of the sweep in {sweep_dir} are over.")
        width = ONE_BY_ONE
    if dry_run:
        return None
    if execution.executor != "inline":
        workshop = Workshop(data_dir, notify)  # lets go of the device's memory, which is for the workers
    definition = dataclasses.replace(definition, side_by_side=definition.side_by_side or width.size)
    with SweepDirectory.create(sweep_dir, definition, extend=extend) as directory:
        return Sweep(directory, execution, width, workshop, data_dir, command, notify, begin).run()


def _width(execution: Execution, definition: Definition) -> Width | None:
    """Returns how many trials run at the same time; None where it is to be measured."""
    asked = min(execution.width(), definition.trials)
    if execution.executor != "inline":
        scales = execution.executor == "ray" or accelerators() > 0
        return Width(1, asked, 1 / asked if scales else 1.0)
    # On the number in one program the last bits depend, so a sweep that goes on keeps its own.
    together = asked or (definition.side_by_side if definition.side_by_side > 1 else 0)
    return Width(together, together, 1.0) if together else None


def make_definition(
    experiment: Experiment,
    space: Space,
    *,
    mode: str = "",
    trials: int = 0,
    objective: str = "",
    direction: str = "",
    prune: str = "none",
    sweep_seed: int = 0,
    lag: int = 1,
) -> Definition:
    """Returns a sweep with what is not given filled in; see `jaxdl.cli.options.Options`.

    Raises:
        UserError: what is given does not go together.
    """
    mode = mode or ("grid" if space.is_finite else "random")
    if mode == "grid":
        ranges = [axis for axis in space.axes if isinstance(axis.values, Range)]
        if ranges:
            raise UserError(
                f"--sweep={ranges[0].path}={ranges[0].spec}: a range has no grid; give a list of values, or "
                "--sweep_mode=random with --trials=N."
            )
        most = len(grid_values([space]))
        if trials > most:
            raise UserError(f"--trials={trials}: the grid has {most} combinations; leave it out, or give more values.")
        trials = trials or most
    if trials < 1:
        raise UserError(f"--sweep_mode={mode} draws as many combinations as --trials=N says; give it.")
    objective = objective or experiment.training.watch
    own_direction = direction_of(objective)
    return Definition(
        experiment=experiment,
        space=space,
        mode=mode,  # type: ignore[arg-type]
        trials=trials,
        objective=objective,
        direction=direction or own_direction,  # type: ignore[arg-type]
        prune=prune,  # type: ignore[arg-type]
        sweep_seed=sweep_seed,
        lag=lag if mode == "tpe" or prune != "none" else 1,
    )
