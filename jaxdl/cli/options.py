"""The options of ``launch.py`` that are not fields of an experiment."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from jaxdl.cli.commands import COMMANDS
from jaxdl.errors import UserError
from jaxdl.fields import Field, above_zero, at_least, described, part, replace, static, walk
from jaxdl.fields.interval import Interval
from jaxdl.record.notes import check_note, check_tags
from jaxdl.sweeps.executors.execution import Execution
from jaxdl.sweeps.selection import Selection

if TYPE_CHECKING:
    Mode = str
else:
    Mode = Literal[tuple(COMMANDS)]  # the table is the only list of the modes


def _check_lr_steps(steps: int) -> str | None:
    return None if 20 <= steps <= 100_000 else "must be from 20 to 100000"


def _check_port(port: int) -> str | None:
    return None if 0 <= port <= 65535 else "must be from 0 to 65535"


def _check_time(value: str) -> str | None:
    try:
        every = Interval.parse(value) if value else None
    except ValueError:
        return "must be a time such as 90s, 45min or 2h"
    return None if every is None or every.unit == "seconds" else "must be a time such as 90s, 45min or 2h"


@described
@dataclasses.dataclass(frozen=True)
class Options:
    """The options of a command, in addition to the recipe."""

    experiment: str = static(
        "",
        "name of the experiment (see --list), or FILE.py or FILE.py:NAME; not needed if a run directory names it",
    )
    config: str = static(
        "", "take the recipe of the run in this directory, for a new run; flags change it as any recipe", path=True
    )
    mode: Mode = static("train", "what to do")
    platform: Literal["", "cpu", "gpu", "tpu"] = static("", "backend to run on; JAX chooses by default")
    data_dir: str = static(
        "", "folder of prepared data sets and of original archives to prepare; by default TFDS's own", path=True
    )
    run_dir: str = static("", "this run's directory; by default runs/NAME/<UTC time>-<6 hex digits>", path=True)
    resume: bool = static(
        False, "go on with the newest unfinished run of this recipe in runs/NAME; begin a new one where there is none"
    )
    max_time: str = static(
        "", "end the training in order after so long: 90s, 45min, 2h; the same command goes on", check=_check_time
    )
    hang_after: str = static(
        "",
        "end the process with status 124 where a call of the train or eval program does not come back for so long: "
        "5min, 600s; it says where it stands, and the same command goes on; by default it waits",
        check=_check_time,
    )
    on_end: str = static(
        "",
        "program with arguments that is run when the training or the sweep has ended, however it ended; "
        "JAXDL_RUN_DIR or JAXDL_SWEEP_DIR, JAXDL_EXPERIMENT and JAXDL_STATUS are in its environment; no shell reads it",
    )
    distributed: Literal["off", "auto"] = static(
        "off",
        "auto: train with the other processes that SLURM, Open MPI, Kubernetes or a TPU pod has started with this one; "
        "off: alone, or with those that --coordinator names",
    )
    coordinator: str = static(
        "", "HOST:PORT of process 0, where all processes of a training meet; with --num_processes and --process_id"
    )
    num_processes: int | None = static(None, "how many processes train together", check=at_least(1))
    process_id: int | None = static(None, "the number of this process, from 0", check=at_least(0))
    join_timeout: float = static(
        120.0, "how many seconds a process waits for the others before it ends with status 2", check=above_zero
    )
    heartbeat: int = static(
        100,
        "after so many seconds without a sign of life a process is taken for dead, and the others end",
        check=at_least(1),
    )
    tuning: str = static(
        "auto",
        "how a CPU computes, that is how many of its devices share a batch, and with the extra native whether its "
        "operations compute convolutions and LSTMs: auto: measured in a moment before a training that takes long, and "
        "kept for this machine; off: one device, and --library; DIR: as in the run in this directory. Not for sweeps, "
        "and not where --devices, --mesh or XLA_FLAGS says it",
    )
    quiet: bool = static(False, "show neither progress nor messages, only results and errors")
    input: str = static(
        "",
        "with --mode=predict: an image, a folder of images, a .npy file of examples, or a .npz file of inputs and "
        "lengths",
        path=True,
    )
    output: str = static(
        "",
        "with --mode=predict: the table to write, .csv, .parquet or .jsonl; with --mode=export: the program's file; "
        "with --mode=compare: a file that ends in .html, .csv, .md or .tex",
        path=True,
    )
    format: Literal["stablehlo", "onnx", "safetensors"] = static(
        "stablehlo",
        "with --mode=export: stablehlo: a program for JAX; onnx: one for ONNX runtimes; safetensors: the weights",
    )
    top_k: int = static(
        0,
        "with --mode=predict: write only so many classes of each example, the most probable first; 0: all classes",
        check=at_least(0),
    )
    runs: tuple[str, ...] = static(
        (),
        "with --mode=runs, tag, clean, compare or follow: run directories, sweeps, folders with runs, or patterns such "
        "as runs/mnist_*; none: the folder runs",
    )
    filter: str = static(
        "",
        "with --mode=runs, tag, clean, compare or follow: conditions such as 'experiment=mnist_cnn test/accuracy>0.99 "
        "learning_rate<=1e-3'",
    )
    sort: str = static("", "with --mode=runs: a figure, fact or field to sort by; -NAME sorts from high to low")
    figures: tuple[str, ...] = static(
        (),
        "with --mode=compare or follow: names of figures, such as test/accuracy; none: all on test, or on validation",
    )
    baseline: str = static(
        "",
        "with --mode=compare: with what the others are compared: a run directory, or a recipe by its name; the first",
    )
    tag: tuple[str, ...] = static(
        (),
        "words that the run is found by, kept in its directory: --mode=runs --filter=tag=WORD; -WORD takes one away",
        check=check_tags,
    )
    note: str | None = static(None, "a text about the run, kept in its directory; empty: no note", check=check_note)
    older_than: str = static(
        "", "with --mode=clean: only runs that have written nothing for so long: 12h, 30d", check=_check_time
    )
    keep: Literal["", "final", "best", "nothing"] = static(
        "",
        "with --mode=clean: what stays of the checkpoints: final: that which predicts; best: the best; nothing: none, "
        "and no pictures and traces either. A run that is not completed keeps its last one, unless nothing stays",
    )
    yes: bool = static(False, "with --mode=clean: remove what --keep says; without it, it is only shown")
    prompt: str = static("", "with --mode=sample: the text to begin with")
    length: int = static(
        500, "with --mode=sample: how many characters, words or other units to write", check=at_least(1)
    )
    temperature: float = static(
        1.0,
        "with --mode=sample: below 1 what is probable becomes more probable; 0: always the most probable",
        check=at_least(0),
    )
    runtime: Literal["jax", "onednn", "onnx"] = static(
        "jax",
        "with --mode=predict or serve: what predicts: jax; onednn: JAX on the CPU with native operations, sooner for "
        "many images; onnx: onnxruntime on the CPU, sooner for single examples",
    )
    host: str = static(
        "127.0.0.1", "with --mode=serve: the address to listen on; the default is reached from this machine alone"
    )
    port: int = static(8080, "with --mode=serve: the port to listen on; 0: a free one", check=_check_port)
    max_batch: int = static(64, "with --mode=serve: how many examples are predicted together", check=at_least(1))
    max_body: int = static(10_000_000, "with --mode=serve: bytes that one request may have", check=at_least(1))
    max_seconds: float = static(
        30.0, "with --mode=serve: how long a request may take to arrive, and then its answer", check=above_zero
    )
    profile: bool = static(False, "trace a part of the training into RUN_DIR/profile; print where a step's time goes")
    debug: bool = static(
        False,
        "run without jit, one operation after another, and stop at the first NaN with the line of the model that made "
        "it; slow: see also --fast_dev_run",
    )
    accept_changed_data: bool = static(False, "resume a run with other data than it was started with")
    kills: int = static(
        10,
        "with --mode=verify_resume: how often to stop the training that is compared with an uninterrupted one",
        check=at_least(1),
    )
    xla_flags: bool = static(True, "add the XLA flags that are measured to be faster, unless XLA_FLAGS sets them")
    sweep: tuple[str, ...] = static(
        (),
        "repeatable: FIELD=VALUES: 32,64 or 0:5 or log(1e-4,1e-1), uniform(0,0.5), int(16,256,step=16), choice(a,b)",
    )
    sweep_file: str = static("", "TOML file that defines the sweep; flags override it", path=True)
    sweep_dir: str = static(
        "", "the sweep's directory; by default runs/NAME/sweep-<8 hex digits of its definition>", path=True
    )
    extend: bool = static(False, "add trials to the sweep in the sweep directory")
    dry_run: bool = static(False, "show the plan of a sweep and stop")
    selection: Selection = part(None, "how the trials of a sweep are chosen and compared", default=Selection())
    execution: Execution = part(None, "how a sweep is run", default=Execution())
    lr_low: float = static(1e-6, "with --mode=lr_find: the first learning rate", check=above_zero)
    lr_high: float = static(10.0, "with --mode=lr_find: the last learning rate", check=above_zero)
    lr_steps: int = static(300, "with --mode=lr_find: how many train steps", check=_check_lr_steps)
    list: bool = static(False, "print the experiments and stop")
    new: str = static("", "write experiments/NAME.py, a recipe to change, and stop")
    version: bool = static(False, "print the versions of jaxdl, JAX and Python and stop")
    help: bool = static(False, "print this and stop")

    @property
    def data_folder(self) -> str:
        """The folder of data sets: ``data_dir``, or TFDS's own."""
        from jaxdl.data import default_data_dir  # here, so that --list and --help import no JAX

        return self.data_dir or str(default_data_dir())

    @property
    def is_sweep(self) -> bool:
        """Whether the command is a sweep."""
        return bool(self.sweep or self.sweep_file or self.selection.sweep_pairs)


