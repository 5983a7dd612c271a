"""Several trainings side by side in one compiled program.

The trainings differ in traced fields alone. Each runs `jaxdl.train` in a thread of its own, as if it were alone. Where
it calls the train program, it waits until all others have called it, too; then one call of the stacked program serves
all of them. They are saved at the same call, as one checkpoint; validation, early stopping and the like stay those of
each training alone.

The results of a training do not depend on which others are in the program, only on how many places it has.

Why threads: one driver that steps the loops as generators, in a single thread, gave the same parameters to the bit for
the same CPU time, but took longer; it validates, saves and closes one training after the other. Both in turns on 2
cores of an AMD EPYC that others used too, jax 0.10.2, median [min, max] of 3 rounds: the trials of
``--experiment=digits_mlp --epochs=3 --sweep_batch=32`` with 32 learning rates took 7.8 s [7.3, 8.4] in threads and
10.4 s [9.4, 11.0] with a driver (CPU time 3.8 s and 3.6 s); with neither checkpoints nor run directories, in 8 rounds,
0.82 s [0.64, 1.11] and 1.05 s [0.83, 1.29].
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jaxdl.backend.compiler import compiled, traced
from jaxdl.backend.keys import with_keys, without_keys
from jaxdl.backend.mesh import devices_of, make_mesh, one_at_a_time
from jaxdl.backend.timing import seconds_each
from jaxdl.steps.functions import TrainState
from jaxdl.steps.layout import TRAININGS
from jaxdl.training.epoch import FEWEST_STEPS_PER_CALL
from jaxdl.training.feed import Feed
from jaxdl.training.loop import Called, Trainer


@dataclass
class _Call:
    """One training's call of the train program, and then its result."""

    hparams: Mapping[str, Any]
    state: TrainState
    order: Any
    first: int
    steps: int
    is_due: Callable[[int], bool] = lambda step: False
    result: Called | None = None
    error: BaseException | None = None


@dataclass
class _Action:
    """What one training wants to be done once for all, and whether it was done."""

    act: Callable[[], None]
    done: bool = False
    error: BaseException | None = None


