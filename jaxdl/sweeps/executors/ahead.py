"""Compiles the programs of trials to come while others train."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

import jax

from jaxdl.backend.compiler import without_jit
from jaxdl.backend.cores import usable_cores
from jaxdl.experiment import Experiment
from jaxdl.experiment.load import shortened
from jaxdl.fields import show, walk
from jaxdl.sweeps.space.limits import Values
from jaxdl.sweeps.space.space import apply
from jaxdl.training.cache import Cache
from jaxdl.training.programs import program_key

# The recipes of so many trials are looked at, at most: each takes a part of a millisecond of Python's time.
_MOST_LOOKED_AT = 500
# What takes longer is left to the trials, since at the end of a sweep the programs under way must come to theirs.
_MOST_SECONDS = 10.0


class Ahead:
    """Compiles in a thread of its own what trials need, in their order, until there is no more room; a context manager.

    On a CPU alone: a step of a small network keeps less than one core busy, and Python none while it waits. At the end
    it waits for the programs of one recipe, which cannot be left half compiled.

    Args:
        cache: where the programs are kept for the trials.
        experiment: the recipe that is varied.
        trials: the values of the trials to come, in their order; none: nothing is done.
        goes_on: returns whether further trials may begin.
    """

    def __init__(
        self, cache: Cache, experiment: Experiment, trials: Sequence[Values], goes_on: Callable[[], bool] = lambda: True
    ):
        self._cache = cache
        self._experiment = experiment
        self._trials = trials
        self._goes_on = goes_on
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._compile, name="ahead")
        self._works = bool(trials) and jax.default_backend() == "cpu" and len(usable_cores()) > 1 and not without_jit()

    def _compile(self) -> None:
        for recipe in _with_other_programs(self._experiment, self._trials):
            if self._ended.is_set() or not self._goes_on():
                return
            begin = time.perf_counter()
            try:
                has_room = self._cache.compile_ahead(recipe)
            except Exception:
                continue  # the trial itself meets the same error, and reports it
            if not has_room or time.perf_counter() - begin > _MOST_SECONDS:
                return

    def stop(self) -> None:
        """Compiles no further programs after those under way."""
        self._ended.set()

    def wait(self) -> None:
        """Waits until all is compiled."""
        if self._works:
            self._thread.join()

    def __enter__(self) -> Self:
        if self._works:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        self.wait()


def _with_other_programs(experiment: Experiment, trials: Sequence[Values]) -> Iterator[Experiment]:
    """Returns the first recipe of each kind of programs, as far as the first trials have them."""
    known = set()
    for values in itertools.islice(_that_may_differ(experiment, trials), _MOST_LOOKED_AT):
        try:
            recipe = shortened(apply(experiment, values))
        except Exception:
            continue  # the trial itself reports it
        key = program_key(recipe)
        if key not in known:
            known.add(key)
            yield recipe


def _that_may_differ(experiment: Experiment, trials: Sequence[Values]) -> Iterator[Values]:
    """Leaves out trials that differ from an earlier one in numbers alone that enter the recipe's programs as data."""
    enter = {field.path for field in walk(experiment) if field.enters_as_data}
    known = set()
    for values in trials:
        kind = tuple((path, show(value)) for path, value in values.items() if path not in enter)
        if kind not in known:
            known.add(kind)
            yield values
