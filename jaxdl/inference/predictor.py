"""A finished run's model: restored from the run directory, for predictions."""

from __future__ import annotations

import dataclasses
import functools
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxdl.backend.memory import on_host
from jaxdl.checkpoint import Checkpoints
from jaxdl.checkpoint.shared import kept_beside
from jaxdl.data import Spec
from jaxdl.data.edges import Edges, brightness_of_edges
from jaxdl.data.named import full_name
from jaxdl.data.spec import examples as count_examples
from jaxdl.errors import UserError, unknown
from jaxdl.experiment import Experiment
from jaxdl.experiment.config import about_changed_code, from_config
from jaxdl.experiment.fitting import vocabulary_path
from jaxdl.experiment.versions import migrated
from jaxdl.fields import replace, walk
from jaxdl.files.paths import expanded
from jaxdl.inference.inputs import as_batch, read_spec
from jaxdl.inference.named import of_input
from jaxdl.inference.sampling import sample
from jaxdl.inference.trees import at_root
from jaxdl.ops.library import why_not
from jaxdl.record import read_config, read_record
from jaxdl.report.terminal import say_nothing
from jaxdl.steps.averages import averaged, without_average
from jaxdl.steps.functions import Steps, TrainState, make_steps, state_shapes

Runtime = Literal["jax", "onednn", "onnx"]
RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)
# JAX takes its quick way to a compiled program from the second call on.
_CALLS_TO_WARM = 3


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """A run's model with its trained parameters, restored from only the run directory.

    Attributes:
        experiment: the recipe.
        spec: describes one example.
        steps: the pure functions.
        state: the restored state.
        sizes: the batch sizes of its programs, in rising order; empty: those of `bucket_sizes`.
        edges: of the training's pictures, by which pictures with light and dark exchanged are noticed; None: not known.
        runtime: what predicts in the place of JAX: from what `checked` returns, any number of examples, to predictions;
            see `on_onnxruntime`. None: JAX, by `steps`.
    """

    experiment: Experiment
    spec: Spec
    steps: Steps
    state: TrainState
    sizes: tuple[int, ...] = ()
    edges: Edges | None = None
    runtime: Callable[[Mapping[str, np.ndarray]], Any] | None = None

    def predict(
        self,
        inputs: ArrayLike | Sequence[ArrayLike] | Sequence[str] | Mapping[str, Any],
        lengths: ArrayLike | None = None,
        notify: Callable[[str], None] | None = print,
    ) -> np.ndarray:
        """Returns predictions for examples as stored.

        The examples go through `steps.predict_step` in batches of a few sizes, see `sizes`. Each size is compiled once,
        at its first use or by `warmed`, and reused by every later call of this model. The number of examples in a call
        changes a prediction only by rounding: in float32 by less than a relative 1e-4 plus 1e-6.

        Args:
            inputs: (examples, *spec.input_shape) of dtype spec.input_dtype; any number of examples, even none. Another
                dtype of the same kind is allowed if it holds the same numbers. If `spec.lengths`, also a list of
                examples (steps, *spec.input_shape[1:]) of different numbers of steps, which are padded here. Of
                a model that was trained on a table also its columns by name, in any order: a mapping of names to
                (examples,) values, or a table of pandas or Arrow. Of one that was trained on a series the same, with
                rows in order of time: the predictions are those of all windows of rows, the last is what comes next.
                Of a model that was trained on texts also a list of texts. Of a model of sounds also floats with full
                scale 1, such as a list of waves (samples,) at its rate, which are cut where those of train were.
                Of a model of trees also a list of trees in brackets, with or without labels: ``["(It (is good))"]``.
                Several inputs are a mapping of their names to what each is.
            lengths: (examples,) integers, the number of valid steps of each example, for data with lengths
                (`spec.lengths`); None for other data, and for a list. Of several inputs a mapping, alike.
            notify: called with lines that say how many rows of a table have a category that train does not have, what
                is cut or unknown of texts, and that pictures have light and dark exchanged against the training's;
                None: nothing is said.

        Returns:
            (examples, ...) float32: class probabilities, or values for regression. Of one prediction for each step,
            those beyond an example's length mean nothing. For trees, the prediction for the root; `steps.predict_step`
            has those for all nodes. Of several outputs a dictionary of these by their names.

        Raises:
            UserError: the inputs have another shape or kind of numbers than the data of the training; or lengths are
                missing, not needed, or not from 0 to the number of steps.
        """
        found: np.ndarray = self.predict_checked(self.checked(inputs, lengths, notify))
        return found

    def checked(
        self, inputs: Any, lengths: Any = None, notify: Callable[[str], None] | None = print
    ) -> dict[str, np.ndarray]:
        """Returns what is given to `predict` by the names that the steps know, after it is checked.

        Arguments and errors are those of `predict`; (examples, ...) each. Batches of several callers, joined along
        their first axis, are a batch for `predict_checked`.
        """
        notify = notify or say_nothing
        batch: dict[str, np.ndarray] = {}
        for name, spec in self.spec.inputs or (("", self.spec),):
            own = of_input(self.spec, name, inputs, lengths)
            examples, valid = as_batch(*own, spec, f"inputs[{name!r}]" if name else "inputs", notify)
            self._check_vocabulary(examples, valid, spec, name)
            batch[full_name("inputs", name)] = examples
            if valid is not None:
                batch[full_name("lengths", name)] = valid
        self._notice_exchanged(batch.get("inputs"), notify)
        return batch

    def predict_checked(self, batch: Mapping[str, np.ndarray]) -> Any:
        """Returns predictions for what `checked` returned, as `predict` does."""
        count, valid = count_examples(batch), batch.get("lengths")
        sizes = self.sizes or bucket_sizes(self.experiment.training.eval_batch_size)
        if not count:
            one = {key: jax.ShapeDtypeStruct((1, *array.shape[1:]), array.dtype) for key, array in batch.items()}
            shapes = jax.eval_shape(self._program, *self._variables, one)
            none = jax.tree.map(lambda shape: np.zeros((0, *shape.shape[1:]), shape.dtype), shapes)
            return self._of_examples(none, valid)
        if count <= sizes[-1]:
            return self._of_examples(self._predict_batch(batch, sizes), valid)
        starts = range(0, count, sizes[-1])
        parts = ({key: array[start : start + sizes[-1]] for key, array in batch.items()} for start in starts)
        found = [self._predict_batch(part, sizes) for part in parts]
        return self._of_examples(jax.tree.map(lambda *each: np.concatenate(each), *found), valid)

    def warmed(self, sizes: Sequence[int]) -> TrainedModel:
        """Returns this model with programs for batches of these sizes alone, which are compiled before it returns.

        No later prediction compiles anything, however many examples it has: they are filled up to the next size, and
        more than the largest are cut into batches of it. What else is only done at first is done here, too, so that the
        first prediction is like the others.

        Args:
            sizes: numbers of examples, such as (1, 32).

        Raises:
            UserError: there is no size, or one is below 1.
        """
        wanted = tuple(sorted(set(sizes)))
        if not wanted or not all(isinstance(size, int | np.integer) and size >= 1 for size in wanted):
            raise UserError(f"warm={tuple(sizes)}: give numbers of examples from 1, such as warm=(1, 32).")
        model = dataclasses.replace(self, sizes=wanted)
        inputs, lengths = _one_example(self.spec)
        batch = model.checked(inputs, lengths, None)
        for size in wanted:
            model._predict_batch(batch, (size,))
        for _ in range(_CALLS_TO_WARM):
            model.predict(inputs, lengths, None)
        return model

    def _of_examples(self, predictions: Any, lengths: np.ndarray | None) -> np.ndarray:
        """Returns what is predicted for the examples: for trees, what is predicted at their roots."""
        every_node = self.spec.trees is not None and bool(self.spec.target_shape)
        found: np.ndarray = at_root(predictions, lengths) if every_node else predictions
        return found

    def sample(self, prompt: str, length: int = 500, temperature: float = 1.0, seed: int = 0) -> str:
        """Returns the text that a language model writes after a prompt, without the prompt.

        Args:
            prompt: what comes before.
            length: how many units are drawn: characters, words, subwords or bytes, as the model was trained on.
            temperature: divides the logits: below 1 the probable becomes more probable. 0: always the most probable.
            seed: of the draws; the same one gives the same text.

        Raises:
            UserError: the model is no language model, or a unit of the prompt is not in its vocabulary.
        """
        return sample(self, prompt, length, temperature, seed)

    def _check_vocabulary(self, ids: np.ndarray, lengths: np.ndarray | None, spec: Spec, name: str) -> None:
        """Raises `UserError` for an id that the model has no vector for, which would be NaN."""
        if spec.preprocess.cast != "none" or not ids.size:
            return
        path = vocabulary_path(self.spec, name)
        size = next((field.value for field in walk(self.experiment) if field.path == path), None)
        if size is None:
            return
        counts = np.ones(ids.shape[:1], bool) if lengths is None else np.arange(ids.shape[1]) < lengths[:, None]
        most = int(ids[counts].max(initial=0))
        if most >= size:
            raise UserError(f"inputs have the id {most}, but the model knows {size} ids, from 0 to {size - 1}.")

    def _notice_exchanged(self, inputs: np.ndarray | None, notify: Callable[[str], None]) -> None:
        """Says that pictures have light and dark exchanged against those of the training."""
        if self.edges is None or inputs is None or not len(inputs):
            return
        found = self.edges.exchanged(inputs, self.spec)
        if np.count_nonzero(found):
            theirs = brightness_of_edges(inputs[found], self.spec).mean()
            notify(
                f"{found.sum():,} of {len(inputs):,} pictures (the first is number {found.argmax()}) have light and "
                f"dark exchanged against the training set, whose edges are {self.edges.mean:.0%} bright and theirs "
                f"{theirs:.0%}: exchange them for predictions that mean something.".replace("%", " %")
            )

    def _predict_batch(self, batch: Mapping[str, np.ndarray], sizes: Sequence[int]) -> Any:
        """Returns predictions of a batch, filled up to the next of the sizes."""
        if self.runtime is not None:
            return self.runtime(batch)
        count = count_examples(batch)
        missing = next(size for size in sizes if size >= count) - count
        filled: Any = batch if not missing else {key: _filled(array, missing) for key, array in batch.items()}
        predictions = on_host(self._program(*self._variables, filled))
        return jax.tree.map(lambda array: array[:count], predictions) if missing else predictions

    @functools.cached_property
    def _program(self) -> Callable[..., Any]:
        return _without_state(self.steps.predict_step)

    @functools.cached_property
    def _variables(self) -> tuple[Any, Any]:
        """The parameters and other variables that predict: those of the average, where there is one."""
        average = averaged(self.state)
        state = self.state if average is None else average
        return state.params, state.model_state


