"""Training as compiled programs over data on the device: many steps a call, no host work between steps."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, Protocol, overload

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.data import Dataset
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.programs import batch_of_step, epoch_order, put_on_device, run_eval_steps, run_train_steps
from jaxdl.step import (
    SKIPPED,
    Batch,
    TrainState,
    eval_metrics,
    hyperparameters,
    make_loss_and_gradients,
    make_steps,
    model_errors,
    state_shapes,
)

Metrics = dict[str, Any]
Rows = dict[str, np.ndarray]
OnProgress = Callable[[int, int, Metrics, float], None]
# A call of the train program lasts about this long: short enough that progress is seen and a signal is answered soon,
# long enough that what a call costs stays small. On the CPU each call is given fresh memory for its temporaries, whose
# first use took as long as 1.5 steps of `mnist_cnn` (0.09 s); hence also a least number of steps.
_SECONDS_PER_CALL = 2.0
_FEWEST_STEPS_PER_CALL = 4


class Diverged(Exception):
    """A number of the training is no longer finite, and the recipe says to stop then.

    Attributes:
        step: train steps done, that which made the number included.
        what: what is not finite, such as ``train loss``.
    """

    def __init__(self, step: int, what: str):
        super().__init__(f"the {what} of step {step:,} is not finite")
        self.step = step
        self.what = what


@dataclasses.dataclass(frozen=True)
class Epoch:
    """What one epoch gave.

    Attributes:
        number: 1 for the first.
        step: train steps done since the start of the training.
        state: the state after it, valid until the next epoch is asked for (its memory is then used again).
        metrics: figures by split: ``{"train": {...}, "validation": {...}}``.
        train_seconds: time of those of its train steps that this process ran, in seconds.
        examples: how many examples these visited.
    """

    number: int
    step: int
    state: TrainState
    metrics: dict[str, Metrics]
    train_seconds: float
    examples: int


@dataclasses.dataclass(frozen=True)
class Pause:
    """The training stands still between two calls of the train program, because the caller asked for it.

    Attributes:
        step: train steps done since the start of the training.
        state: the state after them, valid until the training goes on.
        rows: the metrics of each step of the epoch under way, (steps of an epoch,) float32 by name, zero for those to
            come; `Trainer.train` takes them to go on from here.
    """

    step: int
    state: TrainState
    rows: Rows


class Pauses(Protocol):
    """Says when the training shall stand still; see `Pause`. It also does after every epoch."""

    def at_most(self, step: int) -> int:
        """Returns how many steps may be run in one call after `step`, at least 1."""

    def due(self, step: int) -> bool:
        """Returns whether to stand still after `step`, which is not the last of its epoch."""


class Observer(Protocol):
    """Stands beside the loop that calls the train program; see `jaxdl.profiling.Recorder`.

    Attributes:
        paused_seconds: time that it took for itself so far, in seconds.
    """

    paused_seconds: float

    def before_call(self, steps: int) -> int:
        """Returns how many train steps the next call may run, 1 to `steps`."""

    def after_call(self, steps: int, results: Any, ends_epoch: bool) -> None:
        """Takes note of a call that was begun, with arrays that it will give."""


class _NoPauses:
    """Never stands still within an epoch."""

    def at_most(self, step: int) -> int:
        return 2**31

    def due(self, step: int) -> bool:
        return False


class _NoObserver:
    """Looks away."""

    paused_seconds = 0.0

    def before_call(self, steps: int) -> int:
        return steps

    def after_call(self, steps: int, results: Any, ends_epoch: bool) -> None:
        pass


class Trainer:
    """The compiled programs of one experiment on one data set, and the data on the device.

    Args:
        experiment: the recipe.
        dataset: the data; needs at least one train example.

    Attributes:
        compile_seconds: time spent on tracing and compiling so far, in seconds.
        steps_per_call: about how many steps the next call of the train program runs; results do not depend on it.
    """

    def __init__(self, experiment: Experiment, dataset: Dataset):
        self.experiment = experiment.for_spec(dataset.spec)
        self.spec = dataset.spec
        self.data = put_on_device(dataset)
        self._passes = dataset.passes
        self.examples_per_epoch = self.data.size("train") * dataset.passes
        self.steps_per_epoch = experiment.steps_per_epoch(self.examples_per_epoch)
        self.total_steps = self.steps_per_epoch * experiment.training.epochs
        if self.total_steps >= 2**31:
            raise UserError(f"{self.total_steps:,} train steps are more than can be counted; lower --epochs.")
        self.steps = make_steps(self.experiment, self.spec, self.total_steps)
        self.compile_seconds = 0.0
        self.steps_per_call = max(_FEWEST_STEPS_PER_CALL, self.steps_per_epoch // 50)
        self._programs: dict[str, Callable[..., Any]] = {}
        self._eval_batch = min(experiment.training.eval_batch_size, max(map(self.data.size, self.data.ranges)))

    def state_shapes(self) -> TrainState:
        """Returns the shapes and dtypes of the state; computes nothing."""
        return state_shapes(self.steps)

    def init_state(self) -> TrainState:
        """Returns the state before the first step, from the experiment's seed."""
        return self._program("init")(np.uint32(self.experiment.seed))

    def compile(self) -> None:
        """Traces and compiles all programs now, from shapes alone, instead of each when it is first needed.

        Raises:
            UserError: the model, the objective or a metric does not fit the data.
        """
        for name in ("init", "train", "eval"):
            self._program(name)

    def _program(self, name: str) -> Callable[..., Any]:
        if name not in self._programs:
            begin = time.perf_counter()
            lower = {"init": self._lower_init, "train": self._lower_train, "eval": self._lower_eval}[name]
            with model_errors():
                self._programs[name] = lower().compile()
            self.compile_seconds += time.perf_counter() - begin
        return self._programs[name]

    def train_program_text(self) -> str:
        """Returns the train program after XLA's optimisation, in XLA's text form."""
        return self._program("train").as_text()  # type: ignore[attr-defined]

    def _lower_init(self) -> Any:
        return jax.jit(self.steps.init_state).lower(np.uint32(0))

    def _lower_train(self) -> Any:
        program = functools.partial(run_train_steps, self.steps, self.experiment.training.batch_size)
        order = jax.ShapeDtypeStruct((self.data.size("train") * self._passes,), jnp.int32)
        arguments = (self.data.arrays, order, self.hparams(), np.int32(0), np.int32(0))
        return jax.jit(program, donate_argnums=0).lower(self.state_shapes(), *arguments)

    def _lower_eval(self) -> Any:
        most = max(-(-self.data.size(name) // self._eval_batch) for name in self.data.ranges)
        program = functools.partial(run_eval_steps, self.steps, self._eval_batch, most)
        return jax.jit(program).lower(self.state_shapes(), self.data.arrays, np.int32(0), np.int32(0))

    def hparams(self) -> dict[str, Any]:
        """Returns the numbers that enter the train step as data; see `jaxdl.step.hyperparameters`."""
        return {path: np.float32(value) for path, value in hyperparameters(self.experiment).items()}

    @overload
    def train(
        self,
        state: TrainState,
        *,
        rows: Rows | None = None,
        pauses: None = None,
        on_progress: OnProgress | None = None,
        observer: Observer | None = None,
    ) -> Iterator[Epoch]: ...

    @overload
    def train(
        self,
        state: TrainState,
        *,
        rows: Rows | None = None,
        pauses: Pauses,
        on_progress: OnProgress | None = None,
        observer: Observer | None = None,
    ) -> Iterator[Epoch | Pause]: ...

    def train(
        self,
        state: TrainState,
        *,
        rows: Rows | None = None,
        pauses: Pauses | None = None,
        on_progress: OnProgress | None = None,
        observer: Observer | None = None,
    ) -> Iterator[Epoch | Pause]:
        """Trains on from `state` until the budget is spent; yields after each epoch, and where `pauses` asks for it.

        Args:
            state: where to go on from; its memory is given up to the training.
            rows: of the `Pause` that gave `state`, where it is in the middle of an epoch.
            pauses: when to stand still within an epoch; None: never.
            on_progress: called about every two seconds with the step, the epoch (1 for the first), the train metrics
                since the last call, and the examples per second.
            observer: told of each call of the train program, such as a profiler; the time it takes for itself does not
                count as training.

        Raises:
            Diverged: a train loss is not a finite number, and the recipe says to stop then.
        """
        pauses, observer = pauses or _NoPauses(), observer or _NoObserver()
        first_epoch, done = divmod(int(state.step), self.steps_per_epoch)
        for epoch in range(first_epoch, self.experiment.training.epochs):
            self._program("train")  # compiled before the clock starts
            run = _EpochRun(self, epoch, done, rows or {}, on_progress, observer)
            state = yield from run.steps(state, pauses)
            splits = {"train": run.means()}
            if self.data.size("validation"):
                splits["validation"] = self.evaluate(state, "validation")
            visited = max(0, self.examples_per_epoch - done * self.experiment.training.batch_size)
            yield Epoch(epoch + 1, (epoch + 1) * self.steps_per_epoch, state, splits, run.seconds, visited)
            rows, done = None, 0

    def advance(self, state: TrainState, count: int) -> tuple[TrainState, np.ndarray]:
        """Runs train steps and nothing else, as `train` does, to the same bits.

        Args:
            state: where to begin; its memory is given up.
            count: how many steps, at least 1, that must not go beyond the last.

        Returns:
            The state after them, and the loss of each, (count,) float32.
        """
        losses = []
        while count:
            epoch, done = divmod(int(state.step), self.steps_per_epoch)
            steps = min(count, self.steps_per_epoch - done)
            state, metrics = self.call(state, self._order(epoch), done, steps)
            losses.append(np.asarray(metrics["loss"])[done : done + steps])
            count -= steps
        return state, np.concatenate(losses)

    def call(
        self, state: TrainState, order: jax.Array, done: int, steps: int
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        """Begins one call of the train program; see `jaxdl.programs.run_train_steps`."""
        bounds = (np.int32(done), np.int32(steps))
        return self._program("train")(state, self.data.arrays, order, self.hparams(), *bounds)

    def batch(self, step: int) -> Batch:
        """Returns the examples that the train step after `step` steps is made on."""
        epoch, number = divmod(step, self.steps_per_epoch)
        return batch_of_step(self.data.arrays, self._order(epoch), number, self.experiment.training.batch_size)

    def gradients(self, state: TrainState) -> Any:
        """Returns the gradients by which the train step after `state` goes, before they are clipped."""
        function = make_loss_and_gradients(self.experiment, self.spec, self.total_steps)
        return function(state, self.batch(int(state.step)), self.hparams())[1]

    def row_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Returns the shapes of `Pause.rows`; computes nothing."""
        shapes = jax.eval_shape(self.steps.train_step, self.state_shapes(), self._batch_shapes(), self.hparams())[1]
        return {name: jax.ShapeDtypeStruct((self.steps_per_epoch,), shape.dtype) for name, shape in shapes.items()}

    def _batch_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
        size = self.experiment.training.batch_size
        return {name: jax.ShapeDtypeStruct((size, *a.shape[1:]), a.dtype) for name, a in self.data.arrays.items()}

    def _order(self, epoch: int) -> jax.Array:
        return jax.device_put(epoch_order(self.experiment.seed, epoch, self.data.size("train"), self._passes))

    def evaluate(self, state: TrainState, split: str) -> Metrics:
        """Returns the loss and the experiment's metrics over every example of a split, each counted once."""
        start, stop = (np.int32(bound) for bound in self.data.ranges[split])
        partials = jax.device_get(self._program("eval")(state, self.data.arrays, start, stop))
        batches = -(-self.data.size(split) // self._eval_batch)
        partials = jax.tree.map(lambda values: values[:batches], partials)
        figures: Metrics = {}
        for figure in eval_metrics(self.experiment):
            figures |= figure.result(partials)
        return figures


class _EpochRun:
    """The train steps of one epoch, in calls of about two seconds; each call's metrics are read while the next runs.

    Attributes:
        seconds: time of the steps that were run here, in seconds.
    """

    def __init__(
        self,
        trainer: Trainer,
        epoch: int,
        done: int,
        rows: Mapping[str, np.ndarray],
        on_progress: OnProgress | None,
        observer: Observer,
    ):
        self._trainer = trainer
        self._epoch = epoch
        self._done = done
        self._rows: Rows = {name: np.array(values) for name, values in rows.items()}
        self._on_progress = on_progress
        self._observer = observer
        self.seconds = 0.0
        self._began = self._last_read = self._observer_began = 0.0

    def steps(self, state: TrainState, pauses: Pauses) -> Generator[Pause, None, TrainState]:
        """Runs the steps that are left; yields where `pauses` asks for it, and returns the state after the last."""
        trainer, observer, total = self._trainer, self._observer, self._trainer.steps_per_epoch
        order = trainer._order(self._epoch)
        before = self._epoch * total
        pending: tuple[int, int, Any] | None = None
        self._start_clock()
        while self._done < total:
            most = min(trainer.steps_per_call, total - self._done, pauses.at_most(before + self._done))
            steps = observer.before_call(most)
            state, metrics = trainer.call(state, order, self._done, steps)
            self._done += steps
            observer.after_call(steps, metrics, self._done == total)
            if pending is not None:
                # One call late: the device already works on the next call, so it never waits for Python.
                self._take(*pending)
            pending = (self._done, steps, metrics)
            if self._done < total and pauses.due(before + self._done):
                self._take(*pending)
                pending = None
                self._stop_clock()
                yield Pause(before + self._done, state, self._rows)
                self._start_clock()
        if pending is not None:
            self._take(*pending)
        self._stop_clock()
        return state

    def means(self) -> Metrics:
        """Returns the means over all steps in double precision, and how many were skipped, which count in no mean."""
        rows = self._in_order(self._rows)
        skipped = rows.pop(SKIPPED, None)
        taken = slice(None) if skipped is None else skipped == 0
        means = {name: _mean(row[taken]) for name, row in rows.items()}
        return means if skipped is None else means | {SKIPPED: int(skipped.sum())}

    @staticmethod
    def _in_order(rows: Mapping[str, Any]) -> dict[str, Any]:
        """The loss first, as everywhere; the compiled program returns names in alphabetical order."""
        return {name: rows[name] for name in sorted(rows, key=lambda name: (name != "loss", name))}

    def _take(self, done: int, steps: int, metrics: Mapping[str, jax.Array]) -> None:
        """Reads the metrics of one call."""
        read = jax.device_get(metrics)
        now = time.perf_counter()
        seconds, self._last_read = now - self._last_read, now
        for name, values in self._in_order(read).items():
            row = self._rows.setdefault(name, np.zeros_like(values))
            row[done - steps : done] = values[done - steps : done]
        if self._trainer.experiment.training.nan == "stop":
            wrong = np.flatnonzero(~np.isfinite(self._rows["loss"][done - steps : done]))
            if wrong.size:
                first = self._epoch * self._trainer.steps_per_epoch + done - steps + int(wrong[0])
                raise Diverged(first + 1, "train loss")
        if self._on_progress is not None:
            means = {name: _mean(row[done - steps : done]) for name, row in self._in_order(self._rows).items()}
            rate = steps * self._trainer.experiment.training.batch_size / seconds
            self._on_progress(self._epoch * self._trainer.steps_per_epoch + done, self._epoch + 1, means, rate)
        growth = min(4.0, _SECONDS_PER_CALL / max(seconds, 1e-6))
        self._trainer.steps_per_call = max(_FEWEST_STEPS_PER_CALL, math.ceil(steps * growth))

    def _start_clock(self) -> None:
        self._last_read = self._began = time.perf_counter()
        self._observer_began = self._observer.paused_seconds

    def _stop_clock(self) -> None:
        of_observer = self._observer.paused_seconds - self._observer_began
        self.seconds += time.perf_counter() - self._began - of_observer


def _mean(values: np.ndarray) -> float:
    return float(values.mean(dtype=np.float64)) if values.size else math.nan
