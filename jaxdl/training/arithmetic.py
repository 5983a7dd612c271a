"""Changes of the arithmetic of training: a run that was begun before one cannot be continued to the same bits after it.

Each start writes the number `ARITHMETIC` into ``record.json`` (a record without it stands for 1). A change raises it,
adds a line to `CHANGES`, and names the digests that changed in CHANGELOG.md. Runs that use no changed part go on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flax import linen as nn

from jaxdl.data import Spec
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.models.layers import Normalize
from jaxdl.optim import Adam, AdamW
from jaxdl.optim.schedules import OneCycle
from jaxdl.record import RECORD, read_record
from jaxdl.steps.functions import make_steps, state_shapes


@dataclasses.dataclass(frozen=True)
class Change:
    """One change of the arithmetic.

    Attributes:
        number: the arithmetic that began with it.
        last: the last version of jaxdl without it.
        part: what it changed, for a message.
        used: ``(experiment, spec) -> bool``, whether a training uses that part; the experiment is fitted to the spec.
    """

    number: int
    last: str
    part: str
    used: Callable[[Experiment, Spec], bool]


def _normalizes(experiment: Experiment, spec: Spec) -> bool:
    """Returns whether the model, which may be a user's own, normalises activations with jaxdl's layer."""
    found = []

    def note(method: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        found.append(isinstance(context.module, Normalize) and context.module.kind != "none")
        return method(*args, **kwargs)

    with nn.intercept_methods(note):
        state_shapes(make_steps(experiment, spec, total_steps=1))
    return any(found)


def _one_cycle(experiment: Experiment, spec: Spec) -> bool:
    return isinstance(experiment.optimizer.schedule, OneCycle)


def _nesterov_adam(experiment: Experiment, spec: Spec) -> bool:
    return isinstance(experiment.optimizer, Adam | AdamW) and experiment.optimizer.nesterov


def _standardizes(experiment: Experiment, spec: Spec) -> bool:
    objective = experiment.objective
    return objective.kind == "values" and objective.standardizes and bool(spec.target.mean)


def _in_buckets(experiment: Experiment, spec: Spec) -> bool:
    return spec.lengths and experiment.training.buckets > 1


CHANGES = (
    Change(2, "0.1.0", "normalisation of activations", _normalizes),
    Change(2, "0.1.0", "schedule one_cycle", _one_cycle),
    Change(2, "0.1.0", "Nesterov's form of Adam", _nesterov_adam),
    Change(3, "0.2.0", "numbers to predict, which are standardised now (data.standardize)", _standardizes),
    Change(3, "0.2.0", "sequences of different lengths, which are ordered by them now (training.buckets)", _in_buckets),
)
ARITHMETIC = max(change.number for change in CHANGES)


def check_same_arithmetic(run_dir: Path, experiment: Experiment, spec: Spec) -> None:
    """Checks that a run, if there is one, can be continued to the bits of the version that began it.

    Args:
        run_dir: the run directory.
        experiment: the recipe, fitted to the spec.
        spec: describes one example.

    Raises:
        UserError: the recipe uses a part whose arithmetic has changed since.
    """
    if not (run_dir / RECORD).exists():
        return
    begun = read_record(run_dir).get("arithmetic", 1)
    changed = [change for change in CHANGES if change.number > begun]
    used = [change for change in changed if change.used(experiment, spec)]
    if used:
        parts = " and ".join(change.part for change in used)
        raise UserError(
            f"{run_dir} was begun by a jaxdl with another arithmetic of {parts}. jaxdl {used[0].last} can finish or "
            "reproduce it; this one can evaluate it, and train anew with another --run_dir."
        )
