"""Training as compiled programs over data on the device: many steps a call, no host work between steps."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.data import Dataset, examples
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.step import (
    INPUT_SCOPE,
    Batch,
    Steps,
    Sums,
    TrainState,
    eval_metrics,
    hyperparameters,
    make_steps,
    model_errors,
    state_shapes,
)

Metrics = dict[str, Any]
# A call of the train program lasts about this long: short enough that progress is seen and a signal is answered soon,
# long enough that what a call costs stays small. On the CPU each call is given fresh memory for its temporaries, whose
# first use took as long as 1.5 steps of `mnist_cnn` (0.09 s); hence also a least number of steps.
_SECONDS_PER_CALL = 2.0
_FEWEST_STEPS_PER_CALL = 4


@dataclasses.dataclass(frozen=True)
class DeviceData:
    """Every split of a data set in one set of arrays on the device, as stored, so that one program serves all splits.

    Attributes:
        arrays: ``inputs`` (examples, ...), ``targets`` (examples, ...) and the like.
        ranges: first and one past the last example of each split, by name.
    """

    arrays: dict[str, jax.Array]
    ranges: Mapping[str, tuple[int, int]]

    def size(self, split: str) -> int:
        """Returns the number of examples in a split, 0 where there is none of that name."""
        start, stop = self.ranges.get(split, (0, 0))
        return stop - start


def put_on_device(dataset: Dataset) -> DeviceData:
    """Copies all splits to the default device, train first."""
    names = ("train", *(name for name in dataset.splits if name != "train"))
    bounds = np.cumsum([0, *(examples(dataset.splits[name]) for name in names)]).tolist()
    keys = dataset.splits["train"].keys()
    joined = {key: np.concatenate([dataset.splits[name][key] for name in names]) for key in keys}
    ranges = {name: (bounds[i], bounds[i + 1]) for i, name in enumerate(names)}
    return DeviceData(jax.device_put(joined), ranges)


def epoch_order(seed: int, epoch: int, count: int, passes: int = 1) -> np.ndarray:
    """Returns the order in which an epoch visits the train split, of (seed, epoch) alone.

    Made on the host: at 55,000 examples that takes 1 to 4 ms, where a sort in the compiled program takes 5 to 30 ms.
    By `RandomState`, because NumPy froze its stream for good, so that other versions give the same order.

    Returns:
        (passes * count,) int32: one permutation of ``range(count)`` after the other.
    """
    numbers = range(epoch * passes, (epoch + 1) * passes)
    orders = [np.random.RandomState([seed, number]).permutation(count) for number in numbers]
    return np.concatenate(orders).astype(np.int32)


def _take(arrays: Mapping[str, jax.Array], index: jax.Array) -> dict[str, jax.Array]:
    """Copies examples as flat rows: on the CPU that takes a tenth of what a gather of images takes."""

    def rows(array: jax.Array) -> jax.Array:
        taken = array.reshape(array.shape[0], -1).at[index].get(mode="promise_in_bounds")
        return taken.reshape(*index.shape, *array.shape[1:])

    return {key: rows(value) for key, value in arrays.items()}


def run_train_steps(
    steps: Steps,
    batch_size: int,
    state: TrainState,
    arrays: Batch,
    order: jax.Array,
    hparams: Mapping[str, Any],
    first: jax.Array,
    count: jax.Array,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Runs train steps `first` to ``first + count`` of one epoch; the numbers are traced, so one program serves all.

    The last batch of an epoch is filled up with the epoch's first examples: each example is used at least once.

    Returns:
        The new state, and the metrics of each step of the epoch, (steps,) float32 each, zero for those not run here.
        They are added on the host in double precision, so that figures do not depend on how an epoch is cut into calls.
    """
    size = order.shape[0]

    def body(i: jax.Array, carry: tuple[TrainState, dict[str, jax.Array]]) -> tuple[TrainState, dict[str, jax.Array]]:
        state, rows = carry
        with jax.named_scope(INPUT_SCOPE):
            positions = (i * batch_size + jnp.arange(batch_size, dtype=jnp.int32)) % size
            batch = _take(arrays, order[positions])
        state, metrics = steps.train_step(state, batch, hparams)
        return state, jax.tree.map(lambda row, value: row.at[i].set(value), rows, metrics)

    first_batch = _take(arrays, order[jnp.arange(batch_size) % size])
    shapes = jax.eval_shape(steps.train_step, state, first_batch, hparams)[1]
    steps_per_epoch = -(-size // batch_size)
    rows = jax.tree.map(lambda shape: jnp.zeros((steps_per_epoch, *shape.shape), shape.dtype), shapes)
    return jax.lax.fori_loop(first, first + count, body, (state, rows))


def run_eval_steps(
    steps: Steps,
    batch_size: int,
    most_batches: int,
    state: TrainState,
    arrays: Batch,
    start: jax.Array,
    stop: jax.Array,
) -> Sums:
    """Evaluates the examples ``start`` to ``stop`` once each; the last batch is masked.

    Returns:
        The partial sums of each batch, with one leading axis of `most_batches`; those past the last are zero. They are
        added on the host in double precision, so that figures do not depend on the batch size.
    """

    def sums_of(i: jax.Array) -> Sums:
        positions = start + i * batch_size + jnp.arange(batch_size, dtype=jnp.int32)
        batch = _take(arrays, jnp.minimum(positions, stop - 1))
        return steps.eval_step(state, batch | {"mask": positions < stop})

    shapes = jax.eval_shape(sums_of, jax.ShapeDtypeStruct((), jnp.int32))
    buffers = jax.tree.map(lambda s: jnp.zeros((most_batches, *s.shape), s.dtype), shapes)
    batches = (stop - start + batch_size - 1) // batch_size

    def body(i: jax.Array, buffers: Sums) -> Sums:
        return jax.tree.map(lambda buffer, value: buffer.at[i].set(value), buffers, sums_of(i))

    return jax.lax.fori_loop(0, batches, body, buffers)


@dataclasses.dataclass(frozen=True)
class Epoch:
    """What one epoch gave.

    Attributes:
        number: 1 for the first.
        step: train steps done since the start of the training.
        state: the state after it, valid until the next epoch is asked for (its memory is then used again).
        metrics: figures by split: ``{"train": {...}, "validation": {...}}``.
        train_seconds: time of the train steps alone, in seconds.
    """

    number: int
    step: int
    state: TrainState
    metrics: dict[str, Metrics]
    train_seconds: float


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


class Trainer:
    """The compiled programs of one experiment on one data set, and the data on the device.

    Args:
        experiment: the recipe.
        dataset: the data; needs at least one train example.

    Attributes:
        compile_seconds: time spent on tracing and compiling so far, in seconds.
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
        self._steps_per_call = max(_FEWEST_STEPS_PER_CALL, self.steps_per_epoch // 50)
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
        arguments = (self.data.arrays, order, self._hparams(), np.int32(0), np.int32(0))
        return jax.jit(program, donate_argnums=0).lower(self.state_shapes(), *arguments)

    def _lower_eval(self) -> Any:
        most = max(-(-self.data.size(name) // self._eval_batch) for name in self.data.ranges)
        program = functools.partial(run_eval_steps, self.steps, self._eval_batch, most)
        return jax.jit(program).lower(self.state_shapes(), self.data.arrays, np.int32(0), np.int32(0))

    def _hparams(self) -> dict[str, np.float32]:
        return {path: np.float32(value) for path, value in hyperparameters(self.experiment).items()}

    def train(
        self,
        state: TrainState,
        *,
        on_progress: Callable[[int, int, Metrics, float], None] | None = None,
        observer: Observer | None = None,
    ) -> Iterator[Epoch]:
        """Trains on from `state`, at an epoch's start, until the budget is spent; yields after each epoch.

        Args:
            state: where to go on from; its memory is given up to the training.
            on_progress: called about every two seconds with the step, the epoch (1 for the first), the train metrics
                since the last call, and the examples per second.
            observer: told of each call of the train program, such as a profiler; the time it takes for itself does not
                count as training.
        """
        hparams = self._hparams()
        first_epoch = int(state.step) // self.steps_per_epoch
        for epoch in range(first_epoch, self.experiment.training.epochs):
            order = self._order(epoch)
            self._program("train")  # compiled before the clock starts
            begin = time.perf_counter() - (observer.paused_seconds if observer else 0.0)
            state, metrics = self._train_epoch(state, order, hparams, epoch, on_progress, observer)
            seconds = time.perf_counter() - (observer.paused_seconds if observer else 0.0) - begin
            splits = {"train": metrics}
            if self.data.size("validation"):
                splits["validation"] = self.evaluate(state, "validation")
            yield Epoch(epoch + 1, (epoch + 1) * self.steps_per_epoch, state, splits, seconds)

    def _order(self, epoch: int) -> jax.Array:
        return jax.device_put(epoch_order(self.experiment.seed, epoch, self.data.size("train"), self._passes))

    def _train_epoch(
        self,
        state: TrainState,
        order: jax.Array,
        hparams: Mapping[str, Any],
        epoch: int,
        on_progress: Callable[[int, int, Metrics, float], None] | None,
        observer: Observer | None,
    ) -> tuple[TrainState, Metrics]:
        """Runs one epoch in calls of about two seconds; reads each call's metrics while the next one runs."""
        run_steps = self._program("train")
        rows: dict[str, list[np.ndarray]] = {}
        last_read = time.perf_counter()

        def take(done: int, steps: int, metrics: Mapping[str, jax.Array]) -> None:
            nonlocal last_read
            read = jax.device_get(metrics)
            now = time.perf_counter()
            seconds, last_read = now - last_read, now
            # The loss first, as everywhere; the compiled program returns names in alphabetical order.
            for name in sorted(read, key=lambda name: (name != "loss", name)):
                rows.setdefault(name, []).append(read[name][done - steps : done])
            if on_progress is not None:
                means = {name: float(values[-1].mean(dtype=np.float64)) for name, values in rows.items()}
                rate = steps * self.experiment.training.batch_size / seconds
                on_progress(epoch * self.steps_per_epoch + done, epoch + 1, means, rate)
            growth = min(4.0, _SECONDS_PER_CALL / max(seconds, 1e-6))
            self._steps_per_call = max(_FEWEST_STEPS_PER_CALL, math.ceil(steps * growth))

        done = 0
        pending: tuple[int, int, Any] | None = None
        while done < self.steps_per_epoch:
            steps = min(self._steps_per_call, self.steps_per_epoch - done)
            if observer is not None:
                steps = observer.before_call(steps)
            bounds = (np.int32(done), np.int32(steps))
            state, metrics = run_steps(state, self.data.arrays, order, hparams, *bounds)
            done += steps
            if observer is not None:
                observer.after_call(steps, metrics, done == self.steps_per_epoch)
            if pending is not None:
                # One call late: the device already works on the next call, so it never waits for Python.
                take(*pending)
            pending = (done, steps, metrics)
        assert pending is not None
        take(*pending)
        return state, {name: float(np.concatenate(values).mean(dtype=np.float64)) for name, values in rows.items()}

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
