"""Where a training diverged: the first step with numbers that are not finite, and which numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.backend.mesh import whole
from jaxdl.errors import UserError
from jaxdl.steps.functions import TrainState
from jaxdl.training.loop import Trainer

# Steps to run in one call while looking for the first wrong one; the state before them is kept.
_STRIDE = 64


@dataclasses.dataclass(frozen=True)
class Divergence:
    """The first step whose loss, gradients or parameters are not finite.

    Attributes:
        step: train steps done before it.
        first: the values that are not finite, in the order of computation: ``train loss``, ``gradient of
            dense_1/kernel``, ``parameter dense_1/kernel``.
        loss: the train loss of the step.
        learning_rate: the learning rate of the step, including the schedule's factor.
    """

    step: int
    first: tuple[str, ...]
    loss: float
    learning_rate: float

    @classmethod
    def of_summary(cls, found: Mapping[str, Any]) -> Divergence:
        """Returns the entry ``divergence`` of a ``summary.json``."""
        return cls(found["step"], tuple(found["first"]), found["loss"], found["learning_rate"])

    def message(self) -> str:
        """Returns what happened, in one line."""
        listed = ", ".join(self.first[:3]) + (f" and {len(self.first) - 3} more" if len(self.first) > 3 else "")
        return (
            f"diverged at step {self.step + 1:,}: no longer finite: {listed} (learning rate {self.learning_rate:.3g}, "
            f"train loss {self.loss:.4g})"
        )


class Diverged(UserError):
    """A training diverged: its numbers are no longer finite, and the recipe says to stop then.

    Attributes:
        step: the first step with such numbers, 1 for the first of the training.
        first: what was not finite, in the order of computation, such as ``train loss``.
        learning_rate: of that step, with the schedule's factor.
        summary: the content of ``summary.json``.
        run_dir: the run directory, with the last good checkpoint.
        folder: what removes a temporary run directory, with this error.
    """

    folder: object = None

    def __init__(self, summary: Mapping[str, Any], run_dir: Path):
        found = Divergence.of_summary(summary["divergence"])
        super().__init__(
            f"{found.message()}. Lower learning_rate, clip with clip_norm=1.0, or skip such updates with "
            f'nan="skip"; jaxdl.configure(debug=True) names the line of the model that gives NaN. The last good '
            f"checkpoint, if there is one, is in {run_dir}."
        )
        self.step = found.step + 1
        self.first = found.first
        self.learning_rate = found.learning_rate
        self.summary = summary
        self.run_dir = run_dir


def all_finite(tree: Any) -> bool:
    """Returns whether all numbers in a pytree of arrays are finite; copies them to the host."""
    return all(bool(np.isfinite(whole(leaf)).all()) for leaf in jax.tree.leaves(tree))


def locate(
    trainer: Trainer, state: TrainState, last: int, between: Callable[[], None] = lambda: None
) -> Divergence | None:
    """Runs the training again from a good state, and finds the first step that is not finite.

    The training itself checks only its losses, because checking every gradient takes up to a third of a step. A
    repetition gives the same bits, so it can be checked afterwards.

    Args:
        trainer: the training.
        state: a state in which everything is finite, such as that of the last checkpoint; it is not changed.
        last: the last step to check, as a number of steps done.
        between: called between two calls of the train program; may raise to end the search.

    Returns:
        The first step, or None if everything is finite up to `last`.
    """
    step = int(state.step)
    while step < last:
        between()
        count = min(_STRIDE, last - step)
        after, losses = trainer.advance(_copy(state), count)
        if not (np.isfinite(losses).all() and all_finite(after.params)):
            return _first(trainer, state, count, between)
        state, step = after, step + count
    return None


def _first(trainer: Trainer, state: TrainState, count: int, between: Callable[[], None]) -> Divergence | None:
    """Returns the first bad one of `count` steps from `state`, which are run one by one."""
    for _ in range(count):
        between()
        step = int(state.step)
        after, losses = trainer.advance(_copy(state), 1)
        parameters = _not_finite(after.params)
        if parameters or not np.isfinite(losses[0]):
            loss, gradients = trainer.loss_and_gradients(state)
            first = ["train loss"] if not np.isfinite(loss) else []
            first += [f"gradient of {name}" for name in _not_finite(gradients)]
            first += [f"parameter {name}" for name in parameters]
            rate = trainer.experiment.optimizer.learning_rate_at(step, trainer.total_steps)
            return Divergence(step, tuple(first) or ("train loss",), float(loss), float(rate))
        state = after
    return None


def _copy(state: TrainState) -> TrainState:
    """A copy, because the train program takes the memory of the state that it is given."""
    copy: TrainState = jax.tree.map(jnp.copy, state)
    return copy


def _not_finite(tree: Any) -> list[str]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, leaf in leaves
        if not np.isfinite(whole(leaf)).all()
    ]
