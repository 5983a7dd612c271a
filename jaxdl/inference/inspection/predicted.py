"""Predictions of a trained model for some test examples, and what its modules return for the first of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict

from jaxdl.backend.compiler import compiled_quickly, traced
from jaxdl.backend.memory import on_host
from jaxdl.data import Dataset, Spec, examples
from jaxdl.data.named import full_name
from jaxdl.experiment import Experiment
from jaxdl.inference.inspection.inside import spread
from jaxdl.steps.collections import WRITABLE
from jaxdl.steps.forward import Forward
from jaxdl.steps.functions import TrainState
from jaxdl.steps.layout import Layout

# How many test examples are looked at: as many as the model predicts in a fraction of a second on a processor's core,
# and as the memory surely holds.
_MOST_FLOPS, _MOST_BYTES, _FEWEST, _MOST = 4e9, 2**25, 32, 1000
# Of what a split has, what is read, by the first part of its name.
_READ, _FOR_THE_MODEL = ("inputs", "targets", "lengths", "target_lengths"), ("inputs", "lengths")
# Modules whose results over the steps of a sequence are no states.
_NO_STATES = ("Dense", "Embed")

Batch = dict[str, np.ndarray]
Captured = dict[tuple[str, ...], np.ndarray]


class Predicted(NamedTuple):
    """What a model gives for some examples.

    Attributes:
        predictions: (examples, ...); of several outputs by their names.
        captured: what some modules return for the first example, (1, ...), by their paths, in the order of their calls.
        spectrograms: ``spectrograms`` (examples, frames, bands) of inputs that are sounds; of several by their names.
    """

    predictions: Any
    captured: Captured
    spectrograms: Batch


def chosen(dataset: Dataset, flops: float) -> Batch:
    """Returns test examples: some at random, the same for each seed; of a series the last ones, in order.

    Args:
        dataset: the data.
        flops: floating-point operations of one prediction, by which fewer are chosen.

    Returns:
        The arrays of the split, of several inputs and targets those of all, and ``numbers``, which examples they are.
    """
    split = dataset.splits["test"]
    count = examples(split)
    bytes_each = sum(int(np.prod(array.shape[1:])) * array.dtype.itemsize for array in split.values())
    most = min(_MOST_FLOPS / max(flops, 1), _MOST_BYTES / max(bytes_each, 1), _MOST)
    number = min(count, max(_FEWEST, int(most)))
    if dataset.spec.windows is not None:
        numbers = np.arange(count - number, count)
    else:
        numbers = np.random.RandomState(0).permutation(count)[:number]
    names = [name for name in split if name.partition("/")[0] in _READ]
    return {"numbers": numbers, **{name: np.asarray(split[name][numbers]) for name in names}}


def predicted(
    experiment: Experiment, spec: Spec, state: TrainState, batch: Batch, layout: Layout | None = None
) -> Predicted:
    """Returns what a model gives for examples; all comes from one program, since compiling takes longer than running.

    Args:
        experiment: the recipe, fitted to the data.
        spec: describes the data.
        state: the trained state.
        batch: of `chosen`.
        layout: where the parameters lie on several devices; None: there is one.
    """
    forward = Forward(experiment, spec, None, layout)
    count = len(batch["numbers"])
    size = min(experiment.training.eval_batch_size, count)
    layers: list[tuple[str, ...]] = []
    sounds = [name for name, each in spec.inputs or (("", spec),) if each.preprocess.mel is not None]

    def look(state: TrainState, batch: Mapping[str, jax.Array]) -> tuple[Any, list[jax.Array], Any]:
        seen = forward.preprocessed(batch)
        inputs, named = forward.called_with(seen)
        model: Any = experiment.model
        outputs, written = model.apply(
            forward.variables(state.params, state.model_state),
            *inputs,
            train=False,
            **named,
            mutable=WRITABLE,
            capture_intermediates=_is_looked_at,
        )
        predictions = experiment.objective.predictions(forward.in_unit(forward.wide(outputs, seen)))
        spectrograms = {full_name("spectrograms", name): seen[full_name("inputs", name)] for name in sounds}
        shown = _shown_of_first(written.get("intermediates", {}), size)
        layers[:] = shown  # a dictionary that a program returns is in the order of its names
        return predictions, list(shown.values()), spectrograms

    # The last batch is filled up.
    places = [np.minimum(np.arange(start, start + size), count - 1) for start in range(0, count, size)]
    names = [name for name in batch if name.partition("/")[0] in _FOR_THE_MODEL]
    parts = [{name: jnp.asarray(batch[name][each]) for name in names} for each in places]
    program = compiled_quickly(traced(look, state, parts[0]))
    predictions, captured, spectrograms = zip(*(on_host(program(state, part)) for part in parts), strict=True)
    whole = jax.tree.map(lambda *arrays: np.concatenate(arrays)[:count], *zip(predictions, spectrograms, strict=True))
    return Predicted(whole[0], dict(zip(layers, captured[0], strict=True)), whole[1])


def _is_looked_at(module: nn.Module, method: str) -> bool:
    """Returns whether what a module returns may be shown: also what a recurrence of two directions returns."""
    return method in ("__call__", "beside") and type(module).__name__ not in _NO_STATES


def _shown_of_first(written: Mapping[str, Any], size: int) -> dict[tuple[str, ...], jax.Array]:
    """Returns what those modules return for the first example of a batch of which the report shows it.

    They are chosen here, while the program is traced, since each further result takes time to compile: some that return
    pictures, and some that return states over the steps of a sequence. A module that returns what another one returned
    before it is none of them. Of several arrays of a module the first counts.
    """
    by_form: dict[tuple[int, int], dict[tuple[str, ...], jax.Array]] = {}
    before: set[int] = set()
    for path, value in flatten_dict(written).items():
        leaves = jax.tree.leaves(value)
        of_module = len(path) > 1 and path[-1] in ("__call__", "beside")  # and not the model's own result
        if not of_module or not leaves or leaves[0].ndim not in (3, 4) or leaves[0].shape[0] != size:
            continue
        array = leaves[0]
        is_drawn = min(array.shape[1:3]) > 1 if array.ndim == 4 else array.shape[1] > 1
        if is_drawn and id(array) not in before:
            steps = array.shape[1] if array.ndim == 3 else 0  # inputs of several lengths have states of their own
            by_form.setdefault((array.ndim, steps), {})[path[:-1]] = array
            before.add(id(array))
    return {path: array[:1] for layers in by_form.values() for path, array in spread(layers)}
