"""One trial of a sweep: its job and its outcome."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jaxdl.experiment import Experiment
from jaxdl.record import Notes
from jaxdl.sweeps.space.limits import Values

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from jaxdl.sweeps.aims import Direction
    from jaxdl.sweeps.definition import Prune

State = Literal["running", "completed", "pruned", "failed"]


@dataclasses.dataclass(frozen=True)
class Job:
    """A trial to run, with everything that a worker in another process needs for it.

    Attributes:
        number: number of the trial, from 0. experiment: the recipe with this trial's values.
        run_dir: the trial's run directory, absolute.
        data_dir: folder of prepared data sets, absolute.
        command: the command line that runs this trial alone, for its record.
        objective: the figure to compare by.
        direction: whether smaller or larger values are better.
        prune: how it may be stopped early.
        most_epochs: epochs of the longest training of the sweep.
        rivals: the trials that `prune` compares it with.
        pause_at: the epoch after which it pauses, until the other seeds of its combination have come as far; 0: never.
        notes: tags and a note of the run.
    """

    number: int
    experiment: Experiment
    run_dir: Path
    data_dir: Path
    command: tuple[str, ...]
    objective: str
    direction: Direction
    prune: Prune = "none"
    most_epochs: int = 0
    rivals: tuple[FrozenTrial, ...] = ()
    pause_at: int = 0
    notes: Notes = Notes()


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a trial.

    Attributes:
        state: whether it came to its end, was stopped early because it fell behind, or failed.
        objective: the figure to compare by, at its end; None where there is none.
        metrics: figures by ``SPLIT/METRIC``, numbers only.
        curve: the figure to compare by after each epoch, by number of epochs.
        reason: why it failed, one line; else empty.
        seconds: wall time of the attempt that ended it, in seconds.
        params_sha256: see `jaxdl.params_sha256`; empty unless it was completed.
        data: name of the data that were used; a stand-in is called one.
        compile_seconds: time spent on compilation, in seconds.
        costs: ``parameters``, ``steps`` and ``examples_per_second``; empty in tables of earlier versions.
        again: whether another attempt may succeed; not after a divergence, which repeats to the bit.
        blameless: whether its machine was lost, which says nothing of the trial: such an attempt does not count.
        ends_sweep: whether the cause, if it does not pass, is the disk and not the trial: it may be full, for example.
            Nothing is recorded then, so that the same command continues once the cause is gone.
    """

    state: State
    objective: float | None = None
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    curve: Mapping[int, float] = dataclasses.field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0
    params_sha256: str = ""
    data: str = ""
    compile_seconds: float = 0.0
    costs: Mapping[str, float] = dataclasses.field(default_factory=dict)
    again: bool = False
    blameless: bool = False
    ends_sweep: bool = False

    def figure(self, aim: str) -> float | None:
        """Returns the figure of an aim: one of the metrics, or what the training cost."""
        return self.seconds if aim == "seconds" else self.costs.get(aim, self.metrics.get(aim))

    @property
    def epochs(self) -> int:
        """The epochs for which there is a figure to compare."""
        return max(self.curve, default=0)


@dataclasses.dataclass(frozen=True)
class Trial:
    """A line of the trial table.

    Attributes:
        number: number of the trial, from 0. values: the values of the varied fields, by dotted path.
        state: ``waiting``, ``running``, or how it ended.
        attempts: how often it was started.
        outcome: its outcome; None if it is not finished.
    """

    number: int
    values: Values
    state: Literal["waiting", "running", "completed", "pruned", "failed"]
    attempts: int = 0
    outcome: Outcome | None = None

    @property
    def objective(self) -> float | None:
        """The compared figure; None if there is none."""
        return self.outcome.objective if self.outcome else None

    @property
    def completed(self) -> bool:
        """Whether it was completed, with a figure to compare."""
        return self.state == "completed" and self.objective is not None


def trial_dir(sweep_dir: Path, number: int) -> Path:
    """Returns the run directory of a trial."""
    return sweep_dir / "trials" / f"{number:04d}"


def as_row(trial: Trial, also: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Returns a trial as one flat row: values and figures by name, with ``trial``, ``state`` and the like.

    ``value`` is the compared figure; ``run_dir`` is relative to the sweep directory.

    Args:
        trial: the trial.
        also: what else differs from other trials, by dotted path.
    """
    outcome = trial.outcome or Outcome("running")
    return {
        "trial": trial.number,
        "state": trial.state,
        **trial.values,
        **(also or {}),
        "value": outcome.objective,
        **outcome.metrics,
        **outcome.costs,
        "measured_on": outcome.data,
        "run_dir": str(trial_dir(Path(), trial.number)),
        "seconds": outcome.seconds,
        "attempts": trial.attempts,
        "reason": outcome.reason,
        "params_sha256": outcome.params_sha256,
    }