@functools.lru_cache(maxsize=16)
def _without_state(step: Callable[[TrainState, Any], Any]) -> Callable[..., Any]:
    """Returns a compiled ``predict_step(params, model_state, batch)``, which is quicker to call than `step`.

    Each array of an argument costs time in every call, and a dataclass more than a dictionary.
    """

    def predict_step(params: Any, model_state: Any, batch: Any) -> Any:
        # Predictions depend on nothing else of a state.
        return step(TrainState(jnp.zeros((), jnp.int32), params, model_state, (), jax.random.key(0)), batch)

    return jax.jit(predict_step)


def _one_example(spec: Spec) -> tuple[Any, Any]:
    """Returns what `TrainedModel.predict` takes: inputs of one example, which are zeros, and lengths: all steps."""
    inputs, lengths = {}, {}
    for name, each in spec.inputs or (("", spec),):
        inputs[name] = np.zeros((1, *each.input_shape), jax.dtypes.canonicalize_dtype(each.input_dtype))
        if each.lengths:
            lengths[name] = np.full(1, each.input_shape[0], np.int32)
    return (inputs, lengths or None) if spec.inputs else (inputs[""], lengths.get(""))


def _filled(array: np.ndarray, missing: int) -> np.ndarray:
    """Returns (examples, ...) with so many more examples, which are the first one again."""
    return np.concatenate([array, np.broadcast_to(array[:1], (missing, *array.shape[1:]))])


