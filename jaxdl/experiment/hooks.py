"""Hooks: functions of the user's, or shipped ones, that a training calls after epochs or steps."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np

from jaxdl.data import Dataset
from jaxdl.errors import UserError, brief
from jaxdl.fields.function import place_of
from jaxdl.fields.interval import Interval

_EACH_EPOCH = "1epoch"
_FORM = re.compile(r"(?P<name>[^()=]+)(?:\(every=(?P<every>[^()]+)\))?")


class Moment(Protocol):
    """A moment of a training, between two of its steps, as a hook sees it; used after the hook has returned, it raises.

    Attributes:
        step: train steps done.
        epoch: epochs done; a hook that is called after steps may be in the middle of the next one.
        figures: the last figures by ``SPLIT/METRIC``. In the middle of an epoch, those of train are means over its
            steps so far.
        run_dir: the run directory, where a hook may write files of its own.
        dataset: the data, by split: ``dataset.splits["validation"]["inputs"]``.
        params: the parameters, as NumPy arrays: a copy, so changing them changes nothing.
    """

    @property
    def step(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def figures(self) -> Mapping[str, Any]: ...
    @property
    def run_dir(self) -> Path: ...
    @property
    def dataset(self) -> Dataset: ...
    @property
    def params(self) -> Any: ...

    def predict(self, inputs: Any, lengths: Any = None) -> np.ndarray:
        """Returns what the model predicts now, see `jaxdl.TrainedModel.predict`."""

    def predictions(self, split: str = "validation") -> Any:
        """Returns what the model predicts now for a whole split."""

    def evaluate(self, split: str = "validation") -> dict[str, Any]:
        """Returns the loss and the metrics over a whole split, by name."""

    def log(self, name: str, value: Any) -> None:
        """Records a value of this moment under a name.

        Args:
            name: its name; it is shown as ``hooks/NAME``.
            value: a number, which goes to ``metrics.jsonl``, the summary, the report and TensorBoard; or for
                TensorBoard alone a picture, (height, width) or (height, width, 1 or 3 or 4), uint8 or floats in [0, 1],
                values of one axis, of which it shows the histogram, or a text in Markdown. Trackers are given all of
                them.

        Raises:
            UserError: it is none of these.
        """

    def stop(self, reason: str) -> None:
        """Ends the training here: its state is tested, and the summary has the reason under ``stopped``."""


class Hook(str):
    """A hook in ``Experiment(hooks=...)``: a text, its name and how often it is called, that has the function with it.

    Attributes:
        function: takes a `Moment`.
        name: by which the run's record knows it.
        every: steps or epochs between two calls.
        place: its name with file and line, for messages.
    """

    function: Callable[[Moment], object]
    name: str
    every: Interval
    place: str

    def __new__(cls, function: Callable[[Moment], object], every: str | int = _EACH_EPOCH, name: str = "") -> Hook:
        name = name or getattr(function, "__name__", type(function).__name__).strip("<>")
        interval = _interval(name, f"{every}steps" if isinstance(every, int) else every)
        shown = f"{int(interval.amount)}{interval.unit if interval.amount > 1 else interval.unit.removesuffix('s')}"
        made = str.__new__(cls, name if shown == _EACH_EPOCH else f"{name}(every={shown})")
        made.function, made.name, made.every, made.place = function, name, interval, place_of(function)
        return made

    def __call__(self, now: Moment) -> object:
        return self.function(now)

    def __reduce__(self) -> Any:
        """Takes the function along: cloudpickle copies one whose name, after a decorator, is that of the hook."""
        return Hook, (self.function, f"{int(self.every.amount)}{self.every.unit}", self.name)


def _interval(name: str, every: str) -> Interval:
    try:
        interval = Interval.parse(every)
    except ValueError:
        interval = None
    if interval is None or interval.unit == "seconds":
        raise UserError(
            f"hook {name}: every={every}: give steps or epochs, such as 100steps or 1epoch; by the clock, a run that "
            "resumes would not be the same."
        )
    return interval


@overload
def hook(function: Callable[[Moment], object] | str, *, every: str | int = ..., name: str = ...) -> Hook: ...


@overload
def hook(*, every: str | int = ..., name: str = ...) -> Callable[[Callable[[Moment], object]], Hook]: ...


def hook(function: Any = None, *, every: str | int = _EACH_EPOCH, name: str = "") -> Any:
    """Makes a hook of a function that takes a `Moment`; also a decorator.

    Args:
        function: the function; or another hook, or the name of a shipped one, to be called at another interval.
        every: steps or epochs between two calls, such as ``100steps`` or ``2epochs``; a whole number counts steps.
        name: by which the run's record knows it; empty: that of the function.

    Raises:
        UserError: it is no function, no shipped hook has that name, or the interval is none of steps or epochs.
    """
    if function is None:
        return lambda function: hook(function, every=every, name=name)
    if isinstance(function, str) and not isinstance(function, Hook):
        function = named_hook(function)
    if isinstance(function, Hook):
        function, name = function.function, name or function.name
    if not callable(function):
        raise UserError(f"hook: give a function that takes a jaxdl.Moment, not {brief(function)}.")
    return Hook(function, every, name)


def named_hook(text: str) -> Hook:
    """Returns the hook that a text of a config or a flag names: ``NAME`` or ``NAME(every=100steps)``.

    Raises:
        UserError: jaxdl ships none of that name.
    """
    from jaxdl.errors import nearest
    from jaxdl.experiment.shipped_hooks import SHIPPED

    if isinstance(text, Hook):
        return text
    found = _FORM.fullmatch(text)
    name = found["name"] if found else text
    if found is None or name not in SHIPPED:
        near = nearest(name, SHIPPED)
        raise UserError(
            f"the hook {name!r} is none that jaxdl ships ({', '.join(SHIPPED)})."
            + (f" Did you mean {near!r}?" if near else "")
            + " For one of your own give the experiment that has it, for the command line with --experiment=FILE.py."
        )
    shipped = SHIPPED[name]
    return hook(shipped, every=found["every"]) if found["every"] else shipped


def taken_hooks(value: Any) -> Any:
    """Returns hooks as a tuple of hooks and names; what is no sequence of functions and names stays as it is."""
    if isinstance(value, str) or callable(value):
        value = (value,)
    if not isinstance(value, list | tuple):
        return value
    return tuple(each if isinstance(each, str) or not callable(each) else Hook(each) for each in value)


class OfConfig(str):
    """The name of a hook in the config of a run, whose function may not be at hand: only a training needs it."""


def of_config(hooks: Any) -> Any:
    """Returns the hooks of a config, in which names stand for what may not be at hand; others stay as they are."""
    if not isinstance(hooks, tuple):
        return hooks
    return tuple(OfConfig(each) if type(each) is str else each for each in hooks)


def check_hooks(hooks: tuple[str, ...]) -> str | None:
    """Checks a list of hooks, as the check of a field: returns what is wrong with it.

    Raises:
        UserError: jaxdl ships no hook of a name.
    """
    for each in hooks:
        if not isinstance(each, OfConfig):
            named_hook(each)
    names = [each.name if isinstance(each, Hook) else each.partition("(")[0] for each in hooks]
    twice = next((name for name in names if names.count(name) > 1), None)
    return None if twice is None else f"two hooks are named {twice}: give one jaxdl.hook(..., name=...)"
