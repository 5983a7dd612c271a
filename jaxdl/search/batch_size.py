"""The largest batch that fits into the device's memory, and the one that trains the most examples per second."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from jaxdl.backend.memory import free_memory, unless_out_of_memory
from jaxdl.backend.mesh import named_axes, ways_of
from jaxdl.backend.timing import seconds_each
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields import replace
from jaxdl.files.paths import expanded
from jaxdl.report.terminal import say_nothing
from jaxdl.training.cache import Cache
from jaxdl.training.epoch import FEWEST_STEPS_PER_CALL
from jaxdl.training.loop import Trainer

BATCH_SIZE = "training.batch_size"
_FIRST = 8
_MEASURED_SECONDS = 1.0
# Fraction of the free memory, since other programs on the machine need some, too.
_MEMORY_SHARE = 0.9
# After this many doublings without a gain in speed, larger batches are not timed.
_MOST_SLOWER = 3


@dataclasses.dataclass(frozen=True)
class BatchSize:
    """The result of one batch size.

    Attributes:
        size: examples in a batch.
        bytes_needed: memory that the train program needs in addition to the data, in bytes; None if it cannot be
            compiled.
        fits: whether the device has that memory.
        examples_per_second: measured; None if it does not fit, or if smaller ones were already faster.
    """

    size: int
    bytes_needed: int | None
    fits: bool
    examples_per_second: float | None


def batch_find(
    experiment: Experiment,
    *,
    data_dir: Path,
    cache: Cache | None = None,
    notify: Callable[[str], None] | None = print,
) -> list[BatchSize]:
    """Tries batches of 8, 16, 32 ... examples, until one does not fit or the train split is used up.

    Where the recipe names devices that do not divide 8, it begins with the next size that they divide.

    Once larger sizes are no longer faster, they are only compiled, which shows the memory that they need, and not run.

    Args:
        experiment: the recipe; its batch size is ignored.
        data_dir: folder of prepared data sets.
        cache: data of earlier trainings in this process.
        notify: called with a message for each size; None: nothing is said.

    Returns:
        The results of each size, the smallest first; the last one may not fit.

    Raises:
        UserError: the data are not available.
    """
    notify = notify or say_nothing
    cache = cache or Cache(expanded(data_dir), notify)
    dataset = cache.dataset(experiment)
    recipe = experiment.for_spec(dataset.spec)
    axes, _ = named_axes(experiment.training.devices, experiment.training.mesh)
    found: list[BatchSize] = []
    ways = math.lcm(ways_of(axes), recipe.training.accumulate)
    first = size = -(-_FIRST // ways) * ways  # sizes that the named devices and the parts divide
    most = cache.trainer(replace(recipe, {BATCH_SIZE: first})).feed.examples_per_epoch
    while size <= most:
        found.append(_try(cache.trainer(replace(recipe, {BATCH_SIZE: size})), size, timed=not _slower(found)))
        notify(_line(found[-1]))
        if not found[-1].fits:
            break
        size *= 2
    if not found:
        raise UserError(f"batch_find: the train split has fewer than {first} examples.")
    if not found[0].fits:
        raise UserError(f"batch_find: not even a batch of {first} fits; make the model smaller, or free memory.")
    return found


def _slower(found: Sequence[BatchSize]) -> bool:
    """Returns whether the last few sizes were not faster than an earlier one, so that no more are timed."""
    rates = [each.examples_per_second or 0.0 for each in found]
    if not all(rates):
        return True
    return len(rates) > _MOST_SLOWER and max(rates[-_MOST_SLOWER:]) < max(rates[:-_MOST_SLOWER])


def _line(found: BatchSize) -> str:
    speed = "fits, not timed" if found.fits else "does not fit"
    if found.examples_per_second is not None:
        speed = f"{found.examples_per_second:,.0f} examples/s"
    memory = "" if found.bytes_needed is None else f"{found.bytes_needed / 2**20:,.1f} MiB"
    return f"batch {found.size:>7,}  {memory:>13}  {speed}"


def _try(trainer: Trainer, size: int, *, timed: bool) -> BatchSize:
    """Returns the result of one size."""

    def seconds() -> float:
        trainer.time_steps(1)  # uses the memory for the first time
        return seconds_each(trainer.time_steps, FEWEST_STEPS_PER_CALL, trainer.total_steps, _MEASURED_SECONDS)

    needed = unless_out_of_memory(trainer.programs.memory_needed)
    if needed is None or needed > _MEMORY_SHARE * free_memory():
        return BatchSize(size, needed, False, None)
    if not timed:
        return BatchSize(size, needed, True, None)
    taken = unless_out_of_memory(seconds)
    return BatchSize(size, needed, taken is not None, None if taken is None else size / taken)


def fastest(found: Sequence[BatchSize]) -> BatchSize:
    """Returns the size with the most examples per second."""
    return max(found, key=lambda each: each.examples_per_second or 0.0)


def largest(found: Sequence[BatchSize]) -> BatchSize:
    """Returns the largest size that fits."""
    return max((each for each in found if each.fits), key=lambda each: each.size)
