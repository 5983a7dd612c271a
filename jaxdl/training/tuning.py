"""How a CPU computes a train step: how many devices share a batch, and by what operations; both are measured.

XLA runs much of a train step on one core: small products, concatenations, random bits, the optimizer. Where a batch is
divided among as many CPU devices as there are cores, each core does its share of all of that. Whether this gains more
than the devices lose by waiting for each other depends on processor, jaxlib and model, and so does what native
convolutions and LSTMs gain; so a few steps of each are timed on the machine itself.
"""

from __future__ import annotations

import dataclasses
import functools
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
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.experiment.config import from_config
from jaxdl.ops.library import can_be_built, is_built, library_of, why_not
from jaxdl.record import CONFIG, RECORD, read_config
from jaxdl.training.feed import Feed
from jaxdl.training.forms import Form, Measured, as_text, file_of, keep, read
from jaxdl.training.loop import Trainer
from jaxdl.training.programs import program_key

_EPOCHS = "training.epochs"  # a step takes the same time, however many epochs follow
# Any other form must be this much faster than one device with XLA's own operations, which needs the least memory.
_GAIN = 1.05
_ROUNDS, _SECONDS = 3, 0.1  # how often each is timed, and for about how long
_LONG_STEP = 0.06  # seconds, with what a call takes beside its steps; a step that takes so long is timed alone
# Operations a second of one core with AVX2, roughly: by it a training is judged to be worth measuring before it.
_RATE = 5e10
# How much longer a training must take where the native operations are not built yet, which takes some seconds.
_BUILDING = 3
# A training that takes so many times `Tuner.worth` has native operations on several devices compiled and timed with the
# first forms, not after them: that takes less time, unless XLA's operations are faster.
_AT_ONCE = 5
# Compiling XLA's convolutions and LSTMs takes seconds, and in steps of `_LARGE_STEP` seconds or more (by `_RATE`), in
# float32, they took 1.3 to 2.4 times as long as native ones on each processor with AVX-512 that was measured (Zen 4,
# Sapphire Rapids, Emerald Rapids). So there they are timed only before a training of `_IN_DOUBT` times `Tuner.worth`.
# Several devices, on which native steps took 0.85 to 1.15 times as long, are timed before one of `_PAYS` times.
_LARGE_STEP, _IN_DOUBT, _PAYS = 0.005, 100, 15
# Steps are not divided among devices where they take less than this share of `Tuner.worth`, a millisecond: devices lose
# more by waiting for each other. A step of `mnist_mlp` takes 0.14 ms on one, and 1 to 63 ms on two (Zen 4, jax 0.10).
_SHARED_STEP = 5e-5
# What several devices may take off a training whose operations are native: these use all cores on one device, too.
# Measured on Zen 4, JAX 0.10: 0.04 and 0.06 of `mnist_cnn`, 0.04 and -0.15 of `mnist_cnn_small`.
_SHARED_GAIN = 0.05


Measure = Callable[[Mapping[Form, Trainer]], dict[Form, float]]


@dataclasses.dataclass(frozen=True)
class Chosen:
    """How the train steps of a run are computed, and why.

    Attributes:
        form: the choice.
        seconds: the time of a train step by form, as measured, now or in an earlier training; empty: none was.
        reason: ``measured``, ``measured before``, ``the run's own``, ``from FILE``, or why nothing was measured.
    """

    form: Form
    seconds: Mapping[Form, float]
    reason: str

    def described(self) -> dict[str, Any]:
        """Returns what the record of a run says of it."""
        return {
            "devices": self.form.devices,
            "library": self.form.library,
            "step_seconds": as_text(self.seconds),
            "reason": self.reason,
        }

    def message(self) -> str:
        """Returns a line for the user about what was measured."""
        times = ", ".join(f"{form}: {1e3 * each:.3g} ms" for form, each in self.seconds.items())
        return f"a train step by devices of the CPU: {times}; so {self.form} (--tuning=off: always 1)"


