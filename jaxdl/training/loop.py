"""Training as compiled programs over data on the device: many steps a call, no host work between steps."""

from __future__ import annotations

import copy
import functools
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, overload

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.backend.jaxprs import is_read
from jaxdl.backend.memory import on_host
from jaxdl.data import Dataset
from jaxdl.data.resident import ResidentData, put_on_device
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields import Field, show, walk
from jaxdl.steps.functions import (
    Batch,
    TrainState,
    eval_metrics,
    hyperparameters,
    make_loss_and_gradients,
    make_steps,
    model_errors,
    state_shapes,
)
from jaxdl.training.epoch import (
    FEWEST_STEPS_PER_CALL,
    Epoch,
    EpochRun,
    Metrics,
    NoObserver,
    NoPauses,
    Observer,
    OnProgress,
    Pace,
    Pause,
    Pauses,
    Rows,
)
from jaxdl.training.programs import (
    batch_of_step,
    compiled,
    epoch_order,
    run_eval_steps,
    run_train_steps,
)

if TYPE_CHECKING:
    from jaxdl.training.stacked import Together

_MOST_STEPS_AT_FIRST = 64
# Fields that no program depends on: they say what is done between its calls.
_BETWEEN_CALLS = ("checkpoint.", "training.watch", "training.patience", "training.final", "name")


def program_key(experiment: Experiment) -> tuple[tuple[str, str], ...]:
    """Returns what the compiled programs depend on: trainings with the same key need no compilation of their own.

    That is each static field with its value, and which of the traced ones enter the programs as data.
    """
    fields = [field for field in walk(experiment) if not field.path.startswith(_BETWEEN_CALLS)]
    return tuple((f.path, "traced" if f.enters_as_data else _static_value(f)) for f in fields)


def _static_value(field: Field) -> str:
    return type(field.value).__qualname__ if field.is_part else show(field.value)


