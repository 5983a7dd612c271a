"""How many devices of a CPU share a batch, found by timing a few train steps on the machine itself.

XLA runs much of a train step on one core: small products, concatenations, random bits, the optimizer. Where a batch is
divided among as many CPU devices as there are cores, each core does its share of all of that. Whether this gains more
than the devices lose by waiting for each other depends on processor, jaxlib and model; so it is measured.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jaxlib.version

from jaxdl.backend.compiler import without_jit
from jaxdl.backend.cores import processor_identity, usable_cores
from jaxdl.backend.mesh import devices_are_set, named_axes
from jaxdl.backend.settings import cache_folder
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.experiment.config import from_config
from jaxdl.fields import replace
from jaxdl.files.atomic import replace_file
from jaxdl.record import CONFIG, RECORD, read_config
from jaxdl.training.feed import Feed
from jaxdl.training.loop import Trainer
from jaxdl.training.programs import program_key

DEVICES = "training.devices"
# Several devices must be this much faster, or it is one: that needs less memory.
_GAIN = 1.05
_ROUNDS, _SECONDS = 3, 0.08  # how often each is timed, and for about how long
# Operations a second of one core with AVX2, roughly: by it a training is judged to be worth measuring before it.
_RATE = 5e10
Measure = Callable[[Mapping[int, Trainer]], dict[int, float]]


@dataclasses.dataclass(frozen=True)
class Chosen:
    """How many devices share a batch, and why.

    Attributes:
        devices: their number.
        seconds: the time of a train step by number of devices, as measured, now or in an earlier training; empty: none
            was.
        reason: ``measured``, ``measured before``, ``the run's own``, ``from FILE``, or why nothing was measured.
    """

    devices: int
    seconds: Mapping[int, float]
    reason: str

    def described(self) -> dict[str, Any]:
        """Returns what the record of a run says of it."""
        return {"devices": self.devices, "step_seconds": _as_text(self.seconds), "reason": self.reason}

    def message(self) -> str:
        """Returns a line for the user about what was measured."""
        times = ", ".join(f"{devices}: {1e3 * each:.3g} ms" for devices, each in sorted(self.seconds.items()))
        return f"a train step by devices of the CPU: {times}; so {self.devices} (--tuning=off: always one)"


def measure(trainers: Mapping[int, Trainer]) -> dict[int, float]:
    """Returns the time of one train step in seconds by number of devices, the median of rounds in turns.

    Args:
        trainers: of the same training, by number of devices.
    """
    with ThreadPoolExecutor(len(trainers)) as pool:
        list(pool.map(lambda trainer: trainer.programs.compile(["init", "train"]), trainers.values()))
    seconds: dict[int, list[float]] = {devices: [] for devices in trainers}
    states = {devices: trainer.advance(trainer.init_state(), 1)[0] for devices, trainer in trainers.items()}
    count = 1
    for number in range(_ROUNDS + 1):
        for devices, trainer in trainers.items():
            left = trainer.steps_per_epoch - int(states[devices].step) % trainer.steps_per_epoch
            steps = min(count, left)
            begin = time.perf_counter()
            states[devices] = trainer.advance(states[devices], steps)[0]
            if number:
                seconds[devices].append((time.perf_counter() - begin) / steps)
            else:  # the first round finds out how many steps take long enough
                count = max(count, math.ceil(_SECONDS / (time.perf_counter() - begin)))
    return {devices: statistics.median(each) for devices, each in seconds.items()}


@dataclasses.dataclass(frozen=True)
class Tuner:
    """Chooses how many devices of the CPU share a batch, where neither the recipe nor the user says so.

    Attributes:
        pinned: a run's ``record.json``, of which the choice is taken; None: it is measured, once for a machine.
        worth: how many seconds a training must take, roughly, to be measured before it; a step must take a ten
            thousandth of that.
        measure: times the steps.
    """

    pinned: Path | None = None
    worth: float = 20.0
    measure: Measure = measure

    def choose(
        self, experiment: Experiment, trainer_of: Callable[[Experiment], Trainer], run_dir: Path | None = None
    ) -> Chosen | None:
        """Returns the choice for a training; None where it is not for us to choose.

        Args:
            experiment: the recipe, fitted to its data.
            trainer_of: makes the trainer of such a recipe with a number of devices.
            run_dir: of the training; an unfinished run in it keeps its choice.

        Raises:
            UserError: `pinned` has no choice, or one that this machine or batch does not allow.
        """
        axes, _ = named_axes(experiment.training.devices, experiment.training.mesh)
        if axes is not None or devices_are_set() or without_jit() or jax.default_backend() != "cpu":
            return None
        counts = _counts(experiment.training.batch_size)
        if run_dir is not None and (run_dir / CONFIG).exists():
            before = from_config(read_config(run_dir), experiment).training.devices
            return Chosen(before or 1, {}, "the run's own")
        if self.pinned is not None:
            return _pinned(self.pinned, counts)
        if len(counts) == 1 or experiment.training.shard != "replicated":
            return Chosen(1, {}, "there is one device that divides the batch")
        first = trainer_of(replace(experiment, {DEVICES: 1}))
        if not isinstance(first.feed, Feed):
            return Chosen(1, {}, "the examples are streamed")
        step = sum(first.programs.step_flops.values()) / _RATE
        if step * first.total_steps < self.worth or step < self.worth * 1e-5:
            return Chosen(1, {}, "the training, or a step of it, is too short")
        key: list[Any] = [processor_identity(), len(usable_cores()), jaxlib.version.__version__, counts]
        key += [program_key(first.experiment), first.programs.step_flops, str(first.spec)]
        file = _file(json.dumps(key))
        seconds, reason = _kept(file, counts), "measured before"
        if seconds is None:
            others = {count: trainer_of(replace(experiment, {DEVICES: count})) for count in counts[1:]}
            seconds, reason = self.measure({1: first, **others}), "measured"
            _keep(file, seconds)
        return Chosen(_best(seconds), seconds, reason)


def _counts(batch_size: int) -> list[int]:
    """Returns the numbers of devices that may share a batch: 1, 2, 4 and so on, as many as there are and divide it."""
    most = len(jax.local_devices())
    return [count for count in (2**power for power in range(most.bit_length())) if batch_size % count == 0]


def _best(seconds: Mapping[int, float]) -> int:
    fastest = min(seconds, key=lambda count: (seconds[count], count))
    return fastest if seconds[fastest] * _GAIN <= seconds[1] else 1


def _pinned(file: Path, counts: Sequence[int]) -> Chosen:
    file = file / RECORD if file.is_dir() else file
    try:
        devices = json.loads(file.read_text(encoding="utf-8"))["tuning"]["devices"]
        devices = int(devices)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise UserError(
            f"--tuning={file} has no choice ({_cause(problem)}): give the directory of a run that was tuned, auto "
            "or off."
        ) from None
    if devices not in counts:
        raise UserError(
            f"--tuning={file} chose {devices} devices, which do not divide the batch or are more than there are here "
            f"(possible: {', '.join(map(str, counts))}); give auto or off."
        )
    return Chosen(devices, {}, f"from {file}")


def _cause(problem: Exception) -> str:
    """Returns why a file cannot be used, in few words."""
    return problem.strerror or "unreadable" if isinstance(problem, OSError) else "not the record of such a run"


def _file(key: str) -> Path | None:
    try:
        return cache_folder() / "tuning" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    except RuntimeError:  # the user has no home folder
        return None


def _kept(file: Path | None, counts: Sequence[int]) -> dict[int, float] | None:
    """Returns what was measured in an earlier training; None where nothing was, or what is kept is damaged."""
    try:
        found = {int(count): float(each) for count, each in json.loads(file.read_text()).items()} if file else {}
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return found if sorted(found) == list(counts) and all(0 < each < math.inf for each in found.values()) else None


def _keep(file: Path | None, seconds: Mapping[int, float]) -> None:
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, json.dumps(_as_text(seconds)))
    except (OSError, UserError):  # it is measured again the next time
        pass


def _as_text(seconds: Mapping[int, float]) -> dict[str, float]:
    return {str(count): each for count, each in sorted(seconds.items())}
