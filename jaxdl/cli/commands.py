"""What each ``--mode`` of ``launch.py`` does."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from jaxdl.backend.memory import ran_out_of_memory
from jaxdl.backend.settings import configure
from jaxdl.backend.signals import Terminated
from jaxdl.cli.options import OF_MODES, OF_SWEEPS, Options
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment

# What a shell reports of a program that SIGINT or SIGTERM ended.
_INTERRUPTED, _TERMINATED = 130, 143

Mode = Callable[[Options, Experiment, Sequence[str], float], int]


def _terminate(number: int, frame: object) -> None:
    raise Terminated


def run(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    """Does what the command asks for.

    Args:
        options: what to do.
        experiment: the recipe, or that of the run in ``options.run_dir``.
        arguments: the command line, for the record.
        begin: `time.perf_counter` when the command began.

    Returns:
        The exit status: 0, 1 for a training that diverged, 130 or 143 for a command that was stopped.

    Raises:
        UserError: something that the user can mend.
    """
    if options.profile and options.mode != "train":
        raise UserError(f"--profile traces a training: it does not go with --mode={options.mode}.")
    _check_options(options)
    configure(platform=options.platform, xla_flags=options.xla_flags)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with out_of_memory():
            return _MODES[options.mode](options, experiment, arguments, begin)
    except KeyboardInterrupt as stop:
        return _TERMINATED if isinstance(stop, Terminated) else _INTERRUPTED


def _check_options(options: Options) -> None:
    """Refuses options that say nothing to what the command does."""
    for mode, names in OF_MODES.items():
        for name in names:
            if options.mode != mode and getattr(options, name) != getattr(Options(), name):
                raise UserError(f"--{name} only applies to --mode={mode}.")
    if options.sweeps and options.mode != "train":
        raise UserError(f"--sweep trains: it does not go with --mode={options.mode}.")
    if options.sweeps and (options.profile or options.run_dir):
        name = "profile" if options.profile else "run_dir"
        raise UserError(f"--{name} is of one run; a sweep has many: give --sweep_dir, or leave out --sweep.")
    for name in OF_SWEEPS:
        if not options.sweeps and getattr(options, name) != getattr(Options(), name):
            raise UserError(f"--{name} only applies to sweeps: give --sweep=FIELD=VALUES, too.")


@contextlib.contextmanager
def out_of_memory() -> Iterator[None]:
    """Turns a want of memory, of the machine or of its accelerator, into `UserError`."""
    way_out = "lower --batch_size or --eval_batch_size, make the model smaller, or free memory"
    try:
        yield
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        cause = f" ({' '.join(str(error).split())[:150]})" if str(error) else ""
        raise UserError(f"out of memory{cause}: {way_out}.") from error


def _train(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    if options.sweeps:
        return _sweep(options, experiment, arguments)
    from jaxdl.record import new_run_dir
    from jaxdl.report.terminal import announce, results_table
    from jaxdl.training.run import train

    run_dir = Path(options.run_dir) if options.run_dir else new_run_dir(Path("runs"), experiment.name)
    data_dir = Path(options.data_folder)
    command = ["launch.py", *arguments]
    try:
        summary = train(
            experiment,
            run_dir=run_dir,
            data_dir=data_dir,
            arguments=command,
            notify=announce,
            begin=begin,
            profiler=_profiler(options),
            accept_changed_data=options.accept_changed_data,
        )
    except KeyboardInterrupt:
        announce(
            f"stopped: the same command with --run_dir={run_dir} goes on from the last checkpoint, if there is one."
        )
        raise
    results_table(summary, run_dir)
    if options.profile:
        from jaxdl.profiling import print_profile

        print_profile(run_dir)
    if summary["status"] == "diverged":
        announce(_divergence_message(summary["divergence"]))
        return 1
    return 0


def _profiler(options: Options) -> Any:
    if not options.profile:
        return None
    from jaxdl.profiling import Profiler

    return Profiler


def _sweep(options: Options, experiment: Experiment, arguments: Sequence[str]) -> int:
    from jaxdl.cli.sweep import run_sweep
    from jaxdl.report.terminal import announce

    try:
        return run_sweep(options, experiment, arguments)
    except KeyboardInterrupt:
        announce("stopped: the same command goes on with the sweep, or begins it.")
        raise


def _divergence_message(found: Mapping[str, Any]) -> str:
    from jaxdl.training.divergence import Divergence

    return (
        f"{Divergence.of_summary(found).message()}. Lower --learning_rate, clip with --clip_norm=1, or leave such "
        "updates out with --nan=skip. The last good checkpoint, if there is one, is kept."
    )


def _reproduce(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    from jaxdl.record import new_run_dir
    from jaxdl.report.terminal import announce
    from jaxdl.training.reproduce import reproduce

    original, copy = _required(options, "run_dir"), new_run_dir(Path("runs"), experiment.name)
    found = reproduce(original, copy, experiment, Path(options.data_folder), ["launch.py", *arguments], announce)
    announce(found.text())
    return 0 if found.identical else 1


def _verify_resume(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    from jaxdl.record import new_run_dir
    from jaxdl.report.terminal import announce
    from jaxdl.training.reproduce import short_command, verify_resume

    folder = Path(options.run_dir) if options.run_dir else new_run_dir(Path("runs"), f"{experiment.name}-verify_resume")
    command = short_command(Path(sys.argv[0]), arguments, experiment)
    found = verify_resume(command, folder, options.kills, experiment.seed, announce)
    announce(found.text())
    return 0 if found.identical else 1


def _lr_find(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    from jaxdl.record import new_run_dir
    from jaxdl.report.terminal import announce
    from jaxdl.search.learning_rate import lr_find, write_range_test

    found = lr_find(
        experiment,
        data_dir=Path(options.data_folder),
        low=options.lr_low,
        high=options.lr_high,
        steps=options.lr_steps,
        notify=announce,
    )
    folder = Path(options.run_dir) if options.run_dir else new_run_dir(Path("runs"), f"{experiment.name}-lr_find")
    print(found.text())
    print(f"plot: {write_range_test(found, experiment.name, folder)}")
    return 0


def _batch_find(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    from jaxdl.report.terminal import announce
    from jaxdl.search.batch_size import batch_find, fastest, largest

    found = batch_find(experiment, data_dir=Path(options.data_folder), notify=announce)
    best, most = fastest(found), largest(found)
    print(f"fastest: --batch_size={best.size}, {best.examples_per_second:,.0f} examples/s")
    print(f"largest that fits: --batch_size={most.size}, of those tried")
    print("Another batch size is another training: choose the learning rate anew, with --mode=lr_find.")
    return 0


def _evaluate(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    from jaxdl.inference import evaluate
    from jaxdl.report.terminal import announce, results_table

    run_dir = _required(options, "run_dir")
    results_table(evaluate(run_dir, experiment, Path(options.data_folder), notify=announce), run_dir)
    return 0


def _predict(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    from jaxdl.files.atomic import replace_file
    from jaxdl.inference import load_run, predictions_csv, read_inputs, read_spec

    run_dir, source, output = _required(options, "run_dir"), _required(options, "input"), _output(options)
    names, inputs = read_inputs(source, read_spec(run_dir))
    model = load_run(run_dir, experiment)
    replace_file(output, predictions_csv(names, model.predict(inputs), model.spec.class_names))
    print(f"{len(names)} predictions written to {output}")
    return 0


def _export(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    from jaxdl.files.atomic import replace_file
    from jaxdl.inference import export_program, load_run

    run_dir, output = _required(options, "run_dir"), _output(options)
    program = export_program(load_run(run_dir, experiment))
    replace_file(output, program)
    print(f"{len(program):,} bytes written to {output}; run it with jax.export.deserialize(data).call(inputs)")
    return 0


def _summary(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    from rich.console import Console

    from jaxdl.report import layer_table, render
    from jaxdl.report.layers import tree_bytes
    from jaxdl.steps.functions import make_steps, state_shapes

    spec = experiment.data.spec(Path(options.data_folder))
    experiment = experiment.for_spec(spec)
    state = state_shapes(make_steps(experiment, spec, total_steps=1))
    size = experiment.training.batch_size
    opt_bytes = tree_bytes(state.opt_state)
    table = layer_table(experiment.model, spec.input_shape, batch_size=size, optimizer_bytes=opt_bytes, train=True)
    Console(highlight=False).print(render(table))
    return 0


def _required(options: Options, name: str) -> Path:
    value = getattr(options, name)
    if not value:
        raise UserError(f"--mode={options.mode} needs --{name} (see --help).")
    return Path(value)


def _output(options: Options) -> Path:
    output = _required(options, "output")
    if not output.parent.is_dir():
        raise UserError(f"--output={output}: there is no folder {output.parent}; make it, or name another file.")
    return output


_MODES: Mapping[str, Mode] = {
    "train": _train,
    "eval": _evaluate,
    "predict": _predict,
    "export": _export,
    "summary": _summary,
    "reproduce": _reproduce,
    "verify_resume": _verify_resume,
    "lr_find": _lr_find,
    "batch_find": _batch_find,
}
