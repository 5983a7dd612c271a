"""The compiled programs of a training: init, train and eval, each traced and compiled once."""

from __future__ import annotations

import dataclasses
import functools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend import core

from jaxdl.backend.compiler import Options, compiled_together, traced, without_jit
from jaxdl.backend.jaxprs import convolves, is_read, multiplies_gates, product_flops
from jaxdl.data import Spec
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.experiment.weights import ClassWeights
from jaxdl.fields import Field, show, walk
from jaxdl.inference.evaluation import Evaluation, device_hparams
from jaxdl.steps.buckets import Buckets, buckets_for
from jaxdl.steps.functions import Steps, TrainState, make_beside_steps, make_steps, model_errors, state_shapes
from jaxdl.steps.layout import SMALL, Layout, known, layout_of
from jaxdl.steps.many import run_train_steps
from jaxdl.steps.rules import rules_of
from jaxdl.steps.statistics import BATCH_STATISTICS
from jaxdl.steps.update import may_be_in_place
from jaxdl.training.feed import Feed
from jaxdl.training.streamed import AnyFeed

Key = tuple[tuple[str, str], ...]
NAMES = ("init", "train", "eval")
_FIRST_TO_COMPILE = ("train", "init", "eval", "statistics")


def program_key(experiment: Experiment) -> Key:
    """Returns the key of the compiled programs: trainings with the same key share them.

    It has each static field with its value, the names of the traced fields that enter the programs as data, and where
    arrays lie on several devices.

    Raises:
        UserError: see `jaxdl.steps.layout.layout_of`.
    """
    fields = [field for field in walk(experiment) if field.affects & {"programs", "data", "speed"}]
    named = tuple((field.path, "traced" if field.enters_as_data else _static_value(field)) for field in fields)
    layout = layout_of(experiment.training)
    return named if layout is None else (*named, ("layout", str(layout)))


def layout_with_rules(experiment: Experiment, spec: Spec) -> Layout | None:
    """Returns where the arrays of a training lie on several devices, as its model declares it; None for one device.

    Args:
        experiment: the recipe, fitted to its data.
        spec: describes one example.

    Raises:
        UserError: see `jaxdl.steps.layout.layout_of`; or the model does not fit the data, or declares what is no axis.
    """
    layout = layout_of(experiment.training)
    if layout is None or layout.shard != "rules":
        return layout
    steps = make_steps(experiment, spec, total_steps=1)
    with model_errors():
        rules = rules_of(lambda: steps.init_state(np.uint32(0)), SMALL)
    return dataclasses.replace(layout, rules=rules)


def _static_value(field: Field) -> str:
    return type(field.value).__qualname__ if field.is_part else show(field.value)