# The only flag whose name differs from its field's.
_SWEEP_BATCH = {"execution.batch": "sweep_batch"}


@functools.cache
def option_fields() -> Mapping[str, Field]:
    """Returns the options by the names of their flags; each field's path is its path in `Options`."""
    fields = (field for field in walk(Options()) if field.declaration.help and not field.is_part)
    return {_SWEEP_BATCH.get(field.path, field.path.rpartition(".")[2]): field for field in fields}


def reserved_names(mode: str) -> frozenset[str]:
    """Returns the options that are flags of a mode, also where a field has the same last name.

    An option that applies only to other modes leaves its name to such a field.
    """
    owners = {name: [mode for mode in COMMANDS if name in COMMANDS[mode].own_options] for name in option_fields()}
    return frozenset(name for name, modes in owners.items() if not modes or mode in modes)


@functools.cache
def option_switches() -> frozenset[str]:
    """Returns the names of those options that take no value."""
    return frozenset(name for name, field in option_fields().items() if field.type is bool)


def file_options() -> dict[str, Field]:
    """Returns the options that a sweep file may hold."""
    parts = ("selection.", "execution.")
    return {name: field for name, field in option_fields().items() if field.path.startswith(parts)}


def sweep_options() -> list[str]:
    """Lists the options that apply only to sweeps."""
    return [*file_options(), "sweep_dir", "extend", "dry_run"]


def make_options(given: Mapping[str, Any]) -> Options:
    """Returns the options with the given values, by the names of their flags.

    Raises:
        UserError: options contradict each other.
    """
    fields = option_fields()
    if not any(given.get(name) for name in ("sweep", "sweep_file", "sweep_pairs")):
        for name in sweep_options():
            if name in given and given[name] != fields[name].default:
                raise UserError(f"--{name} only applies to sweeps: give --sweep=FIELD=VALUES, too.")
    return replace(Options(), {fields[name].path: value for name, value in given.items()})
