"""Training, once or as a sweep, and the table of the model's layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import jax

from jaxdl.backend.memory import device_memory
from jaxdl.backend.processes import processes
from jaxdl.cli.argv import program
from jaxdl.cli.finding import docstring, folders_of, shipped_folder
from jaxdl.cli.on_end import check_on_end, run_on_end
from jaxdl.cli.options import Options, option_fields
from jaxdl.experiment import Experiment
from jaxdl.fields.interval import Interval
from jaxdl.files.paths import expanded
from jaxdl.record import new_run_dir
from jaxdl.report.expected import expected_text
from jaxdl.report.layers import layer_table, render, tree_bytes
from jaxdl.report.memory import memory_lines
from jaxdl.report.terminal import announce, console_of, results_table
from jaxdl.steps.functions import make_steps, state_shapes
from jaxdl.steps.prediction import batch_shapes, predicted_memory
from jaxdl.training.divergence import Divergence
from jaxdl.training.hooks import Hooks, Profiler
from jaxdl.training.loop import Trainer
from jaxdl.training.programs import layout_with_rules
from jaxdl.training.resuming import newest_unfinished
from jaxdl.training.run import run_training
from jaxdl.training.tuning import Tuner


def train(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    """Trains an experiment, or a sweep over variants of it; returns the exit status."""
    if options.on_end:
        check_on_end(options.on_end)
    if options.is_sweep:
        return _sweep(options, experiment, arguments)
    together = processes()
    run_dir = _run_dir(options, experiment) if together is None or together.is_first else Path()
    if together is not None:
        run_dir = Path(together.decided("run_dir", str(run_dir)))
    try:
        return _train_once(options, experiment, arguments, begin, run_dir)
    finally:
        if run_dir.exists():
            run_on_end(options.on_end, run_dir=run_dir)


def _train_once(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float, run_dir: Path) -> int:
    """Trains, and prints the results; returns the exit status."""
    try:
        summary = run_training(
            experiment,
            run_dir=run_dir,
            data_dir=Path(options.data_folder),
            arguments=[*program(), *arguments],
            notify=None if options.quiet else announce,
            begin=begin,
            profiler=_profiler(options),
            accept_changed_data=options.accept_changed_data,
            hooks=_hooks(options, run_dir),
            tuner=tuner_of(options),
            about_recipe=_about_recipe(options, experiment, arguments),
            tags=options.tag,
            note=options.note,
        )
    except KeyboardInterrupt:
        together = processes()
        if together is not None and not together.is_first:
            raise
        announce(
            f"stopped: the same command with --run_dir={run_dir} resumes from the last checkpoint, if there is one."
        )
        raise
    together = processes()
    if together is not None and not together.is_first:
        return 1 if summary["divergence"] is not None else 0
    results_table(summary, run_dir)
    if options.profile:
        from jaxdl.profiling import print_profile  # here, since few trainings are profiled

        print_profile(run_dir)
    if summary["divergence"] is not None:
        announce(
            f"{Divergence.of_summary(summary['divergence']).message()}. Lower --learning_rate, clip with "
            "--clip_norm=1, or skip such updates with --nan=skip; --debug names the line of the model that gives NaN. "
            "The last good checkpoint, if there is one, is kept."
        )
        return 1
    return 0


def _about_recipe(options: Options, experiment: Experiment, arguments: Sequence[str]) -> dict[str, str]:
    """Returns what the author of the recipe expects of it, and which fields the command changed."""
    name = options.experiment or experiment.name
    expected = expected_text(docstring(name, folders_of(shipped_folder())))
    own = {field.partition("=")[0].removeprefix("--") for field in arguments} - {*option_fields()}
    changed = [each for each in arguments if each.startswith("--") and each.partition("=")[0].removeprefix("--") in own]
    return {"expected": expected, "changed": " ".join(changed)} if expected else {}


def _run_dir(options: Options, experiment: Experiment) -> Path:
    """Returns the run directory: the one that is given, that of an unfinished run to go on with, or a new one."""
    if options.run_dir:
        return Path(options.run_dir)
    runs = Path("runs")
    if options.resume:
        found = newest_unfinished(runs, experiment)
        if found is not None:
            announce(f"resuming {found}")
            return found
        announce(f"no unfinished run of this recipe in {runs / experiment.name}: a new one begins.")
    return new_run_dir(runs, experiment.name)


def tuner_of(options: Options) -> Tuner | None:
    """Returns what chooses the devices that share a batch; None where it is not chosen."""
    if options.tuning == "off" or options.debug or options.platform not in ("", "cpu"):
        return None
    return Tuner(None if options.tuning == "auto" else expanded(options.tuning))


def _hooks(options: Options, run_dir: Path) -> Hooks:
    if not options.hang_after:
        return Hooks()
    from jaxdl.backend.watchdog import Watchdog  # here, since few trainings are watched

    return Hooks(watch=Watchdog(Interval.parse(options.hang_after).amount, str(run_dir)).watch)


def _profiler(options: Options) -> Callable[[Path, Trainer], Profiler] | None:
    if not options.profile:
        return None
    from jaxdl.profiling import Profiler  # here, since few trainings are profiled

    return Profiler


def _sweep(options: Options, experiment: Experiment, arguments: Sequence[str]) -> int:
    from jaxdl.cli.sweep import run_sweep  # here, since a single training does not need it

    try:
        return run_sweep(options, experiment, arguments)
    except KeyboardInterrupt:
        announce("stopped: the same command continues the sweep.")
        raise


def summary(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    """Prints the model's layers with shapes and sizes, without computing anything."""
    spec = experiment.data.spec(Path(options.data_folder))
    experiment = experiment.for_spec(spec)
    state = state_shapes(make_steps(experiment, spec, total_steps=1))
    size = experiment.training.batch_size
    opt_bytes = tree_bytes(state.opt_state)
    inputs = (spec.model_shape, spec.model_dtype)
    named = {name: (each.model_shape, each.model_dtype) for name, each in spec.inputs}
    table = layer_table(experiment.model, *inputs, size, named=named, optimizer_bytes=opt_bytes, train=True)
    console_of().print(render(table))
    layout = layout_with_rules(experiment, spec)
    kept = None if experiment.data.stream == "on" else experiment.data.known_examples(Path(options.data_folder))
    memory = predicted_memory(experiment, spec, batch_shapes(experiment, spec), layout, kept)
    limit = device_memory(jax.local_devices()[0])
    console_of().print(memory_lines(memory.parts, limit, memory.devices, memory.example, memory.flops))
    return 0
