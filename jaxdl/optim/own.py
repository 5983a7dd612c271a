"""Optimizers and schedules of one's own: what `jaxdl.optimizer` and `jaxdl.schedule` make of a function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import optax

from jaxdl import fields
from jaxdl.errors import UserError, brief
from jaxdl.fields.function import FromFunction, Kind, kind_of
from jaxdl.optim.base import Optimizer
from jaxdl.optim.schedules import Constant, Schedule

_RATE = "size of a step, before the schedule's factor"


class FromOptimizer(FromFunction, Optimizer):
    """Base of the classes that `optimizer` makes.

    The function has its learning rate in it, so the schedule's factor and the weight decay, which is decoupled as in
    every optimizer, come after it. What the function has as a keyword argument of its own, such as ``weight_decay``, is
    left to it.
    """

    def of_all(self, total_steps: int) -> optax.GradientTransformation:
        if self.weight_decay_on and "weight_decay" in self.own_names:
            raise UserError(
                f"optimizer.weight_decay_on={self.weight_decay_on}: {self.place} has a weight_decay of its own, and "
                "decides itself where it applies."
            )
        decay = optax.add_decayed_weights(-self.learning_rate * self.weight_decay, self.decays)
        changing = not isinstance(self.schedule, Constant) or self.schedule.warmup
        decays = "weight_decay" not in self.own_names and fields.enabled(self.weight_decay)
        return optax.chain(
            *self.clipping(self.own_names),
            self.descent(decay if decays else optax.identity()),
            optax.scale_by_schedule(self.schedule.factor(total_steps)) if changing else optax.identity(),
        )

    def descent(self, decay: optax.GradientTransformation) -> optax.GradientTransformation:
        own = self.function(self.learning_rate, **self.own_values)
        if not isinstance(own, optax.GradientTransformation):
            raise UserError(f"{self.place} must return an optax.GradientTransformation, not {brief(own)}.")
        return optax.chain(own, decay)

    @property
    def bounds_updates(self) -> bool:
        return "clip_value" not in self.own_names and super().bounds_updates


def optimizer(function: Callable[..., Any]) -> Kind[..., Optimizer]:
    """Makes an optimizer of a function ``f(learning_rate, *, ...)`` that returns an `optax.GradientTransformation`.

    ``sign_momentum(momentum=0.8, learning_rate=1e-3)`` is then an optimizer, with ``schedule``, ``weight_decay``,
    ``clip_norm`` and ``clip_value`` as every other, and ``sign_momentum.function`` the plain function. The keyword
    arguments are its fields: floats are traced, everything else is static; `jaxdl.static` and `jaxdl.traced` as a
    default say otherwise. `optax`'s own functions are taken as they are: ``jaxdl.optimizer(optax.adabelief)``.

    Args:
        function: takes the learning rate, a number that may be traced, and returns a transformation whose updates are
            added to the parameters: with the sign and size of a step, as ``optax.sgd(learning_rate)``. The schedule's
            factor is applied to its updates.

    Raises:
        UserError: the function takes other arguments.
    """
    made: Any = _optimizer(function)
    return made  # type: ignore[no-any-return]


@functools.cache
def _optimizer(function: Callable[..., Any]) -> type:
    first = next(iter(inspect.signature(function).parameters.values()), None)
    rate = first.default if first is not None and isinstance(first.default, float) else 1e-3
    declared = fields.traced(rate, _RATE, check=fields.above_zero)
    return kind_of(function, FromOptimizer, ("learning_rate",), fields=[("learning_rate", float, declared)])


def of_transformation(transformation: optax.GradientTransformation) -> Optimizer:
    """Returns the optimizer that is a transformation of optax, such as ``optax.adam(1e-3)``.

    Its numbers are inside it: they are no fields, and a config has only the name ``transformation``, so that such a run
    trains and resumes only from the Python that made it.
    """

    def given(learning_rate: float) -> optax.GradientTransformation:
        return transformation

    hidden: list[tuple[str, Any, Any]] = [
        ("learning_rate", ClassVar[float], 1.0),
        ("weight_decay", ClassVar[float], 0.0),
    ]
    about = {"place": "the transformation of optax", "code": ""}
    given.__name__ = given.__qualname__ = "transformation"
    made: Optimizer = kind_of(given, FromOptimizer, ("learning_rate",), fields=hidden, namespace=about)()
    return made


class FromSchedule(FromFunction, Schedule):
    """Base of the classes that `schedule` makes."""

    def after_warmup(self, warmup_steps: int, total_steps: int) -> optax.Schedule:
        steps, values = total_steps - warmup_steps, self.own_values
        return lambda count: self.function(count, steps, **values)


def schedule(function: Callable[..., Any]) -> Kind[..., Schedule]:
    """Makes a schedule of a function ``f(step, steps, *, ...)`` that returns the factor of the learning rate.

    ``Adam(schedule=inverse_root(offset=10, warmup=0.1))`` then uses it, after the warm-up that every schedule has.
    Keyword arguments are fields, all of them static.

    Args:
        function: takes the number of steps done since the warm-up, () int32 that is traced, and that of all steps after
            it, an int; returns the factor, () float32.

    Raises:
        UserError: the function takes other arguments.
    """
    made: Any = _schedule(function)
    return made  # type: ignore[no-any-return]


@functools.cache
def _schedule(function: Callable[..., Any]) -> type:
    return kind_of(function, FromSchedule, ("step", "steps"), traces=False)