class Trainer:
    """The compiled programs of one experiment on one data set, and the data on the device.

    Args:
        experiment: the recipe.
        dataset: the data; needs at least one train example.
        data: the same data, where they are on the device already.

    Attributes:
        compiler_options: what each program that is compiled was compiled with, beside XLA_FLAGS.
        compile_seconds: time spent on tracing and compiling so far, in seconds.
        together: the trainings with which this one shares a program, side by side; None: it trains alone.
        pace: how many steps a call of the train program runs, which variants find as the last one left it.
    """

    def __init__(self, experiment: Experiment, dataset: Dataset, data: ResidentData | None = None):
        self.experiment = experiment.for_spec(dataset.spec)
        self.spec = dataset.spec
        self.data = data or put_on_device(dataset)
        self._passes = dataset.passes
        self.examples_per_epoch = self.data.size("train") * dataset.passes
        self.steps_per_epoch = experiment.steps_per_epoch(self.examples_per_epoch)
        self.total_steps = self.steps_per_epoch * experiment.training.epochs
        if self.total_steps >= 2**31:
            raise UserError(f"{self.total_steps:,} train steps are more than can be counted; lower --epochs.")
        self.steps = make_steps(self.experiment, self.spec, self.total_steps)
        self.compile_seconds = 0.0
        # Few at first, since nobody knows yet how long a step takes; `EpochRun` goes up from here.
        self.pace = Pace(max(FEWEST_STEPS_PER_CALL, min(_MOST_STEPS_AT_FIRST, self.steps_per_epoch // 50)))
        self._programs: dict[str, Callable[..., Any]] = {}
        self.compiler_options: dict[str, dict[str, str]] = {}
        self.together: Together | None = None
        self._traced: dict[str, Any] = {}
        self._shapes: dict[str, Any] = {}
        self._compiling = threading.RLock()
        self._eval_batch = min(experiment.training.eval_batch_size, max(map(self.data.size, self.data.ranges)))

    def variant(self, experiment: Experiment, together: Together | None = None, name: str = "") -> Trainer:
        """Returns the trainer of a recipe that differs in traced fields alone: it shares data and programs with this.

        What is compiled by one of them is there for all. What a recipe says of saving and stopping may differ, too.

        Args:
            experiment: a recipe with the same `program_key`.
            together: trains side by side with the others that are given it, until `close`.
            name: under which `together` expects it.
        """
        other = copy.copy(self)
        other.experiment = experiment.for_spec(self.spec)
        other.compile_seconds = 0.0
        other.together = together
        if together is not None:
            together.join(name)
        return other

    def close(self) -> None:
        """Lets those that train side by side with this go on alone; a second call does nothing."""
        together, self.together = self.together, None
        if together is not None:
            together.leave()

    def state_shapes(self) -> TrainState:
        """Returns the shapes and dtypes of the state; computes nothing."""
        if "state" not in self._shapes:  # once for all variants, since it traces the model
            self._shapes["state"] = state_shapes(self.steps)
        return self._shapes["state"]

    def init_state(self) -> TrainState:
        """Returns the state before the first step, from the experiment's seed."""
        state = self._program("init")(np.uint32(self.experiment.seed))
        return jax.block_until_ready(state)  # see `jaxdl.backend.memory.on_host`

    def compile(self) -> None:
        """Traces and compiles all programs now, from shapes alone, instead of each when it is first needed.

        Raises:
            UserError: the model, the objective or a metric does not fit the data.
        """
        for name in ("init", "eval") if self.together else ("init", "train", "eval"):
            self._program(name)

    def _program(self, name: str) -> Callable[..., Any]:
        with self._compiling:  # variants may train in threads of their own
            if name not in self._programs:
                begin = time.perf_counter()
                self._programs[name], self.compiler_options[name] = compiled(self._trace(name))
                del self._traced[name]
                self.compile_seconds += time.perf_counter() - begin
            return self._programs[name]

    def _trace(self, name: str) -> Any:
        with self._compiling:
            if name not in self._traced:
                trace = {"init": self._trace_init, "train": self._trace_train, "eval": self._trace_eval}[name]
                with model_errors():
                    self._traced[name] = trace()
            return self._traced[name]

    @property
    def compiled(self) -> tuple[str, ...]:
        """The programs that were compiled so far, here or by a variant."""
        return tuple(self._programs)

    def memory_needed(self) -> int:
        """Returns the bytes of device memory that the train program needs beside the data; compiles it."""
        analysis = self._program("train").memory_analysis()  # type: ignore[attr-defined]
        given = analysis.argument_size_in_bytes - sum(array.nbytes for array in self.data.arrays.values())
        made = analysis.output_size_in_bytes - analysis.alias_size_in_bytes
        return given + made + analysis.temp_size_in_bytes

    def source_text(self, name: str) -> str:
        """Returns a program that is not yet compiled, ``init``, ``train`` or ``eval``, in StableHLO's text form.

        Raises:
            UserError: the model, the objective or a metric does not fit the data.
        """
        return self._trace(name).lower().as_text()

    def reads(self) -> set[str]:
        """Returns the paths of the numbers that enter the programs as data and are read there."""
        state, batch, hparams = self.state_shapes(), self._batch_shapes(), self.hparams()
        found: set[str] = set()
        for step in (self.steps.train_step, self.steps.eval_step):
            closed = jax.make_jaxpr(step)(state, batch, hparams)
            # Last among the flat arguments, in alphabetical order.
            arguments = closed.jaxpr.invars[len(closed.jaxpr.invars) - len(hparams) :]
            found |= {
                path
                for path, argument in zip(sorted(hparams), arguments, strict=True)
                if is_read(closed.jaxpr, argument)
            }
        return found

    def train_program_text(self) -> str:
        """Returns the train program after XLA's optimisation, in XLA's text form."""
        return self._program("train").as_text()  # type: ignore[attr-defined]

    def _trace_init(self) -> Any:
        return jax.jit(self.steps.init_state).trace(np.uint32(0))

    def _trace_train(self) -> Any:
        program = functools.partial(run_train_steps, self.steps, self.experiment.training.batch_size)
        order = jax.ShapeDtypeStruct((self.data.size("train") * self._passes,), jnp.int32)
        arguments = (self.data.arrays, order, self.hparams(), np.int32(0), np.int32(0))
        return jax.jit(program, donate_argnums=0).trace(self.state_shapes(), *arguments)

    def _trace_eval(self) -> Any:
        most = max(-(-self.data.size(name) // self._eval_batch) for name in self.data.ranges)
        program = functools.partial(run_eval_steps, self.steps, self._eval_batch, most)
        arguments = (self.data.arrays, self.hparams(), np.int32(0), np.int32(0))
        return jax.jit(program).trace(self.state_shapes(), *arguments)

    def hparams(self) -> dict[str, Any]:
        """Returns the numbers that enter the train step as data; see `jaxdl.steps.functions.hyperparameters`."""
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
        pauses, observer = pauses or NoPauses(), observer or NoObserver()
        first_epoch, done = divmod(int(state.step), self.steps_per_epoch)
        for epoch in range(first_epoch, self.experiment.training.epochs):
            self.compile()  # before the clock starts
            run = EpochRun(self, epoch, done, rows or {}, on_progress, observer)
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
            state, metrics, steps = self.call(state, self.order(epoch), done, steps)
            losses.append(on_host(metrics["loss"])[done : done + steps])
            count -= steps
        return state, np.concatenate(losses)

    def call(
        self, state: TrainState, order: jax.Array, done: int, steps: int
    ) -> tuple[TrainState, dict[str, jax.Array], int]:
        """Begins one call of the train program; see `jaxdl.training.programs.run_train_steps`.

        Returns:
            What the program gives, and how many steps it runs: fewer than asked for where another training that shares
            the program needs it so.
        """
        if self.together is not None:
            return self.together.call(self, state, order, done, steps)
        bounds = (np.int32(done), np.int32(steps))
        return *self._program("train")(state, self.data.arrays, order, self.hparams(), *bounds), steps

    def time_steps(self, count: int) -> float:
        """Returns how long the first `count` train steps take, in seconds, on a state that nobody needs."""
        state = jax.block_until_ready(self.init_state())
        begin = time.perf_counter()
        self.advance(state, count)
        return time.perf_counter() - begin

    def batch(self, step: int) -> Batch:
        """Returns the examples that the train step after `step` steps is made on."""
        epoch, number = divmod(step, self.steps_per_epoch)
        return batch_of_step(self.data.arrays, self.order(epoch), number, self.experiment.training.batch_size)

    def loss_and_gradients(self, state: TrainState) -> tuple[jax.Array, Any]:
        """Returns the loss of the batch after `state`, and the gradients by which the step goes, before clipping."""
        function = make_loss_and_gradients(self.experiment, self.spec, self.total_steps)
        return function(state, self.batch(int(state.step)), self.hparams())

    def row_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Returns the shapes of `Pause.rows`; computes nothing."""
        if "metrics" not in self._shapes:
            arguments = (self.state_shapes(), self._batch_shapes(), self.hparams())
            self._shapes["metrics"] = jax.eval_shape(self.steps.train_step, *arguments)[1]
        found = self._shapes["metrics"].items()
        return {name: jax.ShapeDtypeStruct((self.steps_per_epoch,), shape.dtype) for name, shape in found}

    def _batch_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
        size = self.experiment.training.batch_size
        return {name: jax.ShapeDtypeStruct((size, *a.shape[1:]), a.dtype) for name, a in self.data.arrays.items()}

    def order(self, epoch: int) -> jax.Array:
        """Returns the order in which an epoch visits the train split; see `jaxdl.training.programs.epoch_order`."""
        return jax.device_put(epoch_order(self.experiment.seed, epoch, self.data.size("train"), self._passes))

    def evaluate(self, state: TrainState, split: str) -> Metrics:
        """Returns the loss and the experiment's metrics over every example of a split, each counted once."""
        start, stop = (np.int32(bound) for bound in self.data.ranges[split])
        partials = on_host(self._program("eval")(state, self.data.arrays, self.hparams(), start, stop))
        batches = -(-self.data.size(split) // self._eval_batch)
        partials = jax.tree.map(lambda values: values[:batches], partials)
        figures: Metrics = {}
        for figure in eval_metrics(self.experiment):
            figures |= figure.result(partials)
        return figures