def bucket_sizes(largest: int) -> tuple[int, ...]:
    """Returns the batch sizes of the compiled programs: the powers of two below `largest`, and `largest`.

    With the default ``eval_batch_size`` of 500 these are ten. A batch is never filled up to more than twice its size.
    """
    return (*(2**power for power in range((largest - 1).bit_length())), largest)


def load_run(
    run_dir: str | os.PathLike[str],
    experiment: Experiment | None = None,
    ema: bool = True,
    warm: Sequence[int] = (),
    notify: Callable[[str], None] | None = None,
    runtime: Runtime = "jax",
) -> TrainedModel:
    """Restores the model of a run from its last checkpoint, or from its best if the recipe tests the best.

    Args:
        run_dir: the run directory.
        experiment: the recipe; None: the one of the run's ``config.json``, whose parts must all be jaxdl's own.
        ema: whether to predict by the average of the parameters, where the run has one and ``training.ema`` or
            ``training.swa`` of `experiment` is not 0; otherwise by the parameters themselves.
        warm: sizes of batches to compile now, such as (1, 32), after which no prediction compiles anything; see
            `TrainedModel.warmed`. Empty: each size is compiled at its first use.
        notify: called with a line that names the parts of the user's own whose code has changed since the training;
            None: it is a warning of Python's.
        runtime: what predicts: ``jax``, on any device; ``onednn``, which is JAX on the CPU with native operations
            (extra ``native``), sooner for many images in a call; or ``onnx``, which is onnxruntime on the CPU (extra
            ``onnx``), in float32, sooner for single examples, for the models that ``--format=onnx`` has.

    Raises:
        UserError: there is no run, it has no checkpoint, or its parameters do not fit the experiment; or no experiment
            was given and the run's has a part of the user's own; or `runtime` is not known, not installed, or does not
            have the model.
    """
    if runtime not in RUNTIMES:
        raise unknown("runtime", runtime, RUNTIMES)
    if runtime == "onednn" and (problem := why_not()) is not None:
        raise UserError(f"runtime=onednn: {problem}. runtime=jax computes the same, up to rounding.")
    run_dir = expanded(run_dir)
    spec = read_spec(run_dir)
    config = read_config(run_dir)
    experiment = (from_config(config) if experiment is None else experiment).for_spec(spec)
    changed = about_changed_code(run_dir, config, experiment)
    if changed:
        (notify or functools.partial(warnings.warn, stacklevel=2))(changed)
    # Predictions are the same on any machine, unless native operations are asked for.
    experiment = replace(experiment, {"training.library": "onednn" if runtime == "onednn" else "xla"})
    steps = make_steps(experiment, spec, total_steps=1)
    saved = make_steps(replace(experiment, _carried(migrated(config)[0])), spec, total_steps=1)
    which: Literal["best", "last"] = experiment.training.final
    with Checkpoints(run_dir / "checkpoints", read_only=True) as checkpoints:
        beside = kept_beside(run_dir)
        if beside is not None and not checkpoints.steps():
            raise UserError(
                f"{run_dir} is a trial of a sweep that has not ended: until then its state is saved with those of "
                f"others, in {beside}. The sweep's command continues it."
            )
        state = checkpoints.restore(state_shapes(saved), which)
    if not (ema and experiment.training.averages):
        state = without_average(state)
    model = TrainedModel(experiment, spec, steps, state, edges=Edges.from_record(read_record(run_dir)))
    if runtime == "onnx":
        from jaxdl.inference.onnx.session import on_onnxruntime

        model = on_onnxruntime(model)
    return model.warmed(warm) if len(warm) else model


def _carried(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields that decide what a run's state holds, by path, as the run had them."""
    training = config.get("training", {})
    return {f"training.{name}": training[name] for name in ("precision", "ema", "swa") if name in training}
