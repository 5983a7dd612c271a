"""What a run directory says of an earlier start: whether recipe and data are the same, and the record of each start."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jax

from jaxdl.data import Dataset, examples
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.experiment.config import changed_code, differences, from_config
from jaxdl.experiment.fitting import follows_data
from jaxdl.experiment.load import shortened
from jaxdl.fields import Field
from jaxdl.record import CONFIG, RECORD, SUMMARY, RunDirectory, provenance, read_config, read_record, read_summary
from jaxdl.training.arithmetic import ARITHMETIC
from jaxdl.training.feed import Feed
from jaxdl.training.initial import ENTRY
from jaxdl.training.longer import as_long_as, check_goes_on, is_longer
from jaxdl.training.loop import Trainer
from jaxdl.training.summary import Summary
from jaxdl.training.tuning import Chosen


def earlier_summary(path: Path, experiment: Experiment, *, may_go_on: bool = False) -> Summary | None:
    """Returns the summary of a finished run, None where there is none.

    Args:
        path: the run directory, which may be new.
        experiment: the recipe.
        may_go_on: whether a run of the same recipe with fewer epochs counts as one that is not finished.

    Raises:
        UserError: the folder has a run of another recipe; or of fewer epochs, and cannot go on.
    """
    if not (path / CONFIG).exists():
        return None
    config = read_config(path)
    before = from_config(config, experiment)
    longer = may_go_on and is_longer(experiment, before)
    changed = differences(as_long_as(experiment, before) if longer else experiment, before, _decides_results)
    if changed:
        raise UserError(f"{path} has a run with another recipe: {'; '.join(changed)}. Give another --run_dir.")
    own = changed_code(config, experiment)
    if own:
        raise UserError(f"{path} was begun with other code of {', '.join(own)}: restore it, or give another --run_dir.")
    summary = cast(Summary, read_summary(path)) if (path / SUMMARY).exists() else None
    if longer:
        check_goes_on(path, experiment, before)
    elif summary is not None and summary.get("status") == "completed":
        return summary
    if config.get("metrics") not in (None, list(before.measured)):
        raise UserError(
            f"{path} was begun by an earlier jaxdl, which measured accuracy where it means nothing: only that version "
            "can finish it. Give another --run_dir."
        )
    return None


def reopen(run: RunDirectory, experiment: Experiment, notify: Callable[[str], None]) -> None:
    """Removes the summary of a finished run that goes on, so that it is no longer taken for finished."""
    file = run.path / SUMMARY
    if file.exists() and read_summary(run.path).get("status") == "completed":
        notify(f"{run.path} has a finished run of fewer epochs; it goes on to {experiment.training.epochs}.")
        run.discard_summary()


def newest_unfinished(root: Path, experiment: Experiment) -> Path | None:
    """Returns the newest run directory in ``root/NAME`` with an unfinished run of a recipe; None if there is none.

    A run that diverged is not unfinished: it would diverge again.
    """
    folder, wanted = root / experiment.name, shortened(experiment)
    for path in sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []:  # names begin with the time
        if not (path / CONFIG).exists():
            continue
        try:
            finished = earlier_summary(path, wanted)
            status = read_summary(path).get("status") if (path / SUMMARY).exists() else None
        except UserError:  # of another recipe, or damaged
            continue
        if finished is None and status != "diverged":
            return path
    return None


def _decides_results(field: Field) -> bool:
    """Returns whether a run cannot be resumed with another value of a field."""
    return bool(field.affects - {"saving"}) and not follows_data(field)


def check_same_data(path: Path, experiment: Experiment, dataset: Dataset, accept_changed: bool) -> None:
    """Checks that a run resumes with the data that it was begun with.

    Args:
        path: the run directory.
        experiment: the recipe.
        dataset: the data as they are now.
        accept_changed: whether other data are allowed, as long as an epoch has as many steps.

    Raises:
        UserError: the data are others than those that the record names.
    """
    if not (path / RECORD).exists():
        return
    before = read_record(path)
    if before.get("data_fingerprint") == dataset.fingerprint:
        return
    other = f"{path} was started with other data than the present {dataset.used}"
    if not accept_changed:
        raise UserError(f"{other}: give the --data_dir of its start, another --run_dir, or --accept_changed_data.")
    steps = experiment.steps_per_epoch(examples(dataset.splits["train"]) * dataset.passes)
    if before.get("steps_per_epoch") != steps:
        raise UserError(
            f"{other}: an epoch had {before.get('steps_per_epoch')} steps and has {steps} now, so the run cannot be "
            "resumed with them; give another --run_dir."
        )


def about_programs(trainer: Trainer) -> dict[str, Any]:
    """Returns what a record says of the data's shapes, the arithmetic, the compiled programs, and the first weights."""
    options, initial = trainer.programs.compiler_options.items(), trainer.begun_with
    return {
        "spec": dataclasses.asdict(trainer.spec),
        "steps_per_epoch": trainer.steps_per_epoch,
        "streamed": not isinstance(trainer.feed, Feed),
        "arithmetic": ARITHMETIC,
        "compiler_options": {name: chosen for name, chosen in options if chosen},
        "side_by_side": trainer.side_by_side,
        **({} if trainer.layout is None else {"layout": trainer.layout.described()}),
        **({} if initial is None else {ENTRY: initial.record()}),
    }


def about_tuning(chosen: Chosen | None) -> dict[str, Any]:
    """Returns what a record says of the choice of devices, of which the CPU may count as more than are used."""
    if chosen is None:
        return {}
    kind = jax.devices()[0].device_kind
    devices = [{"platform": "cpu", "kind": kind, "count": chosen.form.devices}]
    return {"devices": devices, "tuning": chosen.described()}


def write_record(run: RunDirectory, now: dict[str, Any], notify: Callable[[str], None]) -> None:
    """Writes where the run comes from; where it resumes, adds to the record of its start what is different now.

    Args:
        run: the run directory.
        now: `jaxdl.record.provenance.record` and `about_programs` of this start.
        notify: told of the differences.
    """
    if not (run.path / RECORD).exists():
        run.write_record(now)
        return
    record = read_record(run.path)
    changed = provenance.differences(record, now)
    if changed:
        notify(
            f"The run resumes under other conditions, so its results may differ in the last bits: {'; '.join(changed)}."
        )
    again = {"command": now["command"], "started_utc": now["started_utc"], "changed": changed}
    # Where changed data were accepted, the run is from now on one on these data.
    data = {name: now[name] for name in ("data_fingerprint", "spec")}
    run.write_record(record | data | {"resumptions": [*record.get("resumptions", []), again]})
