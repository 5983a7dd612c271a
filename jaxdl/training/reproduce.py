"""Proofs on the user's own machine: a run repeats to the bit, and a run that was stopped ends as one that was not.

Two runs are the same if the parameters, the whole last state (optimizer, statistics and keys included), the metrics
file and the final figures are the same.
"""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from jaxdl.checkpoint import Checkpoints
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.experiment.config import changed_code, from_config
from jaxdl.files.atomic import replace_file
from jaxdl.files.paths import expanded
from jaxdl.inference.inputs import read_spec
from jaxdl.record import METRICS, SUMMARY, provenance, read_config, read_metrics, read_record, read_summary
from jaxdl.report.terminal import say_nothing
from jaxdl.steps.functions import make_steps, state_shapes
from jaxdl.training.arithmetic import check_same_arithmetic
from jaxdl.training.initial import check_same_source, initial_weights

Notify = Callable[[str], None]

# How long a process may take to end after a signal; a call of the train program lasts about two seconds.
_PATIENCE_S = 60.0
# Out of ten kills, how many by each signal: most by the one that a process cannot handle.
_SIGNALS = (signal.SIGKILL,) * 6 + (signal.SIGTERM,) * 2 + (signal.SIGINT,) * 2
# The exit statuses of a process that a signal stopped (0 is that of one that had just finished): the signal's own, as
# it may come before Python can handle it, or the status by which a shell reports it.
_STOPPED = {
    signal.SIGKILL: (-signal.SIGKILL,),
    signal.SIGTERM: (-signal.SIGTERM, 128 + signal.SIGTERM),
    signal.SIGINT: (-signal.SIGINT, 128 + signal.SIGINT),
}


def compare(one: Path, other: Path) -> list[str]:
    """Lists what differs between two finished runs, the most important first; nothing where they are the same.

    Raises:
        UserError: one of the folders holds no run, or a file of it cannot be read.
    """
    left, right = read_summary(one), read_summary(other)
    different = [
        f"{name}: {left.get(name)} and {right.get(name)}"
        for name in ("status", "step", "params_sha256")
        if left.get(name) != right.get(name)
    ]
    if _state_digest(one) != _state_digest(other):
        different.append("the last state (including optimizer, statistics and keys)")
    lines = [_metric_lines(path) for path in (one, other)]
    if lines[0] != lines[1]:
        first = next(
            (i for i, pair in enumerate(zip(*lines, strict=False)) if pair[0] != pair[1]), min(map(len, lines))
        )
        different.append(f"{METRICS} from line {first + 1} on ({len(lines[0])} and {len(lines[1])} lines)")
    if left.get("metrics") != right.get("metrics"):
        different.append("the final figures")
    return different


def _metric_lines(run_dir: Path) -> list[str]:
    file = run_dir / METRICS
    return file.read_text().splitlines() if file.exists() else []


def _state_digest(run_dir: Path) -> str | None:
    with Checkpoints(run_dir / "checkpoints", read_only=True) as checkpoints:
        step = checkpoints.latest_step()
        return None if step is None else checkpoints.about(step)["digests"]["state"]


@dataclasses.dataclass(frozen=True)
class Reproduction:
    """The result of running a recorded run again.

    Attributes:
        run_dir: the new run.
        different: what differs between the results; see `compare`.
        conditions: what differs between the records; see `jaxdl.record.provenance.differences`.
    """

    run_dir: Path
    different: list[str]
    conditions: list[str]

    @property
    def identical(self) -> bool:
        return not self.different

    def text(self) -> str:
        """Returns the findings in a few lines."""
        if self.identical:
            under = f", although conditions differ: {'; '.join(self.conditions)}" if self.conditions else ""
            return f"reproduced to the bit in {self.run_dir}{under}."
        because = "; ".join(self.conditions) or "none in the record: jaxdl.record.provenance says what it contains"
        return f"not the same results in {self.run_dir}. Different: {'; '.join(self.different)}. Conditions: {because}."


