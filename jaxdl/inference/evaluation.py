"""Evaluation: the loss and the metrics of a model over every example of a split, each counted once."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxdl.backend.compiler import compiled, traced
from jaxdl.backend.memory import on_host
from jaxdl.data import Dataset, Spec, default_data_dir
from jaxdl.data.chunks import InParts, on_device_or_in_parts
from jaxdl.data.lengths import train_buckets
from jaxdl.data.resident import Resident
from jaxdl.errors import UserError, brief
from jaxdl.experiment import Experiment
from jaxdl.experiment.load import check_targets, data_summary, load_data, shortened
from jaxdl.experiment.weights import class_weights
from jaxdl.files.paths import expanded
from jaxdl.inference.in_parts import partials_of_chunks, trace_chunk
from jaxdl.inference.predictor import TrainedModel, load_run
from jaxdl.objectives.measures import Metric
from jaxdl.record import read_record
from jaxdl.report.terminal import say_nothing
from jaxdl.steps.buckets import Buckets, buckets_for
from jaxdl.steps.figures import eval_figures
from jaxdl.steps.functions import Steps, TrainState, hyperparameters, make_steps
from jaxdl.steps.layout import Layout
from jaxdl.steps.many import run_eval_steps

# What fields of a spec are called in messages; others have their own names.
_WORDS = {"input_shape": "shape", "input_dtype": "dtype"}


def device_hparams(experiment: Experiment, of: Resident | InParts | None = None) -> dict[str, Any]:
    """Returns the numbers that enter the compiled programs as data, by path, with the statistics of a fold, if any."""
    numbers = {path: np.float32(value) for path, value in hyperparameters(experiment).items()}
    return numbers if of is None else numbers | dict(of.statistics)


class Evaluation:
    """Evaluates one recipe on data: with one program for all splits.

    Args:
        experiment: the recipe.
        steps: its pure functions.
        data: the examples, on the device or brought there in parts.
        buckets: the lengths to which batches of sequences are cut.
        layout: where arrays lie on several devices, which has then the data, too; None: there is one.
    """

    def __init__(
        self,
        experiment: Experiment,
        steps: Steps,
        data: Resident | InParts,
        buckets: Buckets | None = None,
        layout: Layout | None = None,
    ):
        self._layout = layout
        self._buckets = buckets or Buckets()
        self._steps = steps
        self._data = data
        size = min(experiment.training.eval_batch_size, max(map(data.size, data.ranges)))
        # Each device has as many examples; those of the last batch that are too many are masked.
        self._batch_size = size if layout is None else -(-size // layout.ways) * layout.ways

    def trace(self, shapes: TrainState, hparams: Mapping[str, Any]) -> Any:
        """Returns the traced program, for states of the given shapes; see `jaxdl.steps.many.run_eval_steps`."""
        most = self._most_batches
        run = functools.partial(run_eval_steps, self._steps, self._batch_size, self._buckets)
        run = run if self._layout is None else functools.partial(run, layout=self._layout)
        # Each process can read a result only where all of it is on a device of its own.
        said = self._layout.everywhere if self._layout is not None and self._layout.spans_processes else None
        if isinstance(self._data, InParts):
            return trace_chunk(run, self._data, self._batch_size, most, shapes, hparams, said)
        program = functools.partial(run, most)
        return traced(program, shapes, self._data.arrays, hparams, np.int32(0), np.int32(0), out_shardings=said)

    def figures(
        self,
        program: Callable[..., Any],
        experiment: Experiment,
        state: TrainState,
        split: str,
        of: Resident | InParts | None = None,
        numbers: Mapping[str, Any] | None = None,
        metrics: Sequence[Metric] | None = None,
    ) -> dict[str, Any]:
        """Returns the loss and the experiment's metrics over a split, by name.

        Args:
            program: what `trace` gave, compiled.
            experiment: a recipe with the same programs; its traced numbers are used.
            state: what to evaluate.
            split: name of the split.
            of: which of several folds of the data; None: there is one.
            numbers: those that enter the program as data, where they are at hand.
            metrics: what `jaxdl.steps.figures.eval_metrics` returns for the recipe, where that is at hand.
        """
        data = of or self._data
        hparams = numbers if numbers is not None else device_hparams(experiment, data)
        if isinstance(data, InParts):
            sizes = (self._batch_size, self._most_batches)
            partials = partials_of_chunks(program, data, split, *sizes, state, hparams)
        else:
            start, stop = (np.int32(bound) for bound in data.ranges[split])
            partials = on_host(program(state, data.arrays, hparams, start, stop))
        batches = -(-data.size(split) // self._batch_size)
        partials = jax.tree.map(lambda values: values[:batches], partials)
        return eval_figures(experiment, partials, metrics)

    @property
    def _most_batches(self) -> int:
        return max(self._batches(split) for split in self._data.ranges)

    def _batches(self, split: str) -> int:
        return -(-self._data.size(split) // self._batch_size)


def _without_statistics(spec: Spec) -> dict[str, Any]:
    """Returns a spec's fields without means and deviations: the model has those of its own train split."""
    unknown = {"vocabulary": 0}
    named = {
        of: {name: _without_statistics(each) | unknown for name, each in getattr(spec, of)}
        for of in ("inputs", "targets")
    }
    fields = dataclasses.asdict(spec) | named
    return fields | {"target": None, "preprocess": {**fields["preprocess"], "mean": None, "deviation": None}}


