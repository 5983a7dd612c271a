"""Sweeps from Python."""

from __future__ import annotations

import dataclasses
import math
import time
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import jax

from jaxdl.backend.cores import accelerators
from jaxdl.data import default_data_dir
from jaxdl.errors import UserError, check_installed
from jaxdl.experiment import Experiment
from jaxdl.fields import check_fields, replace
from jaxdl.files.paths import expanded
from jaxdl.record import Notes
from jaxdl.report.notebook import quiet_about_its_bars
from jaxdl.report.terminal import announce, say_nothing
from jaxdl.sweeps.aims import direction_of, direction_of_aim, split_aims
from jaxdl.sweeps.definition import LEARNING, Definition, Mode
from jaxdl.sweeps.directory import SweepDirectory, continued
from jaxdl.sweeps.executors.execution import Execution
from jaxdl.sweeps.executors.side_by_side import ONE_BY_ONE, Width
from jaxdl.sweeps.plan import make_plan
from jaxdl.sweeps.results.results import SweepResults
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.cmaes import check_cmaes
from jaxdl.sweeps.space.limits import Values
from jaxdl.sweeps.space.pairs import read_pairs
from jaxdl.sweeps.space.reading import enqueued_values, make_space, parse_setting
from jaxdl.sweeps.space.sampling import grid_values
from jaxdl.sweeps.space.space import Space
from jaxdl.sweeps.space.suggested import SpaceFunction, read_function
from jaxdl.sweeps.sweep import Sweep
from jaxdl.sweeps.trials.population import checked_population
from jaxdl.sweeps.trials.schedule import check_values, planned_values
from jaxdl.sweeps.trials.table import TABLE, numbers_left
from jaxdl.training.cache import Cache

# To draw more takes minutes; they are a typing mistake.
_MOST_DRAWN = 20_000


def sweep(
    experiment: Experiment,
    space: Mapping[str, Any] | SpaceFunction = types.MappingProxyType({}),
    *,
    sweep_dir: Path | str | None = None,
    data_dir: Path | str | None = None,
    mode: Literal["", "grid", "random", "sobol", "tpe", "cmaes", "pbt"] = "",
    trials: int = 0,
    sweep_objective: str = "",
    direction: Literal["", "minimize", "maximize"] = "",
    prune: Literal["none", "median", "asha", "halving", "hyperband"] = "none",
    sweep_seed: int = 0,
    execution: Execution | None = None,
    extend: bool = False,
    notify: Callable[[str], None] | None = announce,
    sweep_if: str | Callable[[Experiment], bool] | Sequence[str | Callable[[Experiment], bool]] = (),
    pairs: Path | str | Sequence[Mapping[str, Any]] = "",
    enqueue: Sequence[Mapping[str, Any]] = (),
    exchange_every: int = 1,
    tags: Sequence[str] = (),
    note: str | None = None,
    objective: str = "",
) -> SweepResults:
    """Trains an experiment many times with different values of some of its fields, and compares the results.

    An unfinished sweep in the same `sweep_dir` is resumed.

    Args:
        experiment: the recipe.
        space: the values of each field, by its dotted path, or by its last name if only one field has it: a text as
            after ``--sweep=FIELD=`` (``"1e-4,1e-3"``, ``"log(1e-4,1e-1)"``), one of Optuna's distributions, or an
            iterable of values. Or a function of a trial that suggests values, as in Optuna, and returns those of fields
            by name (see `jaxdl.sweeps.space.suggested`).
        sweep_dir: the sweep's directory; None: one below ``runs/``, named by the sweep's definition.
        data_dir: folder of prepared data sets; None: TFDS's own.
        mode: ``sweep_mode`` of `jaxdl.sweeps.selection.Selection`.
        trials: see `Selection`, also for the next five.
        sweep_objective: the figure to compare by; further aims behind commas.
        direction: whether smaller or larger values are better.
        prune: how worse trials are stopped early.
        sweep_seed: seed of the values that are drawn.
        execution: where and how trials run.
        extend: add trials to an earlier sweep with fewer.
        notify: called with messages; None: nothing is shown.
        sweep_if: conditions on each combination as text (see `jaxdl.sweeps.space.conditions`), or functions that return
            for a trial's experiment whether it may be tried.
        pairs: combinations of several fields that are tried as they stand, as dictionaries, or the path of a CSV file.
        enqueue: known settings, as dictionaries, that are tried first; fields that they do not name are drawn.
        exchange_every: see `Selection`.
        tags: words that each trial is found by, see `jaxdl.train`.
        note: a text about each trial.
        objective: refused: the earlier name of `sweep_objective`.

    Raises:
        UserError: arguments contradict each other, the data are not available, or the folder has other content.
        KeyboardInterrupt: the sweep was stopped, and has saved the running trials.
    """
    if objective:
        raise UserError(
            "jaxdl.sweep: objective names the loss of an experiment; what trials are compared by is "
            f"sweep_objective={objective!r}."
        )
    execution = _with_notes(execution or Execution(), tags, note)
    selection = Selection(mode, trials, sweep_objective, direction, prune, sweep_seed, exchange_every)
    limits = [sweep_if] if isinstance(sweep_if, str) or callable(sweep_if) else list(sweep_if)
    rows = pairs if not isinstance(pairs, str | Path) else read_pairs(expanded(pairs)) if pairs else ()
    if callable(space) and rows:
        raise UserError("jaxdl.sweep: a function of a trial gives pairs itself; leave pairs out.")
    fields, rows = read_function(space) if callable(space) else (space, rows)
    made = make_space(experiment, fields, limits, rows)
    definition = make_definition(experiment, made, selection, lag=max(1, execution.width()), enqueue=enqueue)
    results = conduct(
        definition,
        execution,
        sweep_dir=expanded(sweep_dir) if sweep_dir else None,
        data_dir=expanded(data_dir) if data_dir else default_data_dir(),
        command=[],
        extend=extend,
        notify=notify,
    )
    assert results is not None
    return results


