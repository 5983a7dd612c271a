"""What a tracker is: one small protocol, for those that come with jaxdl and for the user's own."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from jaxdl.errors import missing, unknown


@dataclasses.dataclass(frozen=True)
class TrackedRun:
    """The run that a tracker is given.

    Attributes:
        experiment: its name.
        name: name of its directory.
        run_dir: its directory.
        config: the fields of its recipe by dotted path; a part's own path has the part's name.
        earlier: what `Tracker.begin` returned for this run in an earlier process, if the run resumes; else None.
    """

    experiment: str
    name: str
    run_dir: Path
    config: Mapping[str, Any]
    earlier: str | None = None


class Tracker(Protocol):
    """Takes what a run records. All methods are called in one thread, which is not that of the training.

    What a method raises ends neither the training nor the thread: it is told once, and after several in a row the
    tracker is given nothing more.
    """

    def begin(self, run: TrackedRun) -> str | None:
        """Takes the run; returns by what it is found again when it resumes, such as the tool's id, or None."""

    def log(self, step: int, epoch: int, figures: Mapping[str, float]) -> None:
        """Takes figures by ``SPLIT/NAME``, after so many train steps and epochs."""

    def show(self, step: int, name: str, value: np.ndarray | str) -> None:
        """Takes a picture, (height, width[, channels]) uint8; values of one axis, for a histogram; or a text."""

    def end(self, status: str, figures: Mapping[str, float]) -> None:
        """Takes the end of this process's part of the run.

        Args:
            status: ``completed``, ``preempted``, ``failed`` or ``diverged``.
            figures: the last figures by ``SPLIT/NAME``.
        """


class _Shipped(NamedTuple):
    module: str  # that has the tracker
    factory: str
    needs: str  # the package to import
    extra: str  # of pyproject.toml


SHIPPED: Mapping[str, _Shipped] = {
    "mlflow": _Shipped("jaxdl.record.trackers.mlflow", "MLflow", "mlflow", "mlflow"),
    "wandb": _Shipped("jaxdl.record.trackers.wandb", "WandB", "wandb", "wandb"),
    "aim": _Shipped("jaxdl.record.trackers.aim", "Aim", "aim", "aim"),
    "trackio": _Shipped("jaxdl.record.trackers.trackio", "Trackio", "trackio", "trackio"),
}


class OwnTracker(str):
    """A tracker of the user's in a recipe: a text, its name, that has the class or function with it.

    Attributes:
        make: called without arguments, it returns a `Tracker`.
    """

    make: Callable[[], Tracker]

    def __new__(cls, make: Callable[[], Tracker]) -> OwnTracker:
        made = str.__new__(cls, getattr(make, "__name__", type(make).__name__))
        made.make = make
        return made

    def __reduce__(self) -> Any:
        return OwnTracker, (self.make,)


def taken_trackers(value: Any) -> Any:
    """Returns trackers as a tuple of names and own ones; what is none of these stays as it is."""
    if isinstance(value, str) or callable(value):
        value = (value,)
    if not isinstance(value, list | tuple):
        return value
    return tuple(each if isinstance(each, str) or not callable(each) else OwnTracker(each) for each in value)


def maker(tracker: str) -> Callable[[], Tracker]:
    """Returns what makes a tracker; nothing of its tool is imported before it is called.

    Raises:
        UserError: jaxdl has none of that name, or its tool is not installed.
    """
    if isinstance(tracker, OwnTracker):
        return tracker.make
    if tracker not in SHIPPED:
        raise unknown("tracker", tracker, SHIPPED)
    module, factory, needs, extra = SHIPPED[tracker]
    if importlib.util.find_spec(needs) is None:
        raise missing(extra, f"--tracker={tracker}")
    return lambda: getattr(importlib.import_module(module), factory)()
