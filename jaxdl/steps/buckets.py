"""Batches of short sequences are computed at a short length: one branch of the step for each of a few lengths."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.data.named import full_name, names_of
from jaxdl.errors import UserError
from jaxdl.steps.functions import Batch, Steps, model_errors

T = TypeVar("T")
Lengths = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Buckets:
    """The lengths to which a batch of sequences may be cut.

    Attributes:
        lengths: of each input that has lengths, by its name, which is empty where there is a single one: one length for
            each bucket, none below that before it; the last is that of all examples with their padding. With fewer than
            two buckets, no batch is cut.
        cut: the arrays that have the time as their second axis, each with the name of the input whose steps these are.
    """

    lengths: Lengths = field(default_factory=dict)
    cut: Mapping[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """The number of buckets; 0 where no input has lengths."""
        return max(map(len, self.lengths.values()), default=0)

    def run(self, step: Callable[[Batch], T], batch: Batch) -> T:
        """Returns what a step gives for a batch, cut to the first of the buckets that holds all of its sequences.

        Under `jax.vmap` over several batches every branch is computed, and the right one taken for each.

        Args:
            step: ``(batch) -> results``, whose shapes do not depend on the length.
            batch: as stored, with ``lengths`` (batch,) integers of each input where there are several buckets.
        """
        if self.count < 2:
            return step(batch)
        branches = [functools.partial(self._step_at, step, bucket) for bucket in range(self.count)]
        result: T = jax.lax.switch(self._bucket_of(jnp, batch), branches, batch)
        return result

    def shortened(self, batch: Batch) -> Batch:
        """Returns a batch, which is no tracer, as `run` gives it to a step."""
        return batch if self.count < 2 else self._at(batch, int(self._bucket_of(np, batch)))

    def _bucket_of(self, of: Any, batch: Batch) -> Any:
        """Returns the first bucket that holds all sequences, computed by NumPy or by JAX."""
        found = [
            of.searchsorted(of.asarray(lengths[:-1], of.int32), batch[full_name("lengths", name)].max())
            for name, lengths in self.lengths.items()
        ]
        return functools.reduce(of.maximum, found)

    def _step_at(self, step: Callable[[Batch], T], bucket: int, batch: Batch) -> T:
        return step(self._at(batch, bucket))

    def _at(self, batch: Batch, bucket: int) -> Batch:
        return {
            name: array[:, : self.lengths[self.cut[name]][bucket]] if name in self.cut else array
            for name, array in batch.items()
        }


def buckets_for(steps: Steps, state: Any, batch: Mapping[str, jax.ShapeDtypeStruct], lengths: Lengths) -> Buckets:
    """Returns the buckets of a training; computes nothing.

    Targets are cut, too, where they are one for each step: where the model's predictions have the length of an input.

    Args:
        steps: the pure functions.
        state: shapes of a state.
        batch: shapes of a batch, with ``lengths`` of each input.
        lengths: the lengths to cut to, see `Buckets`.

    Raises:
        UserError: the model does not take shorter inputs.
    """
    inputs = Buckets(lengths, {full_name("inputs", name): name for name in lengths})
    if inputs.count < 2:
        return Buckets()
    # With a single input the shortest and the longest tell enough.
    tried = range(inputs.count) if len(lengths) > 1 else (0, inputs.count - 1)
    predicted = {bucket: _predicted(steps, state, batch, inputs, bucket) for bucket in tried}
    cut = dict(inputs.cut)
    for target in names_of(batch, "targets"):
        for name, steps_of in lengths.items():
            of_steps = all(shapes[target][1:2] == (steps_of[bucket],) for bucket, shapes in predicted.items())
            if of_steps and batch[full_name("targets", target)].shape[1:2] == steps_of[-1:]:
                cut[full_name("targets", target)] = name
    return Buckets(lengths, cut)


def _predicted(
    steps: Steps, state: Any, batch: Mapping[str, jax.ShapeDtypeStruct], inputs: Buckets, bucket: int
) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of the predictions for inputs that are cut, by the names of the targets."""
    short = dict(batch)
    for array, name in inputs.cut.items():
        count, _, *rest = batch[array].shape
        short[array] = jax.ShapeDtypeStruct((count, inputs.lengths[name][bucket], *rest), batch[array].dtype)
    try:
        with model_errors():
            found: Any = jax.eval_shape(steps.predict_step, state, short)
    except UserError as error:
        if bucket == inputs.count - 1:
            raise
        places = [
            f"{name or 'inputs'} of {lengths[bucket]} steps in the place of {lengths[-1]}"
            for name, lengths in inputs.lengths.items()
        ]
        raise UserError(
            f"with {' and '.join(places)}, {str(error).rstrip('.')}. A model that needs inputs of one length takes "
            "--training.buckets=1."
        ) from error
    return {name: each.shape for name, each in (found if isinstance(found, Mapping) else {"": found}).items()}
