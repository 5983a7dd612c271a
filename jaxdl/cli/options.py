"""What a command asks for beside the recipe: the options of ``launch.py`` that are no fields of an experiment."""

from __future__ import annotations

import dataclasses
from typing import Literal

from jaxdl.fields import above_zero, at_least, static
from jaxdl.fields.interval import Interval

Mode = Literal["train", "eval", "predict", "summary", "export", "reproduce", "verify_resume", "lr_find", "batch_find"]
SWEEP_OBJECTIVE = "sweep_objective"


def _check_budget(value: str) -> str | None:
    try:
        unit = Interval.parse(value).unit if value else "seconds"
    except ValueError:
        unit = "steps"
    return None if unit == "seconds" else "must be a time with its unit, such as 90s, 20min or 2h"


def _check_batch(value: str) -> str | None:
    known = value in ("auto", "off") or (value.isdecimal() and int(value) > 0)
    return None if known else "must be auto, off, or how many trials to train in one program"


@dataclasses.dataclass(frozen=True)
class Options:
    """What a command asks for beside the recipe.

    Attributes:
        experiment: name of the experiment; empty where a run directory names it.
        mode: what to do.
        platform: backend to run on; empty takes JAX's own choice.
        data_dir: folder of prepared data sets and original archives.
        run_dir: this run's directory; empty makes a new one below ``runs/``.
        input: image file, folder of images or ``.npy`` file to predict for.
        output: file to write: CSV predictions, or the exported program.
        profile: trace a part of the training and print where the time of a step goes.
        accept_changed_data: go on with other data than those that a run was begun with.
        kills: how often to stop the training that is compared with an uninterrupted one.
        xla_flags: add the XLA flags of `jaxdl.backend.settings.configure`.
        sweep: the fields that a sweep varies, each as ``FIELD=VALUES`` (see `jaxdl.sweeps.space.axis.parse_axis`).
        sweep_file: TOML file that says the same (see `jaxdl.cli.sweep_file`).
        sweep_mode: how values are chosen; empty: all combinations where there are finitely many, else at random.
        trials: how many trainings there are in all; 0: as many as the grid has.
        sweep_dir: the sweep's directory; empty takes one that follows from what the sweep is.
        sweep_objective: figure to compare by; empty takes the experiment's ``--watch``.
        direction: whether less or more of it is better; empty: what its name says.
        prune: how trainings that fall behind are stopped early.
        sweep_seed: seed of what is drawn.
        budget: time after which no further trial begins.
        sweep_batch: how many trials are trained side by side in one program.
        executor: where trials run.
        workers: how many worker processes; 0: as many as fit.
        ray_address: address of the Ray cluster; empty starts one on this machine.
        trial_cpus: CPUs that a trial needs on a Ray cluster.
        trial_gpus: GPUs that a trial needs there.
        retries: how often a trial that failed is begun again.
        on_failure: what to do after a trial that failed for good.
        extend: add trials to an earlier sweep.
        dry_run: show the plan of a sweep and stop.
        lr_low: first learning rate of ``--mode=lr_find``.
        lr_high: its last one.
        lr_steps: its number of train steps.
        list: print the experiments and stop.
        help: print the flags and stop.
    """

    experiment: str = static("", "name of the experiment (see --list)")
    mode: Mode = static("train", "what to do")
    platform: Literal["", "cpu", "gpu", "tpu"] = static("", "backend to run on; JAX's own choice where not given")
    data_dir: str = static("", "folder of prepared data sets; TFDS's own where not given")
    run_dir: str = static("", "this run's directory; runs/NAME/<UTC time>-<6 hex digits> where not given")
    input: str = static("", "with --mode=predict: an image, a folder of images, or a .npy file of examples")
    output: str = static("", "with --mode=predict: the CSV file to write; with --mode=export: the program's file")
    profile: bool = static(False, "trace a part of the training into RUN_DIR/profile; print where a step's time goes")
    accept_changed_data: bool = static(False, "go on with other data than those the run was begun with")
    kills: int = static(10, "with --mode=verify_resume: how often to stop the training", check=at_least(1))
    xla_flags: bool = static(
        True, "add the XLA flags that are measured to be faster, where XLA_FLAGS does not set them"
    )
    sweep: tuple[str, ...] = static(
        (),
        "repeatable: FIELD=VALUES: 32,64 or 0:5 or log(1e-4,1e-1), uniform(0,0.5), int(1,8), choice(a,b)",
    )
    sweep_file: str = static("", "TOML file that says what to sweep; flags come before it")
    sweep_mode: Literal["", "grid", "random", "tpe"] = static(
        "", "how values are chosen; a grid where not given and every field has a list, else random"
    )
    trials: int = static(
        0, "trainings of a sweep in all; for a grid all combinations where not given", check=at_least(0)
    )
    sweep_dir: str = static("", "the sweep's directory; runs/NAME/sweep-<8 hex digits of what it is> where not given")
    sweep_objective: str = static(
        "",
        "figure to compare trials by, as --objective=validation/accuracy says, too; --watch where not given",
    )
    direction: Literal["", "minimize", "maximize"] = static(
        "", "whether less or more of it is better; what its name says where not given"
    )
    prune: Literal["none", "asha", "hyperband"] = static("none", "how trials that fall behind are stopped early")
    sweep_seed: int = static(0, "seed of the values that are drawn", check=at_least(0))
    budget: str = static("", "time after which no further trial begins, such as 20min or 2h", check=_check_budget)
    sweep_batch: str = static(
        "auto", "trials trained side by side in one program: auto measures, off, or how many", check=_check_batch
    )
    executor: Literal["inline", "processes", "ray"] = static(
        "inline", "where trials run: in this process, in worker processes, or on a Ray cluster"
    )
    workers: int = static(
        0, "worker processes; where not given, one for each device or each two cores", check=at_least(0)
    )
    ray_address: str = static(
        "", "address of the Ray cluster, or auto; where not given, one is started on this machine"
    )
    trial_cpus: float = static(1.0, "CPUs that a trial needs on a Ray cluster", check=above_zero)
    trial_gpus: float = static(0.0, "GPUs that a trial needs there; a fraction shares one", check=at_least(0))
    retries: int = static(1, "how often a trial that lost its worker or its memory is begun again", check=at_least(0))
    on_failure: Literal["continue", "stop"] = static("continue", "after a trial that failed for good")
    extend: bool = static(False, "add trials to the sweep in the sweep directory")
    dry_run: bool = static(False, "show the plan of a sweep and stop")
    lr_low: float = static(1e-6, "with --mode=lr_find: the first learning rate", check=above_zero)
    lr_high: float = static(10.0, "with --mode=lr_find: the last learning rate", check=above_zero)
    lr_steps: int = static(300, "with --mode=lr_find: how many train steps", check=at_least(20))
    list: bool = static(False, "print the experiments and stop")
    help: bool = static(False, "print this and stop")

    @property
    def data_folder(self) -> str:
        from jaxdl.data import default_data_dir  # here, so that --list and --help import no JAX

        return self.data_dir or str(default_data_dir())

    @property
    def sweeps(self) -> bool:
        """Whether the command is a sweep."""
        return bool(self.sweep or self.sweep_file)


# Options that say something in one mode alone.
OF_MODES = {
    "lr_find": ("lr_low", "lr_high", "lr_steps"),
    "predict": ("input",),
    "verify_resume": ("kills",),
}
# Options that say something to a sweep alone.
OF_SWEEPS = (
    "sweep_mode",
    "trials",
    "sweep_dir",
    SWEEP_OBJECTIVE,
    "direction",
    "prune",
    "sweep_seed",
    "budget",
    "sweep_batch",
    "executor",
    "workers",
    "ray_address",
    "trial_cpus",
    "trial_gpus",
    "retries",
    "on_failure",
    "extend",
    "dry_run",
)