def reproduce(
    original: Path | str,
    run_dir: Path | str,
    experiment: Experiment | None = None,
    data_dir: Path | str | None = None,
    arguments: Sequence[str] = (),
    notify: Notify | None = print,
) -> Reproduction:
    """Runs a finished run's recipe again, in a new directory, and compares.

    Args:
        original: the run directory.
        run_dir: the new one.
        experiment: the recipe of the original's ``config.json``; None: that one, whose parts must all be jaxdl's own.
        data_dir: folder of prepared data sets and original archives; None: TFDS's own.
        arguments: the command line, for the record.
        notify: takes messages; None: nothing is said.

    Raises:
        UserError: the original is not finished, the code of an own part has changed, this version trains with another
            arithmetic, the weights that it began with have changed, or `jaxdl.train` raises it.
    """
    from jaxdl.training.run import run_training

    original, run_dir = expanded(original), expanded(run_dir)
    config = read_config(original)
    if experiment is None:
        experiment = from_config(config)
    own = changed_code(config, experiment)
    if own:
        raise UserError(f"{original} was trained with other code of {', '.join(own)}: restore it, to compare the bits.")
    status = read_summary(original).get("status")
    if status != "completed":
        raise UserError(f"{original} has a run with status {status!r}: only a completed run can be compared.")
    spec = read_spec(original)
    fitted = experiment.for_spec(spec)
    check_same_arithmetic(original, fitted, spec)
    _check_readable(original)
    initial = initial_weights(fitted, state_shapes(make_steps(fitted, spec, total_steps=1)))
    if initial is not None:
        check_same_source(original, initial)
    experiment = dataclasses.replace(experiment, tracker=())  # it is no run of its own for them
    run_training(experiment, run_dir=run_dir, data_dir=data_dir, arguments=arguments, notify=notify)
    conditions = provenance.differences(read_record(original), read_record(run_dir))
    return Reproduction(run_dir, compare(original, run_dir), conditions)


def _check_readable(run_dir: Path) -> None:
    """Reads all that a run is compared by, so that damage is found before the training, and not after it.

    Raises:
        UserError: a file is missing or damaged.
    """
    read_record(run_dir)
    if not (run_dir / METRICS).exists():
        raise UserError(f"{run_dir / METRICS} is missing: restore it, to compare the figures of each epoch.")
    if not read_metrics(run_dir):
        raise UserError(f"{run_dir / METRICS} is empty: restore it, to compare the figures of each epoch.")
    digest = read_summary(run_dir).get("params_sha256")
    if not isinstance(digest, str) or len(digest) != 64:
        raise UserError(f"{run_dir / SUMMARY} is damaged (params_sha256): restore it, to compare the parameters.")
    if _state_digest(run_dir) is None:
        raise UserError(f"{run_dir} has no checkpoint: restore it, to compare the last state.")


@dataclasses.dataclass(frozen=True)
class ResumeProof:
    """The result of stopping trainings again and again.

    Attributes:
        folder: where the runs lie.
        kills: how many stops there were, by the signal's name.
        trainings: how many trainings were stopped, and resumed until they were finished.
        slowest_stop: the longest that a process took to end after SIGTERM or SIGINT, in seconds.
        different: what differed between a training and the uninterrupted one; nothing where all were the same.
    """

    folder: Path
    kills: dict[str, int]
    trainings: int
    slowest_stop: float
    different: list[str]

    @property
    def identical(self) -> bool:
        return not self.different

    def text(self) -> str:
        """Returns the findings in a few lines."""
        kills = ", ".join(f"{count} by {name}" for name, count in sorted(self.kills.items()))
        stopped = f"{self.trainings} trainings stopped {sum(self.kills.values())} times in all ({kills})"
        slowest = f"The slowest stop after SIGTERM or SIGINT took {self.slowest_stop:.1f} s"
        if self.identical:
            return f"{stopped} ended with the same bits as the uninterrupted one. {slowest}. Runs: {self.folder}."
        return f"{stopped}; NOT the same: {'; '.join(self.different)}. {slowest}. The runs are in {self.folder}."