def measure(trainers: Mapping[Form, Trainer]) -> dict[Form, float]:
    """Returns the time of one train step in seconds by form: the least of several of the first form, else the median.

    So a machine that stands still for a moment makes no other form look faster than the first one, which is kept where
    in doubt.

    Args:
        trainers: of the same training, by form.
    """
    plain = next(iter(trainers))

    def prepare(form: Form) -> None:
        # Only the first form needs the program for the state with which all begin.
        trainers[form].programs.compile(["train", "init"] if form == plain else ["train"])

    with ThreadPoolExecutor(len(trainers)) as pool:
        list(pool.map(prepare, trainers))
    init = trainers[plain].init_state
    states = {form: trainer.advance(trainer.placed(init()), 1)[0] for form, trainer in trainers.items()}

    def spent(form: Form, steps: int) -> float:
        begin = time.perf_counter()
        states[form] = trainers[form].advance(states[form], steps)[0]
        return time.perf_counter() - begin

    # A call takes up to 20 ms beside its steps, for memory that it uses for the first time, and native operations
    # prepare themselves in the first steps of a thread. So each form has as many steps as take long, and is warm then.
    count = {}
    for form, trainer in trainers.items():
        steps = 1
        while (took := min(spent(form, steps) for _ in range(2))) < (_LONG_STEP if steps == 1 else _SECONDS):
            if steps >= trainer.total_steps:
                break
            steps = min(trainer.total_steps, math.ceil(steps * max(2.0, _SECONDS / took)))
        count[form] = steps
    rounds = [{form: spent(form, count[form]) / count[form] for form in trainers} for _ in range(_ROUNDS)]
    return {form: (min if form == plain else statistics.median)(each[form] for each in rounds) for form in trainers}


@dataclasses.dataclass(frozen=True)
class Tuner:
    """Chooses how the CPU computes train steps, where neither the recipe nor the user says how many devices do.

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
        self,
        experiment: Experiment,
        trainer_of: Callable[[Experiment], Trainer],
        run_dir: Path | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> Chosen | None:
        """Returns the choice for a training; None where it is not for us to choose.

        Args:
            experiment: the recipe, fitted to its data.
            trainer_of: makes the trainer of such a recipe with a number of devices.
            run_dir: of the training; an unfinished run in it keeps its choice.
            notify: told of what takes long.

        Raises:
            UserError: `pinned` has no choice, or one that this machine or batch does not allow.
        """
        axes, _ = named_axes(experiment.training.devices, experiment.training.mesh)
        if axes is not None or devices_are_set() or without_jit() or jax.default_backend() != "cpu":
            return None
        counts, library = _counts(experiment.training.batch_size), experiment.training.library
        if run_dir is not None and (run_dir / CONFIG).exists():
            before = from_config(read_config(run_dir), experiment).training
            return Chosen(Form(before.devices or 1, before.library), {}, "the run's own")
        if self.pinned is not None:
            return _pinned(self.pinned, counts)
        if experiment.training.shard != "replicated":
            return Chosen(Form(1, library), {}, "the parameters are divided")
        plain = Form(1, library)
        first = trainer_of(plain.of(experiment))
        if not isinstance(first.feed, Feed):
            return Chosen(plain, {}, "the examples are streamed")
        step = sum(first.programs.step_flops.values()) / _RATE
        if step * first.total_steps < self.worth or step < self.worth * 1e-5:
            return Chosen(plain, {}, "the training, or a step of it, is too short")
        if step < self.worth * _SHARED_STEP:
            counts = [1]
        forms = [Form(count, library) for count in counts]
        likely = False
        if library == "xla" and first.programs.has_native:
            likely = step >= _LARGE_STEP and _multiplies_faster(first)
            is_long = step * first.total_steps >= _BUILDING * self.worth
            if _native(None if likely else first, is_long, notify):
                forms += [Form(count, "onednn") for count in counts]
        if len(forms) == 1:
            return Chosen(plain, {}, "one device divides the batch, or a step is too short for more")
        key: list[Any] = [processor_identity(), len(usable_cores()), jaxlib.version.__version__, list(map(str, forms))]
        programs = [pair for pair in program_key(first.experiment) if pair[0] != _EPOCHS]
        file = file_of(json.dumps([*key, programs, first.programs.step_flops, str(first.spec)]))
        kept = read(file, forms)
        worths = step * first.total_steps / self.worth if self.worth else math.inf
        at_first = _first(forms, worths, likely)
        if kept is None and len(at_first) == 1:
            return Chosen(at_first[0], {}, "native operations are the likely choice, and more is not worth timing")
        known = self._measured(
            forms,
            lambda form: first if form == plain else trainer_of(form.of(experiment)),
            first.total_steps,
            at_first,
            kept,
        )
        if known is not kept:
            keep(file, known)
        reason = "measured before" if known is kept else "measured"
        return Chosen(_best(known.seconds, plain), known.seconds, reason)

    def _measured(
        self,
        forms: Sequence[Form],
        trainer_of: Callable[[Form], Trainer],
        total_steps: int,
        first: Sequence[Form],
        kept: Measured | None,
    ) -> Measured:
        """Returns the times of steps: of the first forms, then of more devices with the faster library.

        Each form that is timed must be compiled, which takes seconds. Of native operations, more devices are not timed
        where all of the training would gain less than that; a longer one times them later.

        Args:
            forms: all that may be chosen.
            trainer_of: makes the trainer of a form.
            total_steps: train steps of the training.
            first: those to be timed in any case; see `_first`.
            kept: what earlier trainings measured; it is returned itself where nothing more is worth measuring.
        """
        trainer_of = functools.cache(trainer_of)
        if kept is None:
            begin = time.perf_counter()
            seconds = self.measure({form: trainer_of(form) for form in first})
            kept = Measured(seconds, time.perf_counter() - begin)
        kept = self._with(kept, [form for form in first if form.devices == 1], trainer_of)
        best = _fastest_alone(kept)
        pays = best.library == "xla" or _SHARED_GAIN * kept.seconds[best] * total_steps >= kept.spent
        return self._with(kept, [form for form in forms if form.library == best.library and pays], trainer_of)

    def _with(self, kept: Measured, wanted: Sequence[Form], trainer_of: Callable[[Form], Trainer]) -> Measured:
        """Returns the times of steps with those of more forms; the same ones where nothing is missing."""
        best, missing = _fastest_alone(kept), [form for form in wanted if form not in kept.seconds]
        if not missing:
            return kept
        again = self.measure({form: trainer_of(form) for form in (best, *missing)})
        # In terms of the first times, since a machine's speed changes.
        more = {form: kept.seconds[best] * again[form] / again[best] for form in missing}
        return Measured({**kept.seconds, **more}, kept.spent)


def _first(forms: Sequence[Form], worths: float, likely: bool) -> list[Form]:
    """Returns the forms that are timed in any case, and together; a single one need not be timed.

    Args:
        forms: all that may be chosen.
        worths: how long the training takes, in terms of `Tuner.worth`.
        likely: whether native operations are faster than XLA's for all that is known.
    """
    alone, native = ([form for form in forms if keeps(form)] for keeps in (_is_alone, _is_native))
    if len(alone) == 1:
        return list(forms)
    if likely and worths < _IN_DOUBT:
        return native if worths >= _PAYS else native[:1]
    return list(dict.fromkeys([*alone, *(native if worths >= _AT_ONCE else [])]))


def _is_alone(form: Form) -> bool:
    return form.devices == 1


def _is_native(form: Form) -> bool:
    return form.library != "xla"


def _fastest_alone(kept: Measured) -> Form:
    return min(filter(_is_alone, kept.seconds), key=kept.seconds.__getitem__)


def _multiplies_faster(trainer: Trainer) -> bool:
    """Returns whether native operations are faster than XLA's for all that was measured, if products are large."""
    in_float32 = trainer.experiment.training.precision == "float32"
    return in_float32 and "avx512bw" in processor_identity() and trainer.programs.has_native_products


