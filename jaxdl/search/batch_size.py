"""The largest batch that fits into the device's memory, and the one that trains the most examples a second."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import jax

from jaxdl.epoch import FEWEST_STEPS_PER_CALL
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields import replace
from jaxdl.loop import Trainer
from jaxdl.memory import free_memory, ran_out_of_memory
from jaxdl.timing import seconds_each
from jaxdl.workshop import Workshop

BATCH_SIZE = "training.batch_size"
_FIRST = 8
_MEASURED_SECONDS = 1.0
# Of the free memory: what else runs on the machine takes some, too.
_MEMORY_SHARE = 0.9
# Doublings in a row that make no step faster, after which a larger batch is not tried for speed.
_MOST_SLOWER = 3


@dataclasses.dataclass(frozen=True)
class BatchSize:
    """What one batch size gave.

    Attributes:
        size: examples in a batch.
        bytes_needed: memory that the train program needs beside the data, in bytes.
        examples_per_second: measured; None where it does not fit.
    """

    size: int
    bytes_needed: int
    examples_per_second: float | None


def batch_find(
    experiment: Experiment,
    *,
    data_dir: Path,
    workshop: Workshop | None = None,
    notify: Callable[[str], None] = print,
) -> list[BatchSize]:
    """Tries batches of 8, 16, 32 ... examples, until one does not fit or the train split is used up.

    Args:
        experiment: the recipe; its batch size is left out.
        data_dir: folder of prepared data sets.
        workshop: data of earlier trainings in this process.
        notify: takes messages, one for each size.

    Returns:
        What each size gave, the smallest first; the last may be one that does not fit.

    Raises:
        UserError: the data cannot be had.
    """
    workshop = workshop or Workshop(data_dir, notify)
    dataset = workshop.dataset(experiment)
    recipe = experiment.for_spec(dataset.spec)
    found: list[BatchSize] = []
    size, most = _FIRST, workshop.trainer(recipe).examples_per_epoch
    while size <= most:
        trainer = workshop.trainer(replace(recipe, {BATCH_SIZE: size}))
        needed = trainer.memory_needed()
        fits = needed <= _MEMORY_SHARE * free_memory()
        rate = _measure(trainer, size) if fits else None
        found.append(BatchSize(size, needed, rate))
        notify(_line(found[-1]))
        if rate is None or _slower(found):
            break
        size *= 2
    if not found:
        raise UserError(f"batch_find: the train split has fewer than {_FIRST} examples.")
    if found[0].examples_per_second is None:
        raise UserError(f"batch_find: not even a batch of {_FIRST} fits; make the model smaller, or free memory.")
    return found


def _slower(found: Sequence[BatchSize]) -> bool:
    """Returns whether the last few sizes were no faster than one before them."""
    rates = [each.examples_per_second or 0.0 for each in found]
    return len(rates) > _MOST_SLOWER and max(rates[-_MOST_SLOWER:]) < max(rates[:-_MOST_SLOWER])


def _line(found: BatchSize) -> str:
    speed = "does not fit" if found.examples_per_second is None else f"{found.examples_per_second:,.0f} examples/s"
    return f"batch {found.size:>7,}  {found.bytes_needed / 2**20:>9,.1f} MiB  {speed}"


def _measure(trainer: Trainer, size: int) -> float | None:
    """Returns the examples a second, None where memory runs out after all."""
    try:
        trainer.time_steps(1)  # touches the memory for the first time
        return size / seconds_each(trainer.time_steps, FEWEST_STEPS_PER_CALL, trainer.total_steps, _MEASURED_SECONDS)
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        return None


def fastest(found: Sequence[BatchSize]) -> BatchSize:
    """Returns the size with the most examples a second."""
    return max(found, key=lambda each: each.examples_per_second or 0.0)


def largest(found: Sequence[BatchSize]) -> BatchSize:
    """Returns the largest size that fits, of those that were tried."""
    return max((each for each in found if each.examples_per_second is not None), key=lambda each: each.size)