def _with_notes(execution: Execution, tags: Sequence[str], note: str | None) -> Execution:
    """Returns where and how trials run, with tags and a note for each, which are checked before anything is written."""
    if not tags and note is None:
        return execution
    notes = Notes(tuple(tags), note)
    notes.after(Notes())
    return dataclasses.replace(execution, notes=notes)


def default_sweep_dir(definition: Definition) -> Path:
    """Returns where a sweep lies that names no folder."""
    return Path("runs") / definition.experiment.name / f"sweep-{definition.digest()}"


def conduct(
    definition: Definition,
    execution: Execution,
    *,
    sweep_dir: Path | None,
    data_dir: Path,
    command: Sequence[str],
    extend: bool = False,
    dry_run: bool = False,
    notify: Callable[[str], None] | None = announce,
) -> SweepResults | None:
    """Plans a sweep and runs it; see `sweep`. Everything is checked before anything is written.

    Args:
        definition: the sweep.
        execution: where and how trials run.
        sweep_dir: see `sweep`.
        data_dir: folder of prepared data sets.
        command: the command line of the recipe without the sweep; empty if there is none.
        extend: see `sweep`.
        dry_run: only print the plan and return None.
        notify: called with messages.
    """
    begin = time.perf_counter()
    shows, notify = notify is not None, notify or say_nothing
    sweep_dir = sweep_dir or default_sweep_dir(definition)
    before, definition = continued(sweep_dir, definition, extend)
    _check_trials(definition)
    check_values(definition)
    if definition.mode == "pbt":
        checked_population(definition, planned_values(definition) or [])
    left = numbers_left(sweep_dir / TABLE, before, definition)
    cache = Cache(data_dir, notify)
    width = _width(execution, definition)
    if left:
        plan = make_plan(definition, cache, left, width, definition.side_by_side or definition.trials)
        first = f"\n{plan.first_text()}" if dry_run else ""
        notify(f"{plan.text()}{first}\n  sweep directory: {sweep_dir}")
        width = plan.width
    else:
        notify(f"all {definition.trials} trials of the sweep in {sweep_dir} are finished.")
        width = ONE_BY_ONE
    if dry_run:
        return None
    if execution.executor != "inline":
        cache = Cache(data_dir, notify)  # frees the device's memory for the workers
    definition = dataclasses.replace(definition, side_by_side=definition.side_by_side or width.size)
    with SweepDirectory.create(sweep_dir, definition, extend=extend) as directory:
        return Sweep(directory, execution, width, cache, data_dir, command, notify, begin, shows).run()


def _check_trials(definition: Definition) -> None:
    """Raises `UserError` for more trials than there are combinations to draw, each once."""
    most = definition.space.size
    if definition.rules > 1 and definition.trials > most:
        raise UserError(
            f"--trials={definition.trials}: there are {most} combinations, and each is drawn once, since it would give "
            f"the same bits again; give --trials={most}, or more values."
        )


