"""Several outputs: a loss for each, and their weighted sum."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from jaxdl.errors import UserError, unknown
from jaxdl.fields import at_least, traced
from jaxdl.fields.named import Named, named_class
from jaxdl.objectives.measures import Metric
from jaxdl.objectives.objectives import OBJECTIVES, Objective
from jaxdl.objectives.own import FromLoss, OwnOfOutput, loss

_WEIGHT = "weight_"


class Several(Named, Objective):
    """A loss for each of several outputs, by their names; what is minimised is their weighted sum.

    The fields are the losses, and ``weight_NAME`` for each, a traced number. `losses` makes it.
    """

    @property
    def weights(self) -> dict[str, Any]:
        """How much the mean of each loss counts in the sum, by the names of the outputs."""
        return {name: getattr(self, _WEIGHT + name) for name in self.names}

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        raise TypeError("each of several outputs has a loss of its own: parts[name].losses(...)")

    def predictions(self, outputs: Any) -> Any:
        """Returns what the outputs predict, by name."""
        return {name: each.predictions(outputs[name]) for name, each in self.parts.items()}

    def for_evaluation(self) -> Objective:
        return dataclasses.replace(self, **{name: each.for_evaluation() for name, each in self.parts.items()})

    def __reduce__(self) -> Any:
        return losses, (self.parts, self.weights)


@functools.cache  # so that the same names give the same kind of objective
def _kind(names: tuple[str, ...]) -> type:
    check = at_least(0)
    weights = {
        _WEIGHT + name: traced(1.0, f"how much the loss of {name} counts in the sum of all", check=check)
        for name in names
    }
    return named_class(Several, OBJECTIVES, names, weights)


def losses(parts: Mapping[str, Any], weights: Mapping[str, Any] | None = None) -> Several:
    """Returns the objective of several outputs.

    Args:
        parts: an objective for each output, by its name, or what `Experiment` takes for one: a name of one, or a
            function of outputs and targets.
        weights: how much the mean of each loss counts in the sum that is minimised; 1 where it is not given.

    Raises:
        UserError: a part is no objective, or a weight is that of no output.
    """
    for name in weights or {}:
        if name not in parts:
            raise unknown("output in the weights of losses:", name, parts)
    taken = {name: _taken(name, each) for name, each in parts.items()}
    made: Several = _kind(tuple(taken))(**taken, **{_WEIGHT + name: weight for name, weight in (weights or {}).items()})
    return made


def _taken(name: str, given: Any) -> Objective:
    if isinstance(given, str):
        given = OBJECTIVES.make(given)
    if isinstance(given, type) and issubclass(given, Objective):
        given = given()
    if callable(given) and not isinstance(given, Objective):
        given = loss(given)()
    if not isinstance(given, Objective) or isinstance(given, Several) or given.of_inputs:
        raise UserError(f"the loss of the output {name} must be a loss such as jaxdl.SoftmaxCrossEntropy().")
    return given


def with_kinds(objective: Objective, kinds: Mapping[str, Any]) -> Objective:
    """Returns an objective with the kind of its targets, where its loss is its user's own and names none.

    Args:
        objective: one, or several.
        kinds: the kinds by the names of the outputs; that of a single one has an empty name.
    """
    if isinstance(objective, Several):
        parts = {name: with_kinds(each, {"": kinds.get(name)}) for name, each in objective.parts.items()}
        same = all(parts[name] is each for name, each in objective.parts.items())
        return objective if same else dataclasses.replace(objective, **parts)
    kind = kinds.get("")
    return objective.of_kind(kind) if isinstance(objective, FromLoss) and kind is not None else objective


@dataclass(frozen=True)
class OfOutput(Metric):
    """A metric of one of several outputs: its name, and those of its values, begin with that of the output.

    Outputs, targets and masks are dictionaries by output.
    """

    output: str
    metric: Any

    def partial(self, outputs: Any, targets: Any, mask: Any) -> dict[str, jax.Array]:
        found = self.metric.partial(outputs[self.output], targets[self.output], mask[self.output])
        return {f"{self.output}/{key}": value for key, value in found.items()}

    def of_batch(self, partial: Mapping[str, jax.Array]) -> jax.Array:
        """Returns the mean over one batch, see `jaxdl.objectives.measures.Mean.of_batch`."""
        found: jax.Array = self.metric.of_batch(of_output(partial, self.output))
        return found

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        found = self.metric.result(of_output(partials, self.output))
        return {f"{self.output}/{name}": value for name, value in found.items()}


@dataclass(frozen=True)
class TotalLoss(Metric):
    """The weighted sum of the mean losses, named ``loss``, and each of them as ``OUTPUT/loss``."""

    of: Mapping[str, OfOutput]

    def partial(self, outputs: Any, targets: Any, mask: Any) -> dict[str, jax.Array]:
        found: dict[str, jax.Array] = {}
        for each in self.of.values():
            found |= each.partial(outputs, targets, mask)
        return found

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        assert isinstance(self.objective, Several)
        found: dict[str, Any] = {}
        for each in self.of.values():
            found |= each.result(partials)
        weights = self.objective.weights
        return {"loss": math.fsum(weights[name] * found[f"{name}/loss"] for name in self.of), **found}


def of_output(values: Mapping[str, Any], output: str) -> dict[str, Any]:
    """Returns those values whose names begin with that of an output, without it."""
    start = f"{output}/"
    return {name.removeprefix(start): value for name, value in values.items() if name.startswith(start)}


def metric_of(name: str, objective: Several, named: Callable[[str, Objective], Metric]) -> OfOutput:
    """Returns a metric of one of several outputs.

    Args:
        name: ``OUTPUT/METRIC``, which may be a metric of one's own.
        objective: of all outputs.
        named: looks a metric up for one objective.

    Raises:
        UserError: there is no such output, or no such metric of it.
    """
    output, slash, rest = name.partition("/")
    if not slash:
        raise UserError(
            f"metrics={name}: there are several outputs; say of which, such as {objective.names[0]}/{name}."
        )
    if output not in objective.names:
        raise unknown("output in metrics:", output, objective.names)
    found = named(name.metric if isinstance(name, OwnOfOutput) else rest, objective.parts[output])
    about = (name, found.higher_is_better, found.kinds, found.objective)
    return OfOutput(*about, output, found, fewest_outputs=found.fewest_outputs)


def total_loss(objective: Several, of_one: Callable[[Objective], Metric]) -> TotalLoss:
    """Returns the loss of several outputs as a metric, for the loss of one."""
    of = {}
    for name, each in objective.parts.items():
        found = of_one(each)
        of[name] = OfOutput(f"{name}/loss", False, (), each, name, found)
    return TotalLoss("loss", False, (), objective, of)
