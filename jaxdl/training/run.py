"""Runs one training from an experiment to its run directory: data, loop, checkpoints, test, summary and report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxdl.backend.processes import AgreedSignals, Processes, processes
from jaxdl.backend.signals import StopSignals
from jaxdl.data import Dataset, default_data_dir
from jaxdl.data.edges import about_pictures
from jaxdl.experiment import Experiment
from jaxdl.experiment.config import to_config
from jaxdl.experiment.hooks import Moment
from jaxdl.experiment.load import about_batch, shortened
from jaxdl.experiment.versions import versioned
from jaxdl.fields import replace
from jaxdl.files.paths import expanded
from jaxdl.objectives import REPORT_SECTIONS
from jaxdl.record import CONFIG, REPORT, Notes, RunDirectory, annotate, new_run_dir, provenance
from jaxdl.report.notebook import in_notebook, quiet_about_its_bars
from jaxdl.report.run import write_report
from jaxdl.report.terminal import announce, say_nothing
from jaxdl.training.arithmetic import check_same_arithmetic
from jaxdl.training.cache import Cache
from jaxdl.training.divergence import Diverged
from jaxdl.training.early_stopping import EarlyStopping
from jaxdl.training.forms import DEVICES, Form
from jaxdl.training.hook_calls import with_hooks
from jaxdl.training.hooks import Hooks, Profiler
from jaxdl.training.loop import Trainer
from jaxdl.training.one_run import OneRun
from jaxdl.training.resuming import (
    about_own_parts,
    about_programs,
    about_tuning,
    check_same_data,
    earlier_summary,
    newest_unfinished,
    reopen,
    write_record,
)
from jaxdl.training.saving import Saving
from jaxdl.training.summary import Summary, shown
from jaxdl.training.together import Several, check_same, facts_of, open_directory, refuse_what_is_for_one
from jaxdl.training.tracking import begun, trackers_of
from jaxdl.training.tuning import Chosen, Tuner


def train(
    experiment: Experiment,
    *,
    run_dir: Path | str | None = None,
    data_dir: Path | str | None = None,
    arguments: Sequence[str] = (),
    notify: Callable[[str], None] | None = announce,
    begin: float | None = None,
    profiler: Callable[[Path, Trainer], Profiler] | None = None,
    accept_changed_data: bool = False,
    cache: Cache | None = None,
    hooks: Hooks | Sequence[str | Callable[[Moment], object]] | None = None,
    tuner: Tuner | None = None,
    about_recipe: Mapping[str, str] | None = None,
    tags: Sequence[str] = (),
    note: str | None = None,
) -> Summary:
    """Trains, validates, tests and leaves the run directory; resumes where an unfinished run of the recipe stopped.

    A run that was stopped, in any way, at any moment and any number of times, ends with the same bits as one that never
    was. SIGINT, SIGTERM, SIGHUP and SIGUSR1 let the running call of the train program end (about two seconds), save,
    and raise `KeyboardInterrupt` or `jaxdl.backend.signals.Terminated`; a second one ends the process at once. Once the
    data are loaded, they raise nowhere else: C++ libraries would swallow the exception, take it for their own error, or
    abort.

    Args:
        experiment: the recipe.
        run_dir: a new folder, or the directory of a run of the same recipe; None: a new one,
            ``runs/NAME/<UTC time>-<6 hex digits>``, or in a notebook that of the newest unfinished run of the recipe,
            so that running a cell again goes on. A finished run is not changed, unless the recipe has more epochs:
            then it goes on, to the bits of one that was that long from the start (see `jaxdl.training.longer`).
        data_dir: folder of prepared data sets and original archives; None: TFDS's own.
        arguments: the command line, for the record.
        notify: called with messages; one that is given is also called with a line for each epoch, and no bar is shown.
            None: nothing is shown. By default messages and a bar go to stderr, or to the cell.
        begin: `time.perf_counter` at the start, for ``wall_seconds`` and for ``seconds_to_first_step``, which ends when
            the metrics of the first call of the train program are on the host.
        profiler: makes the profiler of a part of the training, such as `jaxdl.profiling.Profiler`; None: no profile.
        accept_changed_data: resume an unfinished run with other data than it was started with.
        cache: data and compiled programs of earlier trainings in this process, from the same `data_dir`.
        hooks: functions that are called between steps, in addition to those of the recipe, see `jaxdl.hook`; a function
            alone is called after each epoch. (Or `jaxdl.training.hooks.Hooks`: what shows the progress, and the like.)
        about_recipe: for the report ``expected``, what its author expects of the recipe, and ``changed``, what differs
            from it; None: nothing is known.
        tuner: chooses how many devices of the CPU share a batch; None: the recipe says so.
        tags: words that the run is found by, see `jaxdl.record.notes`.
        note: a text about the run; None: that of an earlier start, if there is one.

    Returns:
        The content of ``summary.json``, which a notebook shows as a table.

    Raises:
        Diverged: a number is no longer finite, and the recipe says to stop then.
        UserError: the data cannot be loaded or do not fit the model, or the folder holds something else or is in use.
    """
    quiet_about_its_bars()
    experiment = shortened(experiment)
    run_dir = _run_dir(experiment, notify) if run_dir is None else expanded(run_dir)
    try:
        summary = run_training(
            experiment,
            run_dir=run_dir,
            data_dir=data_dir,
            arguments=arguments,
            notify=notify,
            begin=begin,
            profiler=profiler,
            accept_changed_data=accept_changed_data,
            cache=cache,
            hooks=hooks,
            tuner=tuner,
            about_recipe=about_recipe,
            tags=tags,
            note=note,
        )
    except KeyboardInterrupt:
        if in_notebook() and notify is not None:
            notify(f"stopped, and saved in {run_dir}: run the cell again to go on.")
        raise
    if summary["status"] == "diverged":
        raise Diverged(summary, run_dir)
    return shown(summary)


def _run_dir(experiment: Experiment, notify: Callable[[str], None] | None) -> Path:
    """Returns a new run directory, or in a notebook that of the run that is to go on."""
    runs = Path("runs")
    unfinished = newest_unfinished(runs, experiment) if in_notebook() else None
    if unfinished is None:
        return new_run_dir(runs, experiment.name)
    if notify is not None:
        notify(f"resuming {unfinished}; run_dir= begins another run.")
    return unfinished


def run_training(
    experiment: Experiment,
    *,
    run_dir: Path,
    data_dir: Path | str | None = None,
    arguments: Sequence[str] = (),
    notify: Callable[[str], None] | None = announce,
    begin: float | None = None,
    profiler: Callable[[Path, Trainer], Profiler] | None = None,
    accept_changed_data: bool = False,
    cache: Cache | None = None,
    hooks: Hooks | Sequence[str | Callable[[Moment], object]] | None = None,
    tuner: Tuner | None = None,
    about_recipe: Mapping[str, str] | None = None,
    tags: Sequence[str] = (),
    note: str | None = None,
) -> Summary:
    """Does what `train` does in a run directory; returns the summary of a training that diverged, too."""
    begin = time.perf_counter() if begin is None else begin
    hooks, experiment = with_hooks(shortened(experiment), hooks)
    trackers = trackers_of(experiment)
    together = processes()
    notify = notify if notify is not None and (together is None or together.is_first) else say_nothing
    cache = cache or Cache(expanded(data_dir or default_data_dir()), notify)
    signals = hooks.signals or (StopSignals() if together is None else AgreedSignals(together))
    notes = Notes(tuple(tags), note)
    notes.after(Notes())  # what is wrong with them is said before anything is written
    with (
        _told_of_failure(together),
        open_directory(run_dir, experiment, together) as directory,
        contextlib.ExitStack() as cleanup,
    ):
        try:
            finished = earlier_summary(directory.path, experiment, may_go_on=True)
            check_same(together, {"finished": finished is not None})
            if finished is not None:
                _finished_again(directory, hooks, notes, notify)
                return finished
            experiment, dataset = _data_of(directory, experiment, cache, together, accept_changed_data, notify)
            if hooks.signals is None:
                cleanup.enter_context(signals)
            tuner = tuner if together is None else None
            chosen = tuner.choose(experiment, cache.trainer, directory.path, notify) if tuner is not None else None
            experiment = _on_devices(experiment, chosen, cache)
            stopping = EarlyStopping.of(experiment, dataset)
            trainer = cache.trainer(experiment, place_of=str(directory.path))
            cleanup.callback(trainer.close)
            _tell_of_form(trainer, chosen, notify)
            tracing = profiler(directory.path, trainer) if profiler is not None else None
            _compile(trainer, is_new=not (directory.path / CONFIG).exists())
            trainer.watch = hooks.watch
            if together is not None:
                trainer.together = Several(together)
            saving = Saving(directory, experiment, stopping, trainer.place, cache.shared(trainer))
            run = OneRun(trainer, dataset, directory, stopping, saving, hooks, signals, tracing, notify, begin)
            reopen(directory, experiment, notify)
            state, rows = run.start()
            run.calls.begin(state, accept_changed_data)
        except BaseException:
            directory.discard_if_new()
            raise
        if directory.writes:
            directory.write_config(versioned(to_config(_as_recorded(experiment, chosen))))
            record = provenance.record(arguments, experiment.seed, dataset.fingerprint, cache.surroundings())
            write_record(directory, record | _about(trainer, dataset, chosen, about_recipe), notify)
            _annotate(directory, notes)
            directory.track(begun(trackers, experiment, directory.path, notify))
        summary = run.to_end(state, rows)
        if tracing is not None:
            tracing.write(notify)
    if hooks.signals is None:
        signals.raise_received()  # it came too late to stop this training, but what follows should still stop
    return summary


def _finished_again(directory: RunDirectory, hooks: Hooks, notes: Notes, notify: Callable[[str], None]) -> None:
    """Says that nothing is left to do, adds notes, and writes a report that is missing."""
    notify(f"{directory.path} already has this run, and it is finished.")
    _annotate(directory, notes)
    if directory.writes and not (directory.path / REPORT).exists():
        write_report(directory.path, REPORT_SECTIONS, plots=hooks.plots)


def _data_of(
    directory: RunDirectory,
    experiment: Experiment,
    cache: Cache,
    together: Processes | None,
    accept_changed_data: bool,
    notify: Callable[[str], None],
) -> tuple[Experiment, Dataset]:
    """Returns the recipe as its data ask for it, and the data: those of an earlier start, and the same everywhere."""
    dataset = cache.dataset(experiment)
    experiment = experiment.for_spec(dataset.spec)
    if together is not None:
        refuse_what_is_for_one(experiment, dataset)
        check_same(together, facts_of(experiment, dataset))
    check_same_data(directory.path, experiment, dataset, accept_changed_data)
    large = about_batch(experiment, dataset)
    if large is not None:
        notify(large)
    check_same_arithmetic(directory.path, experiment, dataset.spec)
    return experiment, dataset


def _tell_of_form(trainer: Trainer, chosen: Chosen | None, notify: Callable[[str], None]) -> None:
    """Says which form was found to be fastest, or else over which devices the batch is divided."""
    if chosen is not None and chosen.seconds:
        notify(chosen.message())
    elif trainer.layout is not None:
        notify(trainer.layout.message(trainer.experiment.training.batch_size))


def _about(
    trainer: Trainer, dataset: Dataset, chosen: Chosen | None, about_recipe: Mapping[str, str] | None
) -> dict[str, Any]:
    """Returns what the record says of the programs, the pictures, the choice of a form, and the recipe."""
    about = about_programs(trainer) | about_pictures(dataset) | about_tuning(chosen)
    return about | about_own_parts(trainer.experiment) | ({"recipe": dict(about_recipe)} if about_recipe else {})


def _compile(trainer: Trainer, *, is_new: bool) -> None:
    """Compiles the programs; what is wrong with a new recipe's first state is said before."""
    if is_new:
        trainer.initial()
    trainer.compile()


def _annotate(directory: RunDirectory, notes: Notes) -> None:
    if notes and directory.writes:
        annotate(directory.path, notes.tags, notes.note)


@contextlib.contextmanager
def _told_of_failure(together: Processes | None) -> Iterator[None]:
    """Tells the other processes of an error that ends the training in this one."""
    if together is None:
        yield
        return
    with together.watched():
        try:
            yield
        except BaseException as error:
            if not together.agreed_to_stop:
                together.tell(error)
            raise


def _on_devices(experiment: Experiment, chosen: Chosen | None, cache: Cache) -> Experiment:
    """Returns the recipe with the form that was chosen for it, and frees the programs of the others."""
    if chosen is None:
        return experiment
    plain = Form(1, experiment.training.library)  # looked at before the choice, though it may not be timed
    cache.free([form.of(experiment) for form in {plain, *chosen.seconds} if form != chosen.form])
    return chosen.form.of(experiment)


def _as_recorded(experiment: Experiment, chosen: Chosen | None) -> Experiment:
    """Returns the recipe without a choice of one device: a run has one wherever nothing is said, on any machine."""
    return replace(experiment, {DEVICES: None}) if chosen is not None and chosen.form.devices == 1 else experiment