def _width(execution: Execution, definition: Definition) -> Width | None:
    """Returns how many trials run at the same time; None if it has to be measured."""
    if definition.mode == "pbt":
        if execution.executor != "inline" or execution.batch != "auto" or execution.workers:
            raise UserError(
                "--sweep_mode=pbt trains all members in one program of this process; leave --executor, --workers and "
                "--sweep_batch out."
            )
        return Width(definition.trials, definition.trials, 1.0)
    asked = min(execution.width(), definition.trials)
    in_threads = execution.executor == "inline" and execution.workers > 0
    if definition.waits and (in_threads or execution.executor != "inline"):
        asked = min(asked, definition.lag)  # that of a sweep which was begun is kept
    if execution.executor != "inline":
        scales = execution.executor == "ray" or accelerators() > 0
        return Width(1, asked, 1 / asked if scales else 1.0)
    # The last bits depend on the number in one program, so a resumed sweep keeps its own.
    before = definition.side_by_side if definition.side_by_side > 1 else 0
    if in_threads and not before:
        _check_threads(execution.workers, definition)
        return Width(1, asked, 1.0)
    stacked = before if in_threads else asked or before
    return Width(stacked, stacked, 1.0) if stacked else None


def _check_threads(workers: int, definition: Definition) -> None:
    """Raises `UserError` for trials that cannot overlap in threads of one process."""
    if definition.varies_data:
        raise UserError(
            f"--workers={workers}: the sweep varies the data, of which this process holds one set at a time; leave it "
            "out, or give --executor=processes."
        )
    devices = jax.local_device_count()
    if devices > 1:
        raise UserError(
            f"--workers={workers}: trials overlap in threads of one device, and here are {devices}; leave it out, or "
            "give --executor=processes."
        )


def make_definition(
    experiment: Experiment,
    space: Space,
    selection: Selection | None = None,
    *,
    lag: int = 1,
    enqueue: Sequence[Mapping[str, Any]] = (),
) -> Definition:
    """Returns the definition of a sweep, with defaults for what the selection does not set.

    Args:
        experiment: the recipe that is varied.
        space: the fields and their values.
        selection: how trials are chosen and compared; None: all defaults.
        lag: how many trials run at the same time.
        enqueue: known settings besides those of the selection.

    Raises:
        UserError: the arguments contradict each other, or a package is missing.
    """
    check_installed(["optuna", "cloudpickle"], "sweep", "a sweep")
    quiet_about_its_bars()
    selection = selection or Selection()
    check_fields(selection)
    mode, trials = _mode_and_trials(selection, space)
    objective, others, bounds = split_aims(selection.sweep_objective or experiment.training.watch)
    own_direction = direction_of(objective, experiment.measured)
    for aim in (*others, *(bound.aim for bound in bounds)):
        direction_of_aim(aim, experiment.measured)
    if mode == "pbt" and experiment.training.nan == "stop":
        experiment = replace(experiment, {"training.nan": "ignore"})  # such a member is the worst, and is replaced
    definition = Definition(
        experiment=experiment,
        space=space,
        mode=mode,
        trials=trials,
        objective=objective,
        direction=selection.direction or own_direction,
        prune=selection.prune,
        sweep_seed=selection.sweep_seed,
        lag=lag if mode in LEARNING or selection.prune != "none" else 1,
        enqueued=_enqueued(space, mode, trials, [*map(parse_setting, selection.enqueue), *enqueue]),
        others=others,
        bounds=bounds,
        exchange_every=selection.exchange_every if mode == "pbt" else 0,
    )
    if mode == "cmaes":
        check_cmaes(definition)
    return definition


def _mode_and_trials(selection: Selection, space: Space) -> tuple[Mode, int]:
    """Returns how values are chosen and how many trainings there are; both follow from the space where not selected."""
    mode = selection.sweep_mode or ("grid" if space.is_finite else "random")
    trials = selection.trials
    if mode == "grid":
        ranges = [axis for axis in space.axes if not math.isfinite(axis.count)]
        if ranges:
            raise UserError(
                f"--sweep={ranges[0].path}={ranges[0].spec}: a range without steps has no grid; give a list of "
                "values, or --sweep_mode=random with --trials=N."
            )
        most = len(grid_values([space]))
        if not most:
            raise UserError(f"--sweep_if: no combination fulfils {' and '.join(limit.text for limit in space.limits)}.")
        if trials > most:
            raise UserError(f"--trials={trials}: the grid has {most} combinations; omit it, or give more values.")
        trials = trials or most
    if mode != "grid" and trials > _MOST_DRAWN:
        raise UserError(f"--trials={trials}: at most {_MOST_DRAWN:,} trainings are drawn in one sweep; give fewer.")
    if trials < 1:
        raise UserError(f"--sweep_mode={mode} needs --trials=N, the number of combinations to draw.")
    return mode, trials


def _enqueued(space: Space, mode: str, trials: int, settings: Sequence[Mapping[str, Any]]) -> tuple[Values, ...]:
    """Returns the known settings of a sweep, checked."""
    if settings and mode == "grid":
        raise UserError("--enqueue: a grid tries every combination; give --sweep_mode=random, or put the value first.")
    if len(settings) > trials:
        raise UserError(f"--enqueue: {len(settings)} known settings are more than --trials={trials}; give more trials.")
    return tuple(enqueued_values(space, each) for each in settings)
