"""What several processes that train together must do alike: what follows a clock or a signal, and what they begin with.

Process 0 decides, and the others do the same before the next program begins; otherwise the devices would wait for each
other. `Alone` is the training of one process.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from jaxdl.backend.processes import AgreedSignals, Processes, processes
from jaxdl.backend.rollcall import place
from jaxdl.backend.signals import StopSignals
from jaxdl.data import Dataset
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.experiment.config import to_config
from jaxdl.files.locks import LOCK
from jaxdl.record import RunDirectory, provenance
from jaxdl.record.reader import ReadOnlyDirectory
from jaxdl.report.progress import Reached
from jaxdl.training.hooks import Metrics, Pauses

_SEEN_S = 20.0


class Together(Protocol):
    """Makes the processes of a training do the same."""

    def steps(self, steps: int) -> int:
        """Returns how many train steps the next call runs, in all processes."""

    def figures(self, by_split: dict[str, Metrics]) -> dict[str, Metrics]:
        """Returns the figures of an epoch by split, the same in all processes."""


class Alone:
    """One process, whose own clock counts."""

    def steps(self, steps: int) -> int:
        return steps

    def figures(self, by_split: dict[str, Metrics]) -> dict[str, Metrics]:
        return by_split


@dataclasses.dataclass(frozen=True)
class Several:
    """Several processes, of which process 0 decides.

    Attributes:
        processes: how they tell each other.
    """

    processes: Processes

    def steps(self, steps: int) -> int:
        return self.processes.decided("steps", steps)

    def figures(self, by_split: dict[str, Metrics]) -> dict[str, Metrics]:
        # On processors of different kinds they could differ in the last bits, and early stopping follows them.
        numbers = {
            split: {name: value for name, value in metrics.items() if isinstance(value, int | float)}
            for split, metrics in by_split.items()
        }
        decided = self.processes.decided("figures", numbers)
        return {split: metrics | decided[split] for split, metrics in by_split.items()}


@dataclasses.dataclass(frozen=True)
class AgreedPauses:
    """Pauses where process 0 pauses, or where any of the processes was asked to stop.

    Attributes:
        of: says when this process would pause.
        processes: how they tell each other.
        signals: those that ask to stop.
    """

    of: Pauses
    processes: Processes
    signals: AgreedSignals

    def at_most(self, step: int) -> int:
        return self.of.at_most(step)

    def due(self, step: int) -> bool:
        self.signals.agree()
        return self.processes.decided("pause", self.of.due(step)) or self.signals.received is not None


def agreed(pauses: Pauses, signals: StopSignals) -> Pauses:
    """Returns pauses that all processes make together; where there is one, its own."""
    together = processes()
    return (
        pauses
        if together is None or not isinstance(signals, AgreedSignals)
        else AgreedPauses(pauses, together, signals)
    )


class NoDisplay:
    """Shows nothing; see `jaxdl.report.progress.Display`."""

    def update(self, reached: Reached) -> None:
        pass

    def end_epoch(self, reached: Reached) -> None:
        pass


def refuse_what_is_for_one(experiment: Experiment, dataset: Dataset) -> None:
    """Raises `UserError` for recipes that several processes do not train together."""
    if experiment.data.folds:
        raise UserError("--folds trains with one process: give the folds to several runs instead.")


def open_directory(path: Path, experiment: Experiment, together: Processes | None) -> RunDirectory:
    """Opens the run directory: process 0 locks it and writes to it, the others wait for that, and only read.

    Raises:
        UserError: see `jaxdl.record.RunDirectory.create`; or another process does not see the same folder.
    """
    if together is None:
        return RunDirectory.create(path, experiment.name)
    if together.is_first:
        opened = RunDirectory.create(path, experiment.name)
        together.decided("directory", [str(path.absolute()), (path / LOCK).read_text()])
        return opened
    there, holder = together.decided("directory", ["", ""])
    _check_seen(Path(there), holder)
    return ReadOnlyDirectory(Path(there))


def _check_seen(path: Path, holder: str) -> None:
    """Raises `UserError` where this process does not see the run directory that process 0 has locked."""
    end = time.monotonic() + _SEEN_S
    while True:  # a shared file system may be late by some seconds
        try:
            if (path / LOCK).read_text() == holder:
                return
        except OSError:
            pass
        if time.monotonic() > end:
            raise UserError(
                f"this process ({place()}) does not see the run directory {path} of process 0: the processes of a run "
                "share one --run_dir, on a file system that all hosts have."
            )
        time.sleep(0.1)


def facts_of(experiment: Experiment, dataset: Dataset) -> dict[str, Any]:
    """Returns what a training begins with, by name: its recipe and data, in short form."""
    config = json.dumps(to_config(experiment), sort_keys=True).encode()
    return {
        "recipe": hashlib.sha256(config).hexdigest()[:16],
        "data": dataset.fingerprint,
        "versions": ", ".join(f"{name} {version}" for name, version in sorted(provenance.versions().items())),
        "streamed": dataset.streamed,
    }


def check_same(together: Processes | None, facts: Mapping[str, Any]) -> None:
    """Checks that all processes begin with the same: recipe, data, arithmetic.

    Args:
        together: the processes; None: there is one.
        facts: by name, as JSON values.

    Raises:
        UserError: this process begins with something else than process 0.
    """
    if together is None:
        return
    first = together.decided("facts", dict(facts))
    other = [name for name, value in facts.items() if not _equal(value, first.get(name))]
    if other:
        told = "; ".join(f"{name}: {facts[name]} here, {first.get(name)} in process 0" for name in other[:3])
        raise UserError(
            f"process {together.index} ({place()}) begins with something else than process 0: {told}. Give all "
            "processes the same command, data and versions."
        )
    together.told("same", True)


def _equal(one: Any, other: Any) -> bool:
    return one == other or (isinstance(one, float) and isinstance(other, float) and math.isnan(one + other))
