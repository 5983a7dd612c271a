"""Decides how trials share one process: measures what is the fastest on this device."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import jax
import jaxlib.version

from jaxdl.backend.compiler import without_jit
from jaxdl.backend.cores import usable_cores
from jaxdl.backend.memory import free_memory, unless_out_of_memory
from jaxdl.backend.timing import seconds_each
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.files.atomic import replace_file
from jaxdl.files.paths import cache_folder
from jaxdl.training.cache import Cache
from jaxdl.training.epoch import FEWEST_STEPS_PER_CALL, NotFinite
from jaxdl.training.loop import Trainer
from jaxdl.training.programs import program_key
from jaxdl.training.stacked import Stacked

# As many threads as cores, but not more than this: on many cores, one program uses several of them.
_MOST_THREADS = 4
# More threads than cores: one can compute while another waits for the disk, and no program is alone and splits its
# small products over all cores. One more thread took 0.95 of the time of 64 trials of `mnist_mlp`, two more took 0.91.
_SPARE_THREADS = 2
_FIRST, _MOST = 4, 256
# On a GPU a step of a small model is the launching of kernels, each for any number of trainings: few gain little (on an
# H200, four trainings of `mnist_mlp` less than a quarter), many gain most of it.
_FIRST_ON_ACCELERATOR = 32
_MEASURED_SECONDS = 0.3
# Of shorter epochs, whole ones are measured in threads: what Python does after each takes about as long as its steps.
_SHORT_EPOCH_SECONDS = 0.1
# Threads must take at most this share of the time, a stacked program less, because it changes the last bits.
_WORTH, _WORTH_BITS = 0.9, 0.75
_MEMORY_SHARE = 0.6
_RULES = 4  # so that what was measured under earlier ones is measured again


class Width(NamedTuple):
    """How trials share this process.

    Attributes:
        size: how many are trained side by side in one program; 1: each has its own program.
        threads: how many run at the same time: `size`, or a few that each have their own program.
        share: time of a step of one of them, as a fraction of that of a trial that trains alone.
    """

    size: int
    threads: int
    share: float


ONE_BY_ONE = Width(1, 1, 1.0)


def choose(experiment: Experiment, trials: int, most: int, alone_seconds: float, cache: Cache) -> Width:
    """Returns how trials share this process.

    It measures first a few threads with one program each, whose results have the same bits as the run alone, by steps
    or by whole short epochs; then programs of 4, 8, 16 ... trials (on an accelerator of 32, 64 ...), as long as each is
    faster than the ones before. The result is kept in the user's cache folder, by program, device and versions, so that
    it is measured only once.

    Args:
        experiment: the recipe of one of the trials, fitted to its data.
        trials: how many trials have its programs.
        most: the largest number to train side by side in one program.
        alone_seconds: time of a train step of a trial that trains alone, in seconds.
        cache: data and programs.
    """
    if trials < 2 or without_jit():
        return ONE_BY_ONE
    most = min(trials, most, _MOST)
    file = cache_folder() / "side_by_side" / f"{_digest(experiment, cache)}-{most}.json"
    known = _read(file)
    if known is not None:
        return known
    trainer = cache.trainer(experiment)
    best, size = ONE_BY_ONE, _first_size(most)
    threads = min(len(usable_cores()), _MOST_THREADS, trials)
    most_under_way = min(threads + _SPARE_THREADS, trials)
    under_way = next((n for n in range(most_under_way, threads - 1, -1) if _fits(trainer, n)), 0)
    if jax.local_device_count() == 1 and threads > 1 and under_way:
        share = unless_out_of_memory(lambda: _share_in_threads(trainer, threads, alone_seconds))
        if share is not None and share < _WORTH:
            best = Width(1, under_way, share)
    while size <= most and _fits(trainer, size):
        stacked = Stacked(trainer, size)
        seconds = unless_out_of_memory(functools.partial(stacked.seconds_per_step, trainer, _MEASURED_SECONDS))
        worth = _WORTH_BITS if best.size == 1 else _WORTH
        if seconds is None or seconds / alone_seconds > worth * best.share:
            cache.measured(stacked, trainer, keep=False)
            break
        best = Width(stacked.size, stacked.size, seconds / alone_seconds)
        cache.measured(stacked, trainer, keep=True)
        size = min(2 * size, most) if size < most else most + 1  # a few more places than that in another round
    _write(file, best)
    return best


def _first_size(most: int) -> int:
    """Returns how many trainings the first program that is measured has."""
    first = _FIRST if jax.default_backend() == "cpu" else min(_FIRST_ON_ACCELERATOR, most)
    return max(first, jax.local_device_count())


def _share_in_threads(trainer: Trainer, threads: int, step_seconds: float) -> float:
    """Returns the time of a training when several train at the same time, as a fraction of that of one alone.

    All of them run on one device; with several devices, a batched program distributes the trainings over them.

    Args:
        trainer: a trainer of one of the trainings.
        threads: how many train at the same time.
        step_seconds: time of a train step of one alone, in seconds.
    """
    if trainer.steps_per_epoch * step_seconds > _SHORT_EPOCH_SECONDS:
        first, most = FEWEST_STEPS_PER_CALL, trainer.total_steps
        return _in_threads(trainer.time_steps, threads, first, most) / step_seconds
    train = functools.partial(_train_epochs, trainer)
    one, several = (_in_threads(train, count, 1, trainer.experiment.training.epochs) for count in (1, threads))
    return several / one


def _in_threads(repeat: Callable[[int], object], threads: int, first: int, most: int) -> float:
    """Returns the time of one repetition in one of several threads, in seconds, while all of them do the same."""

    def run(count: int) -> float:
        with ThreadPoolExecutor(threads) as pool:
            begin = time.perf_counter()
            list(pool.map(repeat, [count] * threads))
            return time.perf_counter() - begin

    run(1)
    return seconds_each(run, first, most, _MEASURED_SECONDS) / threads


def _train_epochs(trainer: Trainer, count: int) -> None:
    """Trains for the first epochs, as a trial does that saves nothing."""
    trainer = trainer.variant(trainer.experiment)  # as one of several, each with a state of its own
    with contextlib.suppress(NotFinite):  # each comes to the same step
        for _ in itertools.islice(trainer.train(trainer.init_state()), count):
            pass


def _digest(experiment: Experiment, cache: Cache) -> str:
    """Returns a key for the programs, the data's shape and the device."""
    device = jax.devices()[0]
    key = (
        program_key(experiment),
        cache.dataset(experiment).spec,
        (device.platform, device.device_kind, jax.device_count(), len(usable_cores())),
        (jax.__version__, jaxlib.version.__version__, os.environ.get("XLA_FLAGS", "")),
        (_RULES, _FIRST, _FIRST_ON_ACCELERATOR, _WORTH, _WORTH_BITS, _MOST_THREADS, _SPARE_THREADS),
    )
    return hashlib.sha256(repr(key).encode()).hexdigest()[:16]


def _read(file: Path) -> Width | None:
    try:
        value = json.loads(file.read_text())
        return Width(max(1, int(value["size"])), max(1, int(value["threads"])), float(value["share"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None


def _write(file: Path, width: Width) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, json.dumps(width._asdict()) + "\n")
    except (OSError, UserError):
        return  # it is measured again the next time


def _fits(trainer: Trainer, size: int) -> bool:
    """Returns whether that many trainings fit into their part of each device's memory, by what one needs."""
    needed = -(-size // jax.local_device_count()) * trainer.programs.memory_needed()
    return needed <= _MEMORY_SHARE * free_memory()