def evaluate(
    run_dir: str | os.PathLike[str],
    experiment: Experiment | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    notify: Callable[[str], None] | None = print,
) -> dict[str, Any]:
    """Evaluates a run's final state on validation and test.

    Args:
        run_dir: the run directory.
        experiment: the recipe; None: as for `load_run`.
        data_dir: folder of prepared data sets and original archives; None: TFDS's own.
        notify: takes messages; None: nothing is said.

    Returns:
        Like the run's summary: ``experiment``, ``metrics`` by ``SPLIT/NAME``, ``data``, ``parameters``.

    Raises:
        UserError: as `load_run`, or the data cannot be loaded or have other shapes.
    """
    notify = notify or say_nothing
    run_dir = expanded(run_dir)
    model = load_run(run_dir, experiment, notify=notify)
    recipe = shortened(model.experiment)
    dataset = load_data(recipe, default_data_dir() if data_dir is None else expanded(data_dir), notify)
    if model.spec.lengths and not dataset.spec.lengths:
        raise UserError(
            f"{run_dir} was trained with lengths, and {dataset.used} has none; give the --data of the training."
        )
    trained, now = (_without_statistics(spec) for spec in (model.spec, dataset.spec))
    other = [name for name in trained if trained[name] != now[name] and name not in ("lengths", "vocabulary")]
    if 0 < trained["vocabulary"] < now["vocabulary"]:
        other.append("vocabulary")
    if other:
        raise UserError(
            f"{run_dir} was trained on examples of {_WORDS.get(other[0], other[0])} {brief(trained[other[0]])}, but "
            f"{dataset.used} has {brief(now[other[0]])}; give the --data and --data_dir of the training."
        )
    if dataset.fingerprint != read_record(run_dir).get("data_fingerprint"):
        notify(f"These are not the data that {run_dir} was trained on: {dataset.used} has another fingerprint.")
    check_targets(model.experiment, dataset)
    figures = {
        f"{split}/{name}": value
        for split, found in figures_on(model, dataset, ("validation", "test")).items()
        for name, value in found.items()
    }
    return {
        "experiment": model.experiment.name,
        "status": "evaluated",
        "step": int(model.state.step),
        "metrics": figures,
        "data": data_summary(dataset, model.experiment),
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(model.state.params)),
    }


def figures_on(model: TrainedModel, dataset: Dataset, splits: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Returns the loss and the metrics of a model, by split, on those of some splits that a data set has.

    Args:
        model: on one device.
        dataset: the data.
        splits: their names.
    """
    data = on_device_or_in_parts(dataset)
    weights = class_weights(model.experiment, dataset)
    steps = model.steps if weights is None else make_steps(model.experiment, model.spec, 1, weights)
    shapes = jax.eval_shape(lambda state: state, model.state)
    buckets = buckets_for(steps, shapes, data.shapes(1), train_buckets(dataset, model.experiment.training.buckets))
    evaluation = Evaluation(model.experiment, steps, data, buckets)
    program, _ = compiled(evaluation.trace(shapes, device_hparams(model.experiment)))
    present = [split for split in splits if data.size(split)]
    return {split: evaluation.figures(program, model.experiment, model.state, split) for split in present}
