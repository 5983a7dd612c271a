"""How the learning rate changes over training: factors of the optimizer's learning rate, by optax.

A schedule states its lengths as fractions of training, so that its shape is the same for any number of epochs and any
batch size. It is static; the learning rate that it multiplies may be traced.
"""

from __future__ import annotations

import abc
import dataclasses
import itertools
import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import optax

from jaxdl import fields
from jaxdl.errors import UserError


@fields.described
@dataclass(frozen=True)
class Schedule(abc.ABC):
    """A factor of the learning rate for each step."""

    warmup: float = fields.static(
        0.0,
        "fraction of all steps over which the factor first rises linearly to where the schedule "
        "starts (Goyal et al. 2017, arXiv:1706.02677), rounded to whole steps, and never all of them",
        check=fields.fraction,
    )
    _: dataclasses.KW_ONLY
    warmup_from: float = fields.static(
        0.0, "share of that factor from which the warm-up rises", check=fields.fraction, since="0.3.0"
    )

    def factor(self, total_steps: int) -> optax.Schedule:
        """Returns the function from the number of steps done, which may be traced, to the learning rate's factor.

        Args:
            total_steps: steps of the whole training, at least 1.

        Raises:
            UserError: fields of the schedule contradict each other.
        """
        warmup_steps = min(round(self.warmup * total_steps), total_steps - 1)
        after = self.after_warmup(warmup_steps, total_steps)
        if warmup_steps == 0:
            return after

        def joined(count: Any) -> Any:
            # after(0) is called here: outside, its result could leak from one traced program into another.
            first = self.warmup_from * after(0) if self.warmup_from else 0.0
            rise = optax.linear_schedule(first, after(0), warmup_steps)
            return optax.join_schedules([rise, after], [warmup_steps])(count)

        return joined

    @abc.abstractmethod
    def after_warmup(self, warmup_steps: int, total_steps: int) -> optax.Schedule:
        """Returns the function from the number of steps since the warm-up to the factor."""


@fields.described
@dataclass(frozen=True)
class Constant(Schedule):
    """The full learning rate at every step."""

    def after_warmup(self, warmup_steps: int, total_steps: int) -> optax.Schedule:
        return optax.constant_schedule(1.0)


@fields.described
@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine down to `final` at the end of training (Loshchilov & Hutter 2017, arXiv:1608.03983)."""

    final: float = fields.static(0.0, "fraction of the learning rate that is left at the end", check=fields.at_least(0))

    def after_warmup(self, warmup_steps: int, total_steps: int) -> optax.Schedule:
        return optax.cosine_decay_schedule(1.0, total_steps - warmup_steps, alpha=self.final)


@fields.described
@dataclass(frozen=True)
class Exponential(Schedule):
    """``rate ** (steps since the warm-up / (every * total_steps))``; `staircase` rounds the exponent down."""

    rate: float = fields.static(0.1, "factor that is applied once over each fraction `every`", check=fields.above_zero)
    every: float = fields.static(
        1.0, "fraction of all steps over which `rate` is applied once, rounded to whole steps", check=fields.above_zero
    )
    staircase: bool = fields.static(False, "change only at the end of each fraction `every`, instead of at each step")

    def after_warmup(self, warmup_steps: int, total_steps: int) -> optax.Schedule:
        steps = max(1, round(self.every * total_steps))
        if not self.staircase:
            return optax.exponential_decay(1.0, steps, self.rate)
        # In whole numbers: optax rounds a float32 quotient down, which XLA computes as 41 * (1 / 41) < 1, so one step
        # late.
        once = optax.exponential_decay(1.0, 1, self.rate)
        return lambda count: once(count // steps)


def _ascending_shares(values: tuple[float, ...]) -> str | None:
    ascending = all(a < b for a, b in itertools.pairwise(values))
    return None if ascending and all(0 < v < 1 for v in values) else "must be fractions between 0 and 1 in rising order"


@fields.described
@dataclass(frozen=True)
class Piecewise(Schedule):
    """The full learning rate up to the first boundary, then a factor of it from each boundary on.

    Factors multiply the learning rate itself, not the factor before. A boundary inside the warm-up takes effect at the
    warm-up's end; if several boundaries fall on the same step, the last one counts.
    """

    boundaries: tuple[float, ...] = fields.static(
        (0.5, 0.75), "fractions of all steps after which the factors begin", check=_ascending_shares
    )
    factors: tuple[float, ...] = fields.static(
        (0.1, 0.01), "fractions of the learning rate from each boundary on", check=fields.at_least(0)
    )

    def after_warmup(self, warmup_steps: int, total_steps: int) -> optax.Schedule:
        if len(self.boundaries) != len(self.factors):
            raise UserError(
                f"schedule.boundaries={fields.show(self.boundaries)} and schedule.factors={fields.show(self.factors)}: "
                "must have the same length."
            )
        # A factor applies from the first step at which its fraction is done; rounding first keeps 0.07 * 100 at 7.
        done = [math.ceil(round(share * total_steps, 6)) for share in self.boundaries]
        steps = [max(0, step - warmup_steps) for step in done]
        return optax.join_schedules([optax.constant_schedule(f) for f in (1.0, *self.factors)], steps)


@fields.described
@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up and down once, along cosines (Smith & Topin 2018, arXiv:1708.07120), as in PyTorch's ``OneCycleLR``.

    From ``1 / divisor`` at the first step to the full learning rate, which it reaches as step ``start * steps`` is
    done, then to ``1 / (divisor * final_divisor)`` at the last step. The steps are counted without the warm-up.
    """

    start: float = fields.static(0.3, "fraction of the cycle that rises", check=fields.fraction)
    divisor: float = fields.static(25.0, "learning rate divided by the cycle's first one", check=fields.above_zero)
    final_divisor: float = fields.static(
        1e4, "the cycle's first learning rate divided by its last one", check=fields.above_zero
    )

    def after_warmup(self, warmup_steps: int, total_steps: int) -> optax.Schedule:
        steps = total_steps - warmup_steps
        # Between first and last step lie one fewer than there are steps. PyTorch does not round the peak either.
        first, final, last = 1 / self.divisor, 1 / (self.divisor * self.final_divisor), steps - 1
        peak = max(0.0, self.start * steps - 1)

        def factor(count: Any) -> Any:
            risen = count / peak if peak else 1.0
            fallen = jnp.clip((count - peak) / max(last - peak, 1e-6), 0, 1)
            return jnp.where(count < peak, _along_cosine(first, 1, risen), _along_cosine(1, final, fallen))

        return factor