class Stacked:
    """One program for several trainings.

    Args:
        trainer: a trainer of one of them.
        size: how many trainings the program runs side by side, rounded up to the same number on each of this process's
            devices, or groups of devices where the recipe names several for one training; with fewer trainings, some
            places stay unused.

    Attributes:
        size: how many places there are.
        compile_seconds: time that compiling took, in seconds; 0 before.
        all_due: see `jaxdl.training.hooks.Place`.
    """

    def __init__(self, trainer: Trainer, size: int):
        devices = jax.local_devices()
        # Devices that the recipe does not name serve one training each: they need not tell each other anything.
        alone = trainer.layout if trainer.layout is not None and trainer.layout.named else None
        groups = len(devices) if alone is None else len(devices) // devices_of(alone.axes)
        self.size = -(-size // groups) * groups
        self.compile_seconds = 0.0
        self._layout = None if alone is None else alone.beside(groups)
        mesh = make_mesh(((TRAININGS, groups),), devices) if self._layout is None else self._layout.mesh
        self._each, self._all = NamedSharding(mesh, PartitionSpec(TRAININGS)), NamedSharding(mesh, PartitionSpec())
        assert isinstance(trainer.feed, Feed)  # trainings over a stream have chunks of their own
        arrays = trainer.feed.data.arrays
        self._arrays = arrays if len(devices) == 1 else jax.device_put(arrays, self._all)
        self._run_steps = trainer.programs.run_steps(stacked=True, layout=self._layout)
        self._changed = threading.Condition()
        self._expected: set[str] = set()
        self._members = 0
        self._calls: list[_Call] = []
        self._actions: list[_Action] = []
        self.all_due = False
        self._program: Any = None

    def expect(self, name: str) -> None:
        """Makes the others wait for a training that will join soon, so that all begin at the same time."""
        with self._changed:
            self._expected.add(name)

    def forget(self, name: str) -> None:
        """Stops waiting for a training that has not joined."""
        with self._changed:
            self._expected.discard(name)
            self._run_if_complete()

    def join(self, name: str) -> StackedPlace:
        """Gives a training a place; from now on the others wait for its calls."""
        with self._changed:
            self._expected.discard(name)
            self._members += 1
        return StackedPlace(self)

    def leave(self) -> None:
        """Takes a training out: the others no longer wait for its calls."""
        with self._changed:
            self._members -= 1
            self._run_if_complete()

    def call(
        self,
        hparams: Mapping[str, Any],
        state: TrainState,
        order: Any,
        first: int,
        steps: int,
        is_due: Callable[[int], bool] = lambda step: False,
    ) -> Called:
        """Runs train steps of one training with those of all others; see `jaxdl.training.loop.Trainer.call`."""
        call = _Call(hparams, state, order, first, steps, is_due)
        with self._changed:
            self._calls.append(call)
            self._run_if_complete()
            self._changed.wait_for(lambda: call.result is not None or call.error is not None)
        if call.error is not None:
            raise call.error
        assert call.result is not None
        return call.result

    def once(self, action: Callable[[], None]) -> None:
        """Does an action once for all trainings that ask for it; see `jaxdl.training.hooks.Place`."""
        asked = _Action(action)
        with self._changed:
            self._actions.append(asked)
            self._run_if_complete()
            self._changed.wait_for(lambda: asked.done)
        if asked.error is not None:
            raise asked.error

    def seconds_per_step(self, trainer: Trainer, seconds: float) -> float:
        """Returns the time of one train step of one training when all places are taken, measured, in seconds.

        Compiles the program. Raises `jax.errors.JaxRuntimeError` if it does not fit into the device's memory.

        Args:
            trainer: a trainer of one of the trainings.
            seconds: about how long to measure.
        """
        self._timed(trainer, 1)  # compiles, and uses the memory for the first time
        run = functools.partial(self._timed, trainer)
        return seconds_each(run, FEWEST_STEPS_PER_CALL, trainer.steps_per_epoch, seconds) / self.size

    def _timed(self, trainer: Trainer, count: int) -> float:
        """Returns how long a call of `count` steps with all places taken lasts, in seconds."""
        order, hparams = trainer.feed.order(0), trainer.hparams()
        calls = [_Call(hparams, trainer.init_state(), order, 0, count) for _ in range(self.size)]
        begin = time.perf_counter()
        self._run(calls)
        return time.perf_counter() - begin

    def _run_if_complete(self) -> None:
        if self._actions and len(self._calls) + len(self._actions) >= self._members:
            actions, self._actions = self._actions, []
            try:
                actions[0].act()
            except BaseException as error:
                for each in actions:
                    each.error = error
            for each in actions:
                each.done = True
            self._changed.notify_all()
            return  # those for whom it was done call next, or leave
        if not self._calls or len(self._calls) < self._members or self._expected:
            return
        calls, self._calls = self._calls, []
        try:
            for begin in range(0, len(calls), self.size):
                self._run(calls[begin : begin + self.size])
        except BaseException as error:
            for call in calls:
                call.error = error
        else:
            self.all_due = any(call.is_due(int(call.result[0].step)) for call in calls if call.result is not None)
        self._changed.notify_all()

    def _run(self, calls: Sequence[_Call]) -> None:
        """Runs at most as many calls as there are places, all for the fewest steps asked for; sets their results."""
        steps = min(call.steps for call in calls)
        # Unused places repeat the last call; their results are dropped.
        placed = [*calls, *[calls[-1]] * (self.size - len(calls))]
        each = (
            _stacked([call.state for call in placed]),
            np.stack([np.asarray(call.order) for call in placed]),
            _stacked([call.hparams for call in placed]),
            np.array([call.first for call in placed], np.int32),
        )
        lies = self._each if self._layout is None else (self._layout.each(calls[0].state), *[self._each] * 3)
        states, *others = jax.device_put(each, lies)
        arguments = (states, self._arrays, *others, jax.device_put(np.int32(steps), self._all))
        # See `jaxdl.backend.memory.on_host`.
        states, metrics = jax.block_until_ready(self._compiled(arguments)(*arguments))
        states, metrics = _host(states), {name: np.asarray(rows) for name, rows in metrics.items()}
        for place, call in enumerate(calls):
            call.result = (_as(call.state, _at(place, states)), _at(place, metrics), steps)

    def _compiled(self, arguments: Sequence[Any]) -> Any:
        if self._program is None:
            begin = time.perf_counter()
            states = jax.tree.map(lambda array: array.sharding, arguments[0])
            results = None if self._layout is None else (states, self._each)
            program, _ = compiled(traced(self._run_steps, *arguments, donate_argnums=(0,), out_shardings=results))
            self._program = program if self._layout is None else one_at_a_time(program)
            self.compile_seconds = time.perf_counter() - begin
        return self._program


class StackedPlace:
    """A training's place in a stacked program; a `jaxdl.training.hooks.Place`.

    Attributes:
        size: how many places the program has.
        is_due: see `jaxdl.training.hooks.Place`.
    """

    def __init__(self, stacked: Stacked):
        self._stacked = stacked
        self.size = stacked.size
        self.once = stacked.once
        self.leave = stacked.leave
        self.is_due: Callable[[int], bool] = lambda step: False

    @property
    def all_due(self) -> bool:
        """Whether any training of the program was due to be saved after the last call."""
        return self._stacked.all_due

    def call(self, hparams: Mapping[str, Any], state: TrainState, order: Any, first: int, steps: int) -> Called:
        """Runs train steps; see `jaxdl.training.loop.Trainer.call`."""
        return self._stacked.call(hparams, state, order, first, steps, self.is_due)


def _host(tree: Any) -> Any:
    """Returns a tree's arrays on the host, keys as their words."""
    return jax.tree.map(lambda leaf: np.asarray(without_keys(leaf)), tree)


def _as(like: Any, host: Any) -> Any:
    """Undoes `_host`: makes keys of words where `like` has keys; other arrays stay on the host."""
    return jax.tree.map(with_keys, like, host)


def _at(place: int, tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[place], tree)


def _stacked(trees: Sequence[Any]) -> Any:
    """Returns trees of one structure as one tree, whose arrays have a new first axis.

    Done on the host, where it is a copy; a compiled program would have thousands of arguments.
    """
    return _as(trees[0], jax.tree.map(lambda *leaves: np.stack(leaves), *map(_host, trees)))
