"""THE loop, `Trainer.train`: epochs, calls of the train program, metrics, evaluation, early stopping and pauses."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any, overload

import jax
import numpy as np

from jaxdl.backend.memory import on_host
from jaxdl.backend.mesh import one_at_a_time
from jaxdl.data import Dataset
from jaxdl.data.chunks import InParts, on_device_or_in_parts
from jaxdl.data.folded import Fold
from jaxdl.data.resident import Resident
from jaxdl.experiment import Experiment
from jaxdl.experiment.load import check_targets
from jaxdl.experiment.weights import class_weights
from jaxdl.inference.evaluation import device_hparams
from jaxdl.objectives.measures import Metric
from jaxdl.steps.figures import eval_metrics
from jaxdl.steps.functions import TrainState, make_loss_and_gradients
from jaxdl.training.averaging import after_epoch
from jaxdl.training.early_stopping import EarlyStopping
from jaxdl.training.epoch import Epoch, EpochMetrics, NotFinite, Pace, Pause, Rows, named_figures
from jaxdl.training.hooks import Metrics, NoObserver, NoPauses, Observer, OnProgress, Pauses, Place, Watch, unwatched
from jaxdl.training.initial import Initial, initial_weights
from jaxdl.training.plateau import cut
from jaxdl.training.programs import Key, Programs, layout_with_rules
from jaxdl.training.streamed import feed_of
from jaxdl.training.together import Alone, Together

Called = tuple[TrainState, dict[str, Any], int]  # what a call of the train program gives, and how many steps it runs


class Trainer:
    """The training of one experiment on one data set: compiled programs, data on the device, and the loop over them.

    Args:
        experiment: the recipe.
        dataset: the data; needs at least one train example.
        data: the same data, if they are already on the device, or what brings them there in parts.

    Raises:
        UserError: the recipe does not fit the data.

    Attributes:
        experiment: the recipe, fitted to the data.
        spec: describes one example.
        feed: the examples of each step.
        layout: where arrays lie on several devices; None: there is one.
        programs: the compiled programs, which variants share.
        compile_seconds: time that this trainer spent on tracing and compiling so far, in seconds.
        pace: how many steps a call of the train program runs; all variants share it.
        watch: watches each call of a program, and the reading of what it gives.
        together: makes what follows a clock the same in all processes that train together.
        begun_with: what `initial` returned, once it was asked for.
        exchanged: the state to go on with after an epoch, in the place of its own; None: its own.
        key: under which `jaxdl.training.cache.Cache` keeps its programs.
    """

    def __init__(self, experiment: Experiment, dataset: Dataset, data: Resident | InParts | None = None):
        self.experiment = experiment.for_spec(dataset.spec)
        check_targets(self.experiment, dataset)
        self.spec = dataset.spec
        self.layout = layout_with_rules(self.experiment, self.spec)
        data = data or on_device_or_in_parts(dataset)
        self.feed = feed_of(
            data if self.layout is None else data.on(self.layout.everywhere),
            self.experiment.training,
            self.experiment.seed,
            dataset,
        )
        self._class_weights = class_weights(self.experiment, dataset)
        self.programs = Programs(self.experiment, self.spec, self.feed, self._class_weights, self.layout)
        self._numbers = device_hparams(self.experiment, self.feed.data)
        self.compile_seconds = 0.0
        self.pace = Pace.first(self.feed.steps_per_epoch)
        self.watch: Watch = unwatched
        self.together: Together = Alone()
        self._place: Place | None = None
        self.exchanged: TrainState | None = None
        self._rate = 1.0  # factor of the learning rate that follows from the epochs so far
        self._metrics: Sequence[Metric] | None = None  # of its evaluations, once they are made
        self.begun_with: Initial | None = None
        self.key: Key = ()

    @property
    def steps_per_epoch(self) -> int:
        return self.feed.steps_per_epoch

    @property
    def total_steps(self) -> int:
        return self.programs.total_steps

    @property
    def side_by_side(self) -> int:
        """How many trainings share its train program; 1: only this one."""
        return self._place.size if self._place is not None else 1

    @property
    def place(self) -> Place | None:
        """Its place in a shared program; None: it has its own."""
        return self._place

    def variant(self, experiment: Experiment, place: Place | None = None, fold: Fold | None = None) -> Trainer:
        """Returns the trainer of a recipe that differs in traced fields alone; both share data and programs.

        A program that one of them compiles is compiled for all. The recipes may also save and stop in different ways.

        Args:
            experiment: a recipe with the same `jaxdl.training.programs.program_key`.
            place: its place in a program that several trainings share, until `close`.
            fold: a fold of the same examples; None: the same ones.
        """
        other = copy.copy(self)
        changes: dict[str, Any] = {"seed": experiment.seed}
        other.exchanged, other._metrics = None, None
        if fold is not None:
            other.spec, data = fold
            changes["data"] = data if self.layout is None else data.on(self.layout.everywhere)
        other.experiment, other.feed = experiment.for_spec(other.spec), dataclasses.replace(self.feed, **changes)
        other._numbers = device_hparams(other.experiment, other.feed.data)
        other.compile_seconds, other._rate, other._place, other.begun_with = 0.0, 1.0, place, None
        return other

    def vary(self, experiment: Experiment) -> None:
        """Goes on with the numbers of a recipe that differs in traced fields alone."""
        self.experiment, self._metrics = experiment.for_spec(self.spec), None
        self._numbers = device_hparams(self.experiment, self.feed.data)

    def close(self) -> None:
        """Leaves a shared program, which others go on with, and reads no more examples ahead. May be called twice."""
        self.feed.close()
        place, self._place = self._place, None
        if place is not None:
            place.leave()

    def compile(self) -> None:
        """Traces and compiles all programs now, from shapes alone, instead of each at its first use.

        Raises:
            UserError: the model, the objective or a metric does not fit the data.
        """
        names = [name for name in self.programs.names if name != "train" or self._place is None]
        self.compile_seconds += self.programs.compile(names)

    def init_state(self) -> TrainState:
        """Returns the state before the first step, from the experiment's seed and the weights it begins with."""
        state: TrainState = self._program("init")(np.uint32(self.experiment.seed))
        initial = self.initial()
        if initial is not None:
            state = self.placed(self.programs.beside.begin_with(state, *initial.put(state)))
        jax.block_until_ready(state)  # see `jaxdl.backend.memory.on_host`
        return state

    def initial(self) -> Initial | None:
        """Returns the weights of another run or file that the training begins with; None where the recipe names none.

        Raises:
            UserError: they cannot be read, or nothing of them fits.
        """
        if self.begun_with is None:
            self.begun_with = initial_weights(self.experiment, self.state_shapes())
        return self.begun_with

    # fmt: off
    @overload
    def train(
        self, state: TrainState, *, rows: Rows | None = None, pauses: None = None,
        early_stopping: EarlyStopping | None = None, on_progress: OnProgress | None = None,
        observer: Observer | None = None,
    ) -> Iterator[Epoch]: ...
    @overload
    def train(
        self, state: TrainState, *, rows: Rows | None = None, pauses: Pauses,
        early_stopping: EarlyStopping | None = None, on_progress: OnProgress | None = None,
        observer: Observer | None = None,
    ) -> Iterator[Epoch | Pause]: ...
    # fmt: on
    def train(
        self,
        state: TrainState,
        *,
        rows: Rows | None = None,
        pauses: Pauses | None = None,
        early_stopping: EarlyStopping | None = None,
        on_progress: OnProgress | None = None,
        observer: Observer | None = None,
    ) -> Iterator[Epoch | Pause]:
        """Continues training to the last epoch; yields after each epoch, and when `pauses` asks for it.

        Args:
            state: where to continue from; its memory is given up to the training.
            rows: of the `Pause` that gave `state`; needed where it is in the middle of an epoch.
            pauses: when to pause within an epoch; None: never.
            early_stopping: tracks the epochs, and may end the training; None: no early stopping.
            on_progress: called about every two seconds with the step, the epoch (from 1), the train metrics
                since the last call, and the examples per second.
            observer: observes each call of the train program.

        Raises:
            NotFinite: a train loss is not a finite number, and the recipe says to stop then.
            ValueError: `state` is in the middle of an epoch, and `rows` are missing: the epoch's means need them.
        """
        pauses, observer = pauses or NoPauses(), observer or NoObserver()
        stopping = early_stopping or EarlyStopping.without(self.experiment)
        epochs, steps_per_epoch = self.experiment.training.epochs, self.feed.steps_per_epoch
        first_epoch, done = divmod(int(state.step), steps_per_epoch)
        if done and rows is None:
            raise ValueError(f"the state is in the middle of epoch {first_epoch + 1}: give the rows of its Pause, too")
        for epoch in range(first_epoch, epochs):
            if stopping.exhausted:
                return
            self._rate = stopping.rate
            self.compile()  # before the clock starts
            before = epoch * steps_per_epoch
            examples = max(0, self.feed.examples_per_epoch - done * self.feed.batch_size)
            order = self.feed.order(epoch)
            metrics = EpochMetrics(rows or {}, observer)
            unread: tuple[slice, Any] | None = None  # the last call: which steps of the epoch it runs, and its metrics
            metrics.start_clock()
            while done < steps_per_epoch:
                most = min(self.pace.steps, steps_per_epoch - done, pauses.at_most(before + done))
                most = self.together.steps(observer.before_call(most))
                with self.watch(f"train steps from {before + done + 1:,} of {self.total_steps:,}"):
                    state, results, steps = self.call(state, order, done, most)
                called, done = slice(done, done + steps), done + steps
                observer.after_call(steps, results, done == steps_per_epoch)
                if unread is not None:
                    # One call late: the device already works on the next call, so it never waits for Python.
                    self._read(metrics, epoch, *unread, on_progress)
                unread = (called, results)
                if done < steps_per_epoch and pauses.due(before + done):
                    self._read(metrics, epoch, *unread, on_progress)
                    unread = None
                    metrics.stop_clock()
                    yield Pause(before + done, state, metrics.rows)
                    metrics.start_clock()
            if unread is not None:
                self._read(metrics, epoch, *unread, on_progress)
            metrics.stop_clock()
            state = after_epoch(self, state, epoch)
            by_split = {"train": metrics.means()}
            if stopping.plateau is not None:
                by_split["train"]["rate_factor"] = self._rate
            if self.feed.data.size("validation"):
                by_split["validation"] = self.evaluate(state, "validation")
            by_split, step = self.together.figures(by_split), before + steps_per_epoch
            is_best = stopping.observe(named_figures(by_split), step)
            is_last = epoch + 1 == epochs or stopping.exhausted
            yield Epoch(epoch + 1, step, state, by_split, metrics.seconds, examples, is_best, is_last)
            if self.exchanged is not None:
                state, self.exchanged = self.exchanged, None
            rows, done = None, 0

    def _read(
        self, metrics: EpochMetrics, epoch: int, called: slice, results: Any, on_progress: OnProgress | None
    ) -> None:
        """Reads the metrics of one call of the train program, checks them, shows them, and adapts the pace."""
        before, steps = epoch * self.feed.steps_per_epoch, called.stop - called.start
        with self.watch(f"reading what train steps {before + called.start + 1:,} to {before + called.stop:,} give"):
            seconds = metrics.read(called, results)
        wrong = metrics.first_not_finite(called)
        if wrong is not None and self.experiment.training.nan == "stop":
            raise NotFinite(before + wrong + 1, "train loss")
        if on_progress is not None:
            rate = steps * self.feed.batch_size / seconds
            on_progress(before + called.stop, epoch + 1, metrics.means(called), rate)
        self.pace.adapt(steps, seconds)

    def call(self, state: TrainState, order: Any, first: int, steps: int) -> Called:
        """Starts one call of the train program; see `jaxdl.steps.many.run_train_steps`.

        Returns:
            The state and the metrics that the program returns, and how many steps it runs: fewer than asked for where
            another training that shares the program can run no more in this call, or the examples of no more are there.
        """
        if self._place is not None:
            return self._place.call(self.hparams(), state, order, first, steps)
        arrays, order, bounds, steps = self.feed.arguments(order, first, steps, state)
        state = self.placed(state)
        return *self._program("train")(state, arrays, order, self.hparams(), *bounds), steps

    def measure(self, state: TrainState, order: Any, first: int, steps: int) -> tuple[TrainState, int]:
        """Measures batch statistics of the average on batches of an epoch; see `call` and `jaxdl.training.averaging`.

        Returns the state, whose ``step`` counts the batches, too, and the number of the next one.
        """
        arrays, order, bounds, steps = self.feed.arguments(order, first, steps, state)
        state = self.placed(state)
        return self._program("statistics")(state, arrays, order, self.hparams(), *bounds)[0], first + steps

    def evaluate(self, state: TrainState, split: str) -> Metrics:
        """Returns the loss and the experiment's metrics over every example of a split, each counted once."""
        program = self._program("eval")
        if self._metrics is None:  # making them takes longer than their sums over a small split
            self._metrics = eval_metrics(self.experiment)
        with self.watch(f"evaluation on {split}"):
            figures, of = self.programs.evaluation.figures, (self.feed.data, self._numbers, self._metrics)
            return figures(program, self.experiment, self.placed(state), split, *of)

    def advance(self, state: TrainState, count: int) -> tuple[TrainState, np.ndarray]:
        """Runs `count` train steps with the same bits as in `train`: no validation, no pause, no check.

        Returns the state after them, and the loss of each, (count,) float32. The memory of `state` is reused.
        """
        losses: list[np.ndarray] = []
        while count:
            epoch, first = divmod(int(state.step), self.feed.steps_per_epoch)
            steps = min(count, self.feed.steps_per_epoch - first)
            state, metrics, steps = self.call(state, self.feed.order(epoch), first, steps)
            losses, count = [*losses, on_host(metrics["loss"])[first : first + steps]], count - steps
        return state, np.concatenate(losses)

    def time_steps(self, count: int) -> float:
        """Returns how long the first `count` train steps take, in seconds, on a temporary state."""
        state = jax.block_until_ready(self.init_state())
        begin = time.perf_counter()
        self.advance(state, count)
        return time.perf_counter() - begin

    def loss_and_gradients(self, state: TrainState) -> tuple[jax.Array, Any]:
        """Returns the loss of the next train step's batch, () float32, and the gradients before clipping."""
        function = make_loss_and_gradients(self.experiment, self.spec, self.total_steps, self._class_weights)
        return function(state, self.programs.buckets.shortened(self.feed.batch(int(state.step))), self.hparams())

    def hparams(self) -> dict[str, Any]:
        """Returns the numbers that enter the train step as data; see `jaxdl.steps.functions.hyperparameters`.

        The learning rate is that of the present epoch, where it follows from the epochs before.
        """
        return cut(self._numbers, self.experiment, self._rate)

    def state_shapes(self) -> TrainState:
        """Returns the shapes and dtypes of the state, and on several devices the shardings; computes nothing."""
        return self.programs.state_shapes

    def placed(self, state: TrainState) -> TrainState:
        """Returns a state as the programs take it: on several devices, copied there where it lies elsewhere."""
        return state if self.layout is None else self.layout.placed(state)

    def _program(self, name: str) -> Any:
        program, seconds = self.programs.get(name)
        self.compile_seconds += seconds
        return program if self.layout is None else one_at_a_time(program)
