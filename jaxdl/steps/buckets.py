"""Batches of short sequences are computed at a short length: one branch of the step for each of a few lengths."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.errors import UserError
from jaxdl.steps.functions import Batch, Steps, model_errors

T = TypeVar("T")


@dataclass(frozen=True)
class Buckets:
    """The lengths to which a batch of sequences may be cut.

    Attributes:
        lengths: ascending; the last is that of all examples with their padding. With fewer than two, no batch is cut.
        cut: names of the arrays that have the time as their second axis.
    """

    lengths: tuple[int, ...] = ()
    cut: tuple[str, ...] = ("inputs",)

    @property
    def several(self) -> bool:
        """Whether there is a length to cut to."""
        return len(self.lengths) > 1

    def run(self, step: Callable[[Batch], T], batch: Batch) -> T:
        """Returns what a step gives for a batch, cut to the least of the lengths that holds its longest sequence.

        Under `jax.vmap` over several batches every branch is computed, and the right one taken for each.

        Args:
            step: ``(batch) -> results``, whose shapes do not depend on the length.
            batch: as stored, with ``lengths`` (batch,) integers where there are several lengths to cut to.
        """
        if not self.several:
            return step(batch)
        place = jnp.searchsorted(jnp.asarray(self.lengths[:-1], jnp.int32), batch["lengths"].max())
        branches = [functools.partial(self._step_at, step, length) for length in self.lengths]
        result: T = jax.lax.switch(place, branches, batch)
        return result

    def shortened(self, batch: Batch) -> Batch:
        """Returns a batch, which is no tracer, as `run` gives it to a step."""
        if not self.several:
            return batch
        return self._at(batch, self.lengths[int(np.searchsorted(self.lengths[:-1], np.max(batch["lengths"])))])

    def _step_at(self, step: Callable[[Batch], T], length: int, batch: Batch) -> T:
        return step(self._at(batch, length))

    def _at(self, batch: Batch, length: int) -> Batch:
        return {name: array[:, :length] if name in self.cut else array for name, array in batch.items()}


def buckets_for(
    steps: Steps, state: Any, batch: Mapping[str, jax.ShapeDtypeStruct], lengths: tuple[int, ...]
) -> Buckets:
    """Returns the buckets of a training; computes nothing.

    Targets are cut, too, where they are one for each step: where the model's predictions have the length of the inputs.

    Args:
        steps: the pure functions.
        state: shapes of a state.
        batch: shapes of a batch, with ``lengths``.
        lengths: the lengths to cut to, ascending.

    Raises:
        UserError: the model does not take shorter inputs.
    """
    if len(lengths) < 2:
        return Buckets()
    shapes = {length: _predicted(steps, state, batch, length) for length in (lengths[0], lengths[-1])}
    of_steps = all(shape[1:2] == (length,) for length, shape in shapes.items())
    has_time = of_steps and batch["targets"].shape[1:2] == (lengths[-1],)
    return Buckets(lengths, ("inputs", "targets") if has_time else ("inputs",))


def _predicted(steps: Steps, state: Any, batch: Mapping[str, jax.ShapeDtypeStruct], length: int) -> tuple[int, ...]:
    stored = batch["inputs"]
    short = jax.ShapeDtypeStruct((stored.shape[0], length, *stored.shape[2:]), stored.dtype)
    try:
        with model_errors():
            shape: tuple[int, ...] = jax.eval_shape(steps.predict_step, state, {**batch, "inputs": short}).shape
    except UserError as error:
        if length == stored.shape[1]:
            raise
        raise UserError(
            f"with inputs of {length} steps in the place of {stored.shape[1]}, {error} A model that needs inputs of "
            "one length takes --training.buckets=1."
        ) from error
    return shape
