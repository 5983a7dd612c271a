"""Which checkpoints are kept: the last few, and the best by a metric."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal


@dataclasses.dataclass(frozen=True)
class Ranking:
    """The rank of each checkpoint; larger ranks are better.

    Attributes:
        metric: name of the metric to rank by; None: no checkpoint has a rank.
        mode: whether the best value is the largest or the smallest.
        ranks: ranks by step, for the checkpoints that have one; updated as checkpoints are saved.
    """

    metric: str | None
    mode: Literal["min", "max"]
    ranks: dict[int, float] = dataclasses.field(default_factory=dict)

    def add(self, step: int, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """Ranks a checkpoint by its metrics; a value that is missing or not finite gives it no rank.

        Returns:
            What is written with the checkpoint: ``rank`` (None, or ``metric``, ``value`` and ``rank``), and
            ``best_step``, the step of the best one so far.
        """
        value = metrics.get(self.metric) if self.metric is not None else None
        rank = None
        if value is not None and math.isfinite(value):
            self.ranks[step] = float(value) if self.mode == "max" else -float(value)
            rank = {"metric": self.metric, "value": float(value), "rank": self.ranks[step]}
        return {"rank": rank, "best_step": best(self.ranks)}


def best(ranks: Mapping[int, float]) -> int | None:
    """Returns the step with the largest rank, the earliest of equal ones; None if there is none."""
    return max(ranks, key=lambda step: (ranks[step], -step), default=None)


@dataclasses.dataclass(frozen=True)
class LastAndBest:
    """Orbax's protocol for which checkpoints to keep: those of the `keep` highest steps, and the best one.

    Attributes:
        keep: how many of the last checkpoints to keep.
        ranks: as in `Ranking`, read each time that Orbax asks.
    """

    keep: int
    ranks: Mapping[int, float]

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        """Returns for each of the checkpoints whether it is kept."""
        steps = [checkpoint.step for checkpoint in checkpoints]
        kept = self.kept(steps)
        return [step in kept for step in steps]

    def kept(self, steps: Sequence[int]) -> set[int]:
        """Returns which of the steps that have a checkpoint keep it."""
        best_step = best({step: self.ranks[step] for step in steps if step in self.ranks})
        return {step for step in steps if step == best_step} | {*sorted(steps)[-self.keep :]}