class Programs:
    """The compiled programs of one recipe on one data set; all recipes of the same `program_key` may use them.

    Programs are compiled at their first use, from shapes alone.

    Args:
        experiment: the recipe, fitted to its data.
        spec: describes one example.
        feed: the examples.
        class_weights: see `jaxdl.steps.functions.make_steps`.
        layout: where arrays lie on several devices; None: there is one.

    Attributes:
        steps: the pure functions that the programs consist of.
        beside: those that are used before the first step and between epochs.
        total_steps: train steps of the whole training.
        layout: the argument.
        compiler_options: the options of each compiled program in addition to ``XLA_FLAGS``, by name.

    Raises:
        UserError: the training has more steps than an int32 can count.
    """

    def __init__(
        self,
        experiment: Experiment,
        spec: Spec,
        feed: AnyFeed,
        class_weights: ClassWeights | None = None,
        layout: Layout | None = None,
    ):
        self.total_steps = feed.steps_per_epoch * experiment.training.epochs
        if self.total_steps >= 2**31:
            raise UserError(f"{self.total_steps:,} train steps are more than can be counted; lower --epochs.")
        self._experiment = experiment
        self._feed = feed
        self._hparams = device_hparams(experiment, feed.data)
        self.layout = layout
        self._make_steps = functools.partial(make_steps, experiment, spec, self.total_steps, class_weights)
        self.steps = self._make_steps(layout)
        self.beside = make_beside_steps(experiment, spec, self.total_steps, layout)
        self.compiler_options: dict[str, Options] = {}
        self._compiled: dict[str, Any] = {}
        self._traced: dict[tuple[str, bool], Any] = {}
        self._lock = threading.RLock()  # trainings in other threads may share the programs

    def get(self, name: str) -> tuple[Callable[..., Any], float]:
        """Returns a program, and the seconds that tracing and compiling it just took: 0 where it was compiled before.

        Args:
            name: one of `names`.

        Raises:
            UserError: the model, the objective or a metric does not fit the data.
        """
        seconds = self.compile([name])
        return self._compiled[name], seconds

    def compile(self, names: Sequence[str]) -> float:
        """Traces and compiles those of the named programs that are not there yet; returns the seconds that it took.

        So it is 0 where all are there, but for the time in which another thread compiles them.

        Raises:
            UserError: the model, the objective or a metric does not fit the data.
        """
        if self._compiled.keys() >= {*names}:  # asked before each epoch, of which some take a millisecond
            return 0.0
        begin = time.perf_counter()
        waits = not self._lock.acquire(blocking=False)
        if waits:
            self._lock.acquire()
        try:
            # The train program takes longest, so it begins first.
            missing = sorted({*names} - self._compiled.keys(), key=_FIRST_TO_COMPILE.index)
            if not missing:
                return time.perf_counter() - begin if waits else 0.0
            once = [number for number, name in enumerate(missing) if name == "init"]
            programs = compiled_together([functools.partial(self._trace, name) for name in missing], once)
            for name, (program, options) in zip(missing, programs, strict=True):
                self._compiled[name], self.compiler_options[name] = program, options
                self._traced.pop((name, without_jit()))
            return time.perf_counter() - begin
        finally:
            self._lock.release()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the programs: init, train and eval, and statistics where those of an average are to be measured."""
        measures = self._experiment.training.swa and BATCH_STATISTICS in self.state_shapes.model_state
        return (*NAMES, "statistics") if measures else NAMES

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the programs that were compiled so far."""
        return tuple(self._compiled)

    @functools.cached_property
    def state_shapes(self) -> TrainState:
        """Shapes and dtypes of the state, and on several devices the shardings; computes nothing."""
        shapes = state_shapes(self.steps)
        return shapes if self.layout is None else self.layout.shapes(shapes)

    @functools.cached_property
    def buckets(self) -> Buckets:
        """The lengths to which batches of sequences are cut."""
        return buckets_for(self.steps, self.state_shapes, self._batch_shapes(), self._feed.buckets)

    @functools.cached_property
    def evaluation(self) -> Evaluation:
        """What evaluates states on the splits."""
        return Evaluation(self._experiment, self.steps, self._feed.data, self.buckets, self.layout)

    @functools.cached_property
    def row_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes of the metrics of one epoch, (steps of an epoch,) by name; see `jaxdl.training.epoch.Pause`."""
        arguments = (self.state_shapes, self._batch_shapes(), self._hparams)
        found = jax.eval_shape(self.steps.train_step, *arguments)[1]
        return {n: jax.ShapeDtypeStruct((self._feed.steps_per_epoch,), shape.dtype) for n, shape in found.items()}

    @functools.cached_property
    def step_flops(self) -> dict[str, int]:
        """Floating-point operations of one train step, forward, backward and update, by dtype; compiles nothing.

        See `jaxdl.backend.jaxprs.product_flops`. Sequences count at their full length, also where batches are cut.
        """
        return product_flops(self._step)

    @property
    def has_native(self) -> bool:
        """Whether a train step has what native operations do faster: image convolutions, an LSTM, a long update."""
        return self.has_native_products or self._updates_long_in_place

    @property
    def has_native_products(self) -> bool:
        """Whether a train step has image convolutions or an LSTM."""
        return convolves(self._step) or multiplies_gates(self._step)

    @property
    def _updates_long_in_place(self) -> bool:
        params = self.state_shapes.params
        may = may_be_in_place(self._experiment, self.layout, params)
        return may and self._experiment.optimizer.updates_in_place(params)

    @functools.cached_property
    def _step(self) -> core.Jaxpr:
        arguments = (self.state_shapes, self._batch_shapes(), self._hparams)
        with jax.disable_jit(False), known(self.layout):
            traced: core.Jaxpr = jax.make_jaxpr(self.steps.train_step)(*arguments).jaxpr
        return traced

    def memory_needed(self) -> int:
        """Returns the bytes of device memory that the train program needs in addition to the data; compiles it.

        Raises:
            UserError: jit is disabled, so there is no program.
        """
        analysis = self._executable("train").memory_analysis()
        given = analysis.argument_size_in_bytes
        if isinstance(self._feed, Feed):
            given -= sum(array.nbytes for array in self._feed.data.arrays.values())
        else:
            given += self._feed.bytes_beside
        made = analysis.output_size_in_bytes - analysis.alias_size_in_bytes
        return int(given + made + analysis.temp_size_in_bytes)

    def source_text(self, name: str) -> str:
        """Returns a program before compilation, in StableHLO's text form.

        Raises:
            UserError: the model, the objective or a metric does not fit the data.
        """
        with jax.disable_jit(False):
            return str(self._trace(name).lower().as_text())

    def optimized_text(self, name: str) -> str:
        """Returns a program after XLA's optimisation, in XLA's text form; compiles it.

        Raises:
            UserError: jit is disabled, so there is no program.
        """
        return str(self._executable(name).as_text())

    def reads(self) -> set[str]:
        """Returns the paths of those traced numbers that the train step or the eval step really reads."""
        hparams = self._hparams
        found: set[str] = set()
        for step in (self.steps.train_step, self.steps.eval_step):
            closed = jax.make_jaxpr(step)(self.state_shapes, self._batch_shapes(), hparams)
            # The hparams are the last of the flat arguments, in alphabetical order.
            arguments = closed.jaxpr.invars[len(closed.jaxpr.invars) - len(hparams) :]
            pairs = zip(sorted(hparams), arguments, strict=True)
            found |= {path for path, argument in pairs if is_read(closed.jaxpr, argument)}
        return found

    def _trace(self, name: str) -> Any:
        with self._lock:
            key = (name, without_jit())
            if key not in self._traced:
                traces: dict[str, Callable[[], Any]] = {
                    "init": self._trace_init,
                    "train": functools.partial(self._trace_train, self.steps),
                    "eval": self._trace_eval,
                    "statistics": functools.partial(self._trace_train, self._measuring),
                }
                with model_errors():
                    self._traced[key] = traces[name]()
            return self._traced[key]

    def _executable(self, name: str) -> Any:
        if without_jit():
            raise UserError("this needs compiled programs, but jit is disabled: leave out --debug and JAX_DISABLE_JIT.")
        return self.get(name)[0]

    def _trace_init(self) -> Any:
        _ = self.state_shapes  # checks the size, which XLA does not survive
        said = None if self.layout is None else self.layout.of_state(self.state_shapes)
        return traced(self.steps.init_state, np.uint32(0), out_shardings=said)

    @property
    def _measuring(self) -> Steps:
        return self.steps._replace(train_step=self.beside.measure_step)

    def _trace_train(self, steps: Steps) -> Any:
        run = self._run(steps, stacked=False, layout=self.layout)
        program, (arrays, order, *bounds) = self._feed.program(run)
        hparams = self._hparams
        arguments = (self.state_shapes, arrays, order, hparams, *bounds)
        said = None if self.layout is None else (self.layout.of_state(self.state_shapes), self.layout.everywhere)
        return traced(program, *arguments, donate_argnums=(0,), out_shardings=said)

    def run_steps(self, stacked: bool, layout: Layout | None = None) -> Callable[..., Any]:
        """Returns `jaxdl.steps.many.run_train_steps` for this recipe and these data.

        Args:
            stacked: for several trainings side by side.
            layout: where arrays lie on several devices; None: there is one, or the trainings lie along all of them.
        """
        return self._run(self.steps if layout is self.layout else self._make_steps(layout), stacked, layout)

    def _run(self, steps: Steps, stacked: bool, layout: Layout | None) -> Callable[..., Any]:
        run = functools.partial(run_train_steps, steps, self._feed.batch_size, self.buckets, stacked)
        return run if layout is None else functools.partial(run, layout=layout)

    def _trace_eval(self) -> Any:
        return self.evaluation.trace(self.state_shapes, self._hparams)

    def _batch_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
        return self._feed.data.shapes(self._feed.batch_size)
