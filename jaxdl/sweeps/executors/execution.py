"""How a sweep is run."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from typing import Any, Literal

from jaxdl.backend.cores import accelerators, usable_cores
from jaxdl.errors import UserError
from jaxdl.sweeps.definition import one_of

# Executors to which alone a field says something.
_SAYS_SOMETHING_TO = {
    "batch": ("inline",),
    "workers": ("processes", "ray"),
    "ray_address": ("ray",),
    "trial_cpus": ("ray",),
    "trial_gpus": ("ray",),
}


@dataclasses.dataclass(frozen=True)
class Execution:
    """How a sweep is run.

    Nothing in it changes what comes of a trial, but for the last bits where trials share a program, and for what is
    drawn or stopped early where that follows from other trials, as many of which run at the same time.

    Attributes:
        executor: where trials run: in this process, in worker processes, or on a Ray cluster.
        batch: how many trials are trained side by side in one program, in this process: ``auto`` measures (and is one
            after the other where results decide about later trials), ``off``, or a number. Side by side, results are
            those of the run alone within rounding, not to the bit.
        workers: how many trials run at the same time elsewhere; 0: one for each accelerator or each two cores.
        budget: seconds after which no further trial begins; None: no limit.
        retries: how often a trial is begun again that ran out of memory, lost its worker or met an unforeseen error.
        on_failure: after a trial that failed for good, go on with the others, or begin none; those under way still end.
        settings: what `jaxdl.configure` is called with where trials run in other processes.
        ray_address: address of the Ray cluster; empty starts one on this machine.
        trial_cpus: CPUs that a trial needs on a Ray cluster.
        trial_gpus: GPUs that a trial needs there; a fraction shares one.

    Raises:
        UserError: a value is none of those possible.
    """

    executor: Literal["inline", "processes", "ray"] = "inline"
    batch: int | Literal["auto", "off"] = "auto"
    workers: int = 0
    budget: float | None = None
    retries: int = 1
    on_failure: Literal["continue", "stop"] = "continue"
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    ray_address: str = ""
    trial_cpus: float = 1.0
    trial_gpus: float = 0.0

    def __post_init__(self) -> None:
        one_of(self.executor, ("inline", "processes", "ray"), "executor")
        one_of(self.on_failure, ("continue", "stop"), "way to go on after a failure")
        if self.batch not in ("auto", "off") and (type(self.batch) is not int or self.batch < 1):
            raise UserError(f"batch={self.batch}: must be 'auto', 'off', or how many trials to train in one program.")
        for name in ("workers", "retries", "trial_cpus", "trial_gpus"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UserError(f"{name}={getattr(self, name)}: must be 0 or more.")
        for name, executors in _SAYS_SOMETHING_TO.items():
            if self.executor not in executors and getattr(self, name) != getattr(type(self), name):
                raise UserError(f"{name}={getattr(self, name)} only applies to executor={' or '.join(executors)}.")

    def width(self) -> int:
        """Returns how many trials run at the same time, for which it looks at devices, or connects to the cluster.

        0 stands for what is measured to be the fastest.
        """
        if self.executor != "inline":
            # What this process measures must leave the accelerators' memory to those that train.
            os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        if self.executor == "inline":
            return self.batch if isinstance(self.batch, int) else {"auto": 0, "off": 1}[self.batch]
        if self.executor == "ray":
            from jaxdl.sweeps.executors.ray_cluster import connect, places

            connect(self.ray_address)
            return self.workers or places(self.trial_cpus, self.trial_gpus)
        return self.workers or accelerators() or max(1, len(usable_cores()) // 2)