def verify_resume(
    command: Sequence[str], folder: Path, kills: int, seed: int = 0, notify: Notify | None = print
) -> ResumeProof:
    """Trains once without a stop, then again and again with stops at random moments, and compares the bits.

    The moments are spread evenly over the time of the uninterrupted process, including its start;
    six of ten stops are by SIGKILL, the others by SIGTERM and SIGINT.

    Args:
        command: the command of the training, without ``--run_dir``.
        folder: a folder to make, for the runs, their output and ``proof.json``.
        kills: how many stops, over all trainings: after a training is finished, a new one starts.
        seed: seed of the moments and signals.
        notify: takes messages; None: nothing is said.

    Raises:
        UserError: the folder exists, or a training fails.
    """
    notify = notify or say_nothing
    folder = expanded(folder)
    if folder.exists():
        raise UserError(f"{folder} exists already: give another --run_dir.")
    folder.mkdir(parents=True)
    runner = _Runner(command, folder)
    straight = folder / "straight"
    notify("training once without a stop ...")
    # Later processes load the compiled programs from the cache.
    duration = runner.run(straight) - read_summary(straight)["compile_seconds"]
    draw = random.Random(seed)
    counts: Counter[str] = Counter()
    different: list[str] = []
    trainings = 0
    while counts.total() < kills:
        trainings += 1
        run_dir = folder / f"stopped-{trainings}"
        while counts.total() < kills:
            number = draw.choice(_SIGNALS)
            if not runner.run_until(run_dir, draw.uniform(0, duration), number):
                break
            counts[number.name] += 1
            notify(f"stopped {counts.total()} of {kills} times")
        runner.run(run_dir)
        found = compare(straight, run_dir)
        different += [f"{run_dir.name}: {difference}" for difference in found]
        if not found:
            shutil.rmtree(run_dir)
    proof = ResumeProof(folder, dict(counts), trainings, runner.slowest_stop, different)
    plain = dataclasses.asdict(proof) | {"folder": str(folder), "command": [*map(provenance.without_password, command)]}
    replace_file(folder / "proof.json", json.dumps(plain, indent=2) + "\n")
    return proof


class _Runner:
    """Runs one command in separate processes.

    Attributes:
        slowest_stop: the longest time that a process took to end after a signal that it can handle, in seconds.
    """

    def __init__(self, command: Sequence[str], folder: Path):
        self._command = list(command)
        self._log = folder / "output.txt"
        self.slowest_stop = 0.0

    def run(self, run_dir: Path) -> float:
        """Runs the training to its end and returns the time in seconds.

        Raises:
            UserError: it failed.
        """
        begin = time.monotonic()
        process = self._start(run_dir)
        try:
            self._check(process.wait())
        finally:
            process.kill()
        return time.monotonic() - begin

    def run_until(self, run_dir: Path, seconds: float, number: signal.Signals) -> bool:
        """Runs the training and sends a signal after the given seconds; returns False if it finished before.

        Raises:
            UserError: it failed, before the signal or by it.
        """
        process = self._start(run_dir)
        try:
            self._check(process.wait(seconds))
            return False
        except subprocess.TimeoutExpired:
            begin = time.monotonic()
            process.send_signal(number)
            try:
                status = process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                raise UserError(
                    f"the training still runs {_PATIENCE_S:.0f} s after {number.name}. See {self._log}."
                ) from None
            self._check(status, number)
            if number != signal.SIGKILL:
                self.slowest_stop = max(self.slowest_stop, time.monotonic() - begin)
            return status != 0
        finally:
            process.kill()

    def _check(self, status: int, number: signal.Signals | None = None) -> None:
        """Raises `UserError` where a training ended neither well nor as the signal `number` ends one."""
        if status == 0 or (number is not None and status in _STOPPED[number]):
            return
        after = f" after {number.name}" if number is not None else ""
        raise UserError(f"the training ended with status {status}{after}: {self._last_line()} See {self._log}.")

    def _start(self, run_dir: Path) -> subprocess.Popen[bytes]:
        with open(self._log, "ab") as log:
            return subprocess.Popen(
                [*self._command, f"--run_dir={run_dir}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _last_line(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return lines[-1] if lines else ""
