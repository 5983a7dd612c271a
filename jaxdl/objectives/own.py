"""Losses and metrics of one's own: what `jaxdl.loss` and `jaxdl.metric` make of a function."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate, Literal, TypeVar, dataclass_transform, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxdl import fields
from jaxdl.errors import UserError, brief
from jaxdl.fields.function import Fields, FromFunction, Kind, code_digest, kind_of, place_of
from jaxdl.objectives import counting, losses
from jaxdl.objectives.measures import Metric
from jaxdl.objectives.objectives import CTC, MeanSquaredError, Objective, SigmoidCrossEntropy, SoftmaxCrossEntropy
from jaxdl.objectives.objectives import Kind as AnyKind

Class = TypeVar("Class", bound=type)
TargetKind = Literal["classes", "questions", "values"]
_LIKE: Mapping[AnyKind, Objective] = {
    "answers": CTC(),
    "classes": SoftmaxCrossEntropy(),
    "questions": SigmoidCrossEntropy(),
    "values": MeanSquaredError(),
}
_ALL_KINDS: tuple[AnyKind, ...] = ("classes", "questions", "values", "answers")
_KIND = "what targets are, which decides what outputs mean and what metrics are defined; none: it follows the data"


class FromLoss(FromFunction, Objective):
    """Base of the classes that `loss` makes; what outputs mean follows from the kind of the targets."""

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return _per_element(self.place, self.function, self.kind, outputs, targets, self.own_values)

    def predictions(self, outputs: ArrayLike) -> jax.Array:
        return _LIKE[self.kind or "values"].predictions(outputs)

    def outputs(self, needed: int, classes: int) -> int:
        return needed if self.kind is None else _LIKE[self.kind].outputs(needed, classes)

    def problem(self, targets: np.ndarray, rows: bool) -> str | None:
        return None if self.kind is None else _LIKE[self.kind].problem(targets, rows)

    def of_kind(self, kind: AnyKind) -> Objective:
        """Returns the loss for targets of a kind, which has an effect only where the loss names none."""
        return fields.replace(self, {"kind": kind}) if self.kind is None else self


@overload
def loss(function: Callable[Concatenate[Any, Any, Fields], Any]) -> Kind[Fields, Objective]: ...


@overload
def loss(*, kind: TargetKind) -> Callable[[Callable[Concatenate[Any, Any, Fields], Any]], Kind[Fields, Objective]]: ...


def loss(function: Any = None, *, kind: TargetKind | None = None) -> Any:
    """Makes a loss of a function ``f(outputs, targets, *, ...)``: a kind of objective.

    ``focal(gamma=3.0)`` is then an objective, and ``focal.function`` the plain function. The keyword arguments are its
    fields: floats are traced, everything else is static; `jaxdl.static` and `jaxdl.traced` as a default say otherwise.

    Args:
        function: takes the outputs of the last layer, (batch, ..., outputs) float32, and the targets: labels (batch,
            ...) int32 where these are classes, else float32 of the shape of the outputs. Returns one value for each
            example or each of its steps, (batch, ...), or one for each output, which are averaged.
        kind: what targets are: ``classes`` (outputs are logits), ``questions`` (yes or no; logits) or ``values``. None:
            classes where the data have classes, else values.

    Raises:
        UserError: the function takes other arguments.
    """
    if function is None:
        return functools.partial(loss, kind=kind)
    return _loss(function, kind)


@functools.cache  # so that a bare function is the same kind of objective each time that it is given
def _loss(function: Callable[..., Any], kind: TargetKind | None) -> type:
    annotation = Literal["classes", "questions", "values"] | None
    declared = fields.static(kind, _KIND, from_data=True)
    return kind_of(function, FromLoss, ("outputs", "targets"), fields=[("kind", annotation, declared)])


class OwnMetric(str):
    """A metric of one's own in ``Experiment(metrics=...)``: a text, its name, that has the function with it.

    Where a keyword argument is not at its default, it is part of the name: ``mae_cm(scale=10.0)``.
    """

    place: str
    code: str
    higher_is_better: bool | None
    kinds: tuple[AnyKind, ...]

    def measured(self, objective: Objective) -> Metric:
        """Returns what computes it, for outputs and targets of an objective."""
        raise TypeError(f"{type(self).__name__} was not made by jaxdl.metric")

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]:
        return (), {field.path: field.value for field in fields.own_fields(self)}


class OwnOfOutput(OwnMetric):
    """A metric of one's own of one of several outputs; its name begins with that of the output.

    Attributes:
        output: the name of the output.
        metric: the metric.
    """

    output: str
    metric: OwnMetric

    def __new__(cls, output: str, metric: OwnMetric) -> OwnOfOutput:
        made = str.__new__(cls, f"{output}/{metric}")
        made.output, made.metric = output, metric
        made.place, made.code = metric.place, metric.code
        made.higher_is_better, made.kinds = metric.higher_is_better, metric.kinds
        return made

    def measured(self, objective: Objective) -> Metric:
        return self.metric.measured(objective)

    def __reduce__(self) -> Any:
        return OwnOfOutput, (self.output, self.metric)


class FromMetric(FromFunction, OwnMetric):
    """Base of the classes that `metric` makes of functions."""

    def __new__(cls, *args: Any, **values: Any) -> Any:
        FromFunction.__new__(cls, *args, **values)
        return str.__new__(cls, _text(cls, values))

    def measured(self, objective: Objective) -> Metric:
        return MeanOfOwn(str(self), self.higher_is_better, self.kinds, objective, self)


class FromClass(OwnMetric):
    """Base of the classes that `metric` makes of classes with ``sums`` and ``value``."""

    def __new__(cls, *args: Any, **values: Any) -> Any:
        if args:
            raise UserError(f"{cls.place}: give its fields by name.")
        return str.__new__(cls, _text(cls, values))

    def measured(self, objective: Objective) -> Metric:
        return SumsOfOwn(str(self), self.higher_is_better, self.kinds, objective, self)


def _text(cls: Any, values: Mapping[str, Any]) -> str:
    defaults = {field.name: field.default for field in dataclasses.fields(cls)}
    changed = [f"{name}={fields.show(value)}" for name, value in values.items() if value != defaults.get(name)]
    return f"{cls.__name__}({';'.join(changed)})" if changed else str(cls.__name__)


@dataclass(frozen=True)
class MeanOfOwn(Metric):
    """The mean of a function's values over the elements that count."""

    own: Any

    def partial(self, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
        own = self.own
        values = _per_element(own.place, own.function, self.objective.kind, outputs, targets, own.own_values)
        mask = counting.broadcast_mask(mask, values.shape)
        return {f"{self.name} sum": counting.total(values, mask), f"{self.name} count": counting.count(mask)}

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        total, count = (partials[f"{self.name} {key}"].sum(dtype=np.float64) for key in ("sum", "count"))
        return {self.name: float(total / count) if count else math.nan}


@dataclass(frozen=True)
class SumsOfOwn(Metric):
    """A figure computed from sums over all elements."""

    own: Any

    def partial(self, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
        outputs, targets = _arrays(self.objective.kind, outputs, targets)
        elements = outputs.shape[:-1]
        weights = counting.broadcast_mask(mask, elements).astype(jnp.float32).reshape(-1)
        outputs, targets = (each.reshape(-1, *each.shape[len(elements) :]) for each in (outputs, targets))
        sums = self.own.sums(outputs, targets, weights)
        if not isinstance(sums, Mapping):
            raise UserError(f"sums of the metric {self.own.place} must return a dictionary, not {brief(sums)}.")
        return {f"{self.name} {key}": jnp.asarray(value, jnp.float32) for key, value in sums.items()}

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        start = f"{self.name} "
        sums = {
            key.removeprefix(start): np.asarray(value.sum(0, dtype=np.float64))
            for key, value in partials.items()
            if key.startswith(start)
        }
        with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 where nothing was counted is NaN
            return {self.name: float(self.own.value(sums))}


@overload
def metric(function: str, objective: Objective | None = None) -> Metric: ...


@overload
def metric(function: type[Any], *, higher_is_better: bool | None = None) -> Callable[..., OwnMetric]: ...


@overload
def metric(
    function: Callable[Concatenate[Any, Any, Fields], Any], *, higher_is_better: bool | None = None
) -> Kind[Fields, OwnMetric]: ...


@overload
def metric(
    *, higher_is_better: bool
) -> Callable[[Callable[Concatenate[Any, Any, Fields], Any]], Kind[Fields, OwnMetric]]: ...


@dataclass_transform(kw_only_default=True, frozen_default=True)
def metric(function: Any = None, objective: Objective | None = None, *, higher_is_better: bool | None = None) -> Any:
    """Makes a metric of a function ``f(outputs, targets, *, ...)`` or of a class; a name looks one up.

    ``metrics=("accuracy", mae_cm())`` then measures ``test/mae_cm``: the mean of the function's values, over a whole
    split, with its weights and without padding. ``mae_cm.function`` is the plain function. Keyword arguments are its
    fields, as for `loss`.

    A figure that is no mean is a class with two methods: ``sums(outputs, targets, weights)`` returns a dictionary of
    sums over one batch, arrays of JAX, where outputs are (elements, outputs) and weights (elements,) float32, 0 for
    padding; ``value(sums)`` gets those of the whole split, float64 of NumPy, and returns a number. Its annotated
    attributes are its fields.

    Args:
        function: the function, whose outputs and targets are those of `loss` (numbers to be predicted in their own
            unit); or the class; or the name of a metric of jaxdl, see `jaxdl.objectives.metrics.metric`.
        objective: for a name only: what outputs and targets mean.
        higher_is_better: whether larger values are better; None: neither, so ``--watch`` cannot choose by it.

    Raises:
        UserError: the function takes other arguments, the class lacks a method, or there is no metric of that name.
    """
    if isinstance(function, str):
        from jaxdl.objectives.metrics import metric as named  # which looks up those of one's own, too

        return named(function, objective)
    if function is None:
        return functools.partial(metric, higher_is_better=higher_is_better)
    return _metric(function, higher_is_better)


@functools.cache
def _metric(function: Any, higher_is_better: bool | None) -> type:
    about = {"higher_is_better": higher_is_better, "kinds": _ALL_KINDS}
    if not isinstance(function, type):
        return kind_of(function, FromMetric, ("outputs", "targets"), namespace=about, traces=False)
    for name in ("sums", "value"):
        if not callable(getattr(function, name, None)):
            raise UserError(f"{place_of(function)} needs the methods sums(self, outputs, targets, weights) and value.")
    plain: type = dataclasses.dataclass(frozen=True, eq=False)(function)
    names = {"__doc__": function.__doc__, "__module__": function.__module__, "__qualname__": function.__qualname__}
    places = {"place": place_of(function), "code": code_digest(function)}
    return type(function.__name__, (plain, FromClass), about | names | places)


def _arrays(kind: AnyKind | None, outputs: ArrayLike, targets: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Returns outputs in float32, and targets of their shape unless these are labels."""
    if kind in ("questions", "values"):
        return losses.aligned(outputs, targets)
    return jnp.asarray(outputs, jnp.float32), jnp.asarray(targets)


def _per_element(
    place: str,
    function: Callable[..., Any],
    kind: AnyKind | None,
    outputs: ArrayLike,
    targets: ArrayLike,
    values: Mapping[str, Any],
) -> jax.Array:
    """Returns a function's values, one for each example or step, float32.

    Raises:
        UserError: its result has another shape.
    """
    outputs, targets = _arrays(kind, outputs, targets)
    result = jnp.asarray(function(outputs, targets, **values)).astype(jnp.float32)
    if not result.ndim or result.shape != outputs.shape[: result.ndim]:
        raise UserError(
            f"{place} returned shape {result.shape} for outputs of shape {outputs.shape} and targets of shape "
            f"{targets.shape}: return one value for each example, shape {outputs.shape[:-1]}, not their mean."
        )
    return jnp.mean(result, axis=-1) if result.ndim == outputs.ndim > 1 else result
