"""How a sweep is run."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any, Literal

from jaxdl.errors import UserError
from jaxdl.fields import above_zero, at_least, check_fields, described, static
from jaxdl.fields.interval import Interval
from jaxdl.record.notes import Notes

_ELSEWHERE = ("executor", ("processes", "ray"))
_ON_RAY = ("executor", ("ray",))


def _check_batch(value: int | str) -> str | None:
    known = value in ("auto", "off") or (isinstance(value, int) and value > 0)
    return None if known else "must be auto, off, or how many trials to train in one program"


def _check_budget(value: str | float | None) -> str | None:
    if not isinstance(value, str):
        return above_zero(value)
    if not value:
        return None
    try:
        is_time = Interval.parse(value).unit == "seconds"
    except ValueError:
        is_time = False
    return None if is_time else "must be a time with its unit, such as 90s, 20min or 2h"


@described
@dataclasses.dataclass(frozen=True)
class Execution:
    """How a sweep is run.

    The result of a trial does not depend on how it is run, except for the last bits if trials share a program. Which
    values are drawn, and which trials are stopped early, may depend on how many trials run at the same time.
    ``settings`` are the arguments of `jaxdl.configure` for trials in other processes; ``notes`` are the tags and the
    note of each trial.

    Raises:
        UserError: a value is not one of the possible ones.
    """

    executor: Literal["inline", "processes", "ray"] = static(
        "inline", "where trials run: in this process, in worker processes, or on a Ray cluster"
    )
    batch: int | Literal["auto", "off"] = static(
        "auto",
        "trials trained side by side in one program, in this process: auto measures (and is one after another if "
        "results decide about later trials), off, or how many; results then equal those of the run alone within "
        "rounding, not to the bit",
        check=_check_batch,
        only_with=("executor", ("inline",)),
    )
    workers: int = static(
        0,
        "how many trials run at the same time: in processes or on a Ray cluster, 0: one for each accelerator or each "
        "two cores; in this process in threads, each with a program of its own, 0: as many as batch says",
        check=at_least(0),
    )
    budget: str | float | None = static(
        None,
        "time after which no new trial starts, such as 20min or 2h; in Python also a number of seconds",
        check=_check_budget,
    )
    retries: int = static(
        1,
        "how often to retry a trial that ran out of memory, lost its worker or had an unexpected error",
        check=at_least(0),
    )
    on_failure: Literal["continue", "stop"] = static(
        "continue",
        "after a trial that failed in all attempts: run the others, or stop at once, with what runs saved",
    )
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: Notes = Notes()
    ray_address: str = static(
        "",
        "address of the Ray cluster, or auto; by default, one is started on this machine",
        only_with=_ON_RAY,
    )
    trial_devices: int = static(
        0,
        "devices that a trial shares its batches among with another executor: GPUs, or else so many as which the CPU "
        "counts, each with a core; 0: one, or as many as --devices or --mesh needs",
        check=at_least(0),
        only_with=_ELSEWHERE,
    )
    trial_cpus: float = static(1.0, "CPUs that a trial needs on a Ray cluster", check=at_least(0), only_with=_ON_RAY)
    trial_gpus: float = static(
        0.0, "GPUs that a trial needs on a Ray cluster; a fraction shares one", check=at_least(0), only_with=_ON_RAY
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if self.trial_devices and self.trial_gpus not in (0, self.trial_devices):
            raise UserError(
                f"--trial_devices={self.trial_devices} and --trial_gpus={self.trial_gpus:g} contradict each other: the "
                "GPUs of a trial are its devices; give one of them."
            )
        if self.executor == "inline" and self.workers and self.batch != "auto":
            raise UserError(
                f"--workers={self.workers} and --sweep_batch={self.batch} both say how many trials run at the same "
                "time in this process; give one of them."
            )

    @property
    def worker_settings(self) -> dict[str, Any]:
        """The arguments of `jaxdl.configure` in the processes of trials."""
        return {**self.settings, "cpu_devices": self.trial_devices or self.settings.get("cpu_devices", 1)}

    def _check_devices(self) -> None:
        """Raises `UserError` if the recipe needs more devices than a trial has."""
        needed = self.settings.get("cpu_devices", 1)
        if self.trial_devices and needed > self.trial_devices:
            raise UserError(
                f"--trial_devices={self.trial_devices}: the recipe divides each batch among {needed} devices "
                f"(--devices or --mesh); give --trial_devices={needed}."
            )

    @property
    def budget_seconds(self) -> float | None:
        """The time after which no further trial begins, in seconds; None: no limit."""
        if not self.budget:
            return None
        return Interval.parse(self.budget).amount if isinstance(self.budget, str) else self.budget

    def width(self) -> int:
        """Returns how many trials run at the same time; it counts devices, or connects to the cluster.

        0: as many as are measured to be the fastest.
        """
        if self.executor != "inline":
            # Measurements in this process must leave the accelerators' memory to the trainings.
            os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        if self.executor == "inline":
            return self.workers or (self.batch if isinstance(self.batch, int) else {"auto": 0, "off": 1}[self.batch])
        self._check_devices()
        from jaxdl.backend.cores import accelerators, usable_cores  # here, so that --help imports no JAX

        if self.executor == "ray":
            from jaxdl.sweeps.executors.ray_cluster import connect, places

            connect(self.ray_address)
            return self.workers or places(*self.ray_needs())
        each = max(1, self.trial_devices)
        gpus, cores = accelerators(), len(usable_cores())
        if gpus and each > gpus:
            raise UserError(f"--trial_devices={each}: this machine has {gpus} GPUs; give at most {gpus}.")
        return self.workers or (gpus // each if gpus else max(1, cores // max(2, each)))

    def ray_needs(self) -> tuple[float, float]:
        """Returns how many CPUs and GPUs of the connected cluster a trial needs."""
        from jaxdl.sweeps.executors.ray_cluster import has_gpus

        if not self.trial_devices or self.trial_gpus:
            return self.trial_cpus, self.trial_gpus
        if self.settings.get("platform", "") in ("", "gpu") and has_gpus():
            return self.trial_cpus, float(self.trial_devices)
        return max(self.trial_cpus, float(self.trial_devices)), 0.0