def _native(trainer: Trainer | None, is_long: bool, notify: Callable[[str], None] | None) -> bool:
    """Returns whether native operations can be had; builds them before a long training.

    Args:
        trainer: XLA compiles its programs meanwhile; None: it will hardly be needed.
        is_long: whether the training is.
        notify: told that they are built.
    """
    if is_built():
        return why_not() is None
    if not is_long or not can_be_built():
        return False
    if notify is not None:
        notify("building native operations for this processor (oneDNN), once; it takes about five seconds")
    with ThreadPoolExecutor(1) as pool:
        problem = pool.submit(why_not)
        if trainer is not None:
            trainer.programs.compile(["init", "train"])
        return problem.result() is None


def _counts(batch_size: int) -> list[int]:
    """Returns the numbers of devices that may share a batch: 1, 2, 4 and so on, as many as there are and divide it."""
    most = len(jax.local_devices())
    return [count for count in (2**power for power in range(most.bit_length())) if batch_size % count == 0]


def _best(seconds: Mapping[Form, float], plain: Form) -> Form:
    """Returns the fastest form, or the simplest that was timed if it is not much slower."""
    simplest = plain if plain in seconds else min(seconds, key=lambda form: form.devices)
    fastest = min(seconds, key=lambda form: (seconds[form], form.devices, form != plain))
    return fastest if seconds[fastest] * _GAIN <= seconds[simplest] else simplest


def _pinned(file: Path, counts: Sequence[int]) -> Chosen:
    file = file / RECORD if file.is_dir() else file
    try:
        tuned = json.loads(file.read_text(encoding="utf-8"))["tuning"]
        form = Form(int(tuned["devices"]), library_of(tuned.get("library", "xla")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise UserError(
            f"--tuning={file} has no choice ({_cause(problem)}): give the directory of a run that was tuned, auto "
            "or off."
        ) from None
    if form.devices not in counts:
        raise UserError(
            f"--tuning={file} chose {form.devices} devices, which do not divide the batch or are more than there are "
            f"here (possible: {', '.join(map(str, counts))}); give auto or off."
        )
    return Chosen(form, {}, f"from {file}")


def _cause(problem: Exception) -> str:
    """Returns why a file cannot be used, in few words."""
    return problem.strerror or "unreadable" if isinstance(problem, OSError) else "not the record of such a run"