def _along_cosine(begin: float, end: float, share: Any) -> Any:
    return end + (begin - end) * (1 + jnp.cos(jnp.pi * share)) / 2


def _share(value: float) -> str | None:
    return None if 0 < value <= 1 else "must be above 0 and at most 1"


@fields.described
@dataclass(frozen=True)
class Polynomial(Schedule):
    """``(1 - share) ** power`` of the way from the full learning rate to `final`; share is that of the steps done."""

    power: float = fields.static(1.0, "exponent; 1 is a straight line", check=fields.above_zero)
    final: float = fields.static(0.0, "fraction of the learning rate that is left at the end", check=fields.at_least(0))

    def after_warmup(self, warmup_steps: int, total_steps: int) -> optax.Schedule:
        return optax.polynomial_schedule(1.0, self.final, self.power, total_steps - warmup_steps)


@fields.described
@dataclass(frozen=True)
class CosineRestarts(Schedule):
    """Half a cosine down, several times over (Loshchilov & Hutter 2017, arXiv:1608.03983)."""

    cycles: int = fields.static(4, "how many cosines", check=fields.at_least(1))
    growth: float = fields.static(1.0, "length of a cosine divided by that of the one before", check=fields.above_zero)
    decay: float = fields.static(1.0, "where a cosine starts as a share of where the one before did", check=_share)
    final: float = fields.static(
        0.0, "share of its start that is left at the end of a cosine", check=fields.at_least(0)
    )

    def after_warmup(self, warmup_steps: int, total_steps: int) -> optax.Schedule:
        steps = total_steps - warmup_steps
        parts = [self.growth**number for number in range(min(self.cycles, steps))]
        ends = [round(steps * sum(parts[: number + 1]) / sum(parts)) for number in range(len(parts))]
        cosines = [
            optax.cosine_decay_schedule(self.decay**number, max(1, end - begin), alpha=self.final)
            for number, (begin, end) in enumerate(itertools.pairwise([0, *ends]))
        ]
        return optax.join_schedules(cosines, ends[:-1])


@fields.described
@dataclass(frozen=True)
class InverseSquareRoot(Schedule):
    """``sqrt(s / (s + steps since the warm-up))`` (Vaswani et al. 2017, arXiv:1706.03762, section 5.3)."""

    timescale: float | None = fields.static(
        None, "s, as a fraction of all steps; none: that of the warm-up, as in the paper", check=fields.above_zero
    )

    def after_warmup(self, warmup_steps: int, total_steps: int) -> optax.Schedule:
        steps = warmup_steps if self.timescale is None else self.timescale * total_steps
        scale = max(1.0, float(steps))
        return lambda count: jnp.sqrt(scale / (scale + jnp.maximum(count, 0)))


_LOOP: tuple[fields.Affects, ...] = ("result",)  # the compiled programs do not depend on it


@fields.described
@dataclass(frozen=True)
class Plateau(Schedule):
    """The full learning rate, which is cut after each epoch in which ``training.watch`` has not got better for long.

    As Keras's and PyTorch's ``ReduceLROnPlateau``. The metric is known outside the compiled programs alone: the
    training applies the cut, and `factor` is the warm-up. It is measured as the train metric ``rate_factor``.
    """

    wait: int = fields.static(
        10, "epochs without a better --watch after which to cut", check=fields.at_least(1), affects=_LOOP
    )
    cut: float = fields.static(0.1, "factor of a cut", check=fields.fraction, affects=_LOOP)
    margin: float = fields.static(
        1e-4, "by how much a value is to be better than the best, to count", check=fields.at_least(0), affects=_LOOP
    )
    rest: int = fields.static(0, "epochs after a cut that do not count", check=fields.at_least(0), affects=_LOOP)
    least: float = fields.static(
        0.0, "fraction of the learning rate below which it is not cut", check=fields.at_least(0), affects=_LOOP
    )

    def after_warmup(self, warmup_steps: int, total_steps: int) -> optax.Schedule:
        return optax.constant_schedule(1.0)


SCHEDULES = fields.Family(
    "schedule",
    {
        "constant": Constant,
        "cosine": Cosine,
        "exponential": Exponential,
        "piecewise": Piecewise,
        "one_cycle": OneCycle,
        "polynomial": Polynomial,
        "cosine_restarts": CosineRestarts,
        "inverse_square_root": InverseSquareRoot,
        "plateau": Plateau,
    },
)
