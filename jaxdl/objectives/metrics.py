"""What evaluation reports, exact over a whole split whatever the batch size.

A metric has two halves: `Metric.partial` sums over one batch on the device, inside the compiled step, and
`Metric.result` adds up what all batches gave, on the host, in 64 bits. So nothing is an average of averages, and
padding counts nowhere. Partial sums of one name mean the same in every metric: one dictionary can hold those of
several, and precision, recall and F1 then share one confusion matrix.
"""

from __future__ import annotations

import abc
import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxdl.errors import unknown
from jaxdl.objectives import losses
from jaxdl.objectives.classes import class_figures, confusion_counts, correct, in_top
from jaxdl.objectives.sections import classes_section

Direction = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class Metric(abc.ABC):
    """A figure about outputs and targets.

    Attributes:
        name: the name that `metric` knows it by, and the key of its main value.
        higher_is_better: which of two values is the better one; None where they have no order.
    """

    name: str
    higher_is_better: bool | None

    @abc.abstractmethod
    def partial(self, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
        """Sums over one batch; pure.

        Args:
            outputs: (batch, ..., outputs); logits for all metrics of classes.
            targets: (batch, ...), or (batch, ..., outputs): numbers, one-hot rows or probabilities.
            mask: bool, False for what does not count: (batch,) or (batch, time).

        Returns:
            Arrays whose shapes do not depend on the batch size; counts are int32, sums float32.

        Raises:
            UserError: the shapes do not belong together.
        """

    @abc.abstractmethod
    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Merges the partial sums of a whole split.

        Args:
            partials: what `partial` returned, each with one more axis in front: one entry for each batch.

        Returns:
            Values by name, floats or lists of numbers; NaN where nothing was counted.
        """

    def report_section(self, values: Mapping[str, Any], data: Mapping[str, Any], plots: bool) -> str:
        """Returns what the report of a run shows of this metric beside its numbers; empty where those say all.

        Args:
            values: what `result` gave under the metric's name, by split, as JSON keeps it; a damaged file may hold
                anything.
            data: what the run's summary says of its data.
            plots: whether to draw.
        """
        return ""


def metric(name: str) -> Metric:
    """Returns the metric of that name: one of those listed by a wrong name's message, or ``top_K`` for any K from 1.

    Raises:
        UserError: there is none.
    """
    if top := re.fullmatch(r"top_([1-9]\d*)", name):
        return Mean(name, True, functools.partial(in_top, int(top[1])), "in_" + name)
    if name not in _METRICS:
        raise unknown("metric", name, (*_METRICS, "top_5"))
    return _METRICS[name]


def direction(figure: str) -> Direction | None:
    """Returns whether less or more of a figure is better; None where its values have no order.

    Args:
        figure: ``SPLIT/METRIC``, or the metric alone; ``loss`` is one of them.

    Raises:
        UserError: there is no such metric.
    """
    name = figure.partition("/")[2] or figure
    higher_is_better = False if name == "loss" else metric(name).higher_is_better
    return None if higher_is_better is None else "maximize" if higher_is_better else "minimize"


def training_metrics(names: Sequence[str]) -> list[Mean]:
    """Returns those of the named metrics that are also measured while training, on the batch of each step."""
    known = map(metric, names)
    return [each for each in known if isinstance(each, Mean) and each.in_training]


def check_metrics(names: Sequence[str]) -> str | None:
    """Checks a list of metrics' names, as the check of a field: returns what is wrong with it as a whole.

    Raises:
        UserError: one of the names is unknown.
    """
    for name in names:
        metric(name)
    return None if len(set(names)) == len(names) else "must not name a metric twice"


# One value for each element, and their mean.


def _cross_entropy(outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
    one_logit = jnp.shape(outputs)[-1] == 1
    return (losses.sigmoid_cross_entropy if one_logit else losses.softmax_cross_entropy)(outputs, targets)


def _exp(value: float) -> float:
    with np.errstate(over="ignore"):  # an early model may be infinitely perplexed
        return float(np.exp(value))


@dataclass(frozen=True)
class Mean(Metric):
    """A function of the mean of one value for each element.

    Attributes:
        values: from outputs and targets to (batch, ...), bool or float32.
        key: what the sum of the values is called.
        after: applied to the mean.
        in_training: whether it is also measured while training, on the batch of each step; nothing is applied there.
    """

    values: Callable[[ArrayLike, ArrayLike], jax.Array]
    key: str
    after: Callable[[float], float] = float
    in_training: bool = False

    def partial(self, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
        values = self.values(outputs, targets)
        mask = losses.broadcast_mask(mask, values.shape)
        return {self.key: jnp.sum(jnp.where(mask, values, jnp.zeros_like(values))), "count": _count(mask)}

    def of_batch(self, partial: Mapping[str, jax.Array]) -> jax.Array:
        """Returns the mean over one batch from its partial sums, () float32, on the device; 0 where nothing counts."""
        return partial[self.key] / jnp.maximum(partial["count"], 1)

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        count = _total(partials["count"])
        return {self.name: self.after(float(_total(partials[self.key]) / count)) if count else math.nan}


def _count(mask: jax.Array) -> jax.Array:
    return jnp.sum(mask, dtype=jnp.int32)


def _total(partial: np.ndarray) -> np.ndarray:
    """Adds up one entry for each batch in 64 bits."""
    wide = np.float64 if np.issubdtype(partial.dtype, np.floating) else np.int64
    return np.asarray(partial.sum(axis=0, dtype=wide))


# The confusion matrix, and what follows from it.


@dataclass(frozen=True)
class Confusion(Metric):
    """Counts of examples by true class (rows) and predicted class (columns); a tie goes to the lower class."""

    def partial(self, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
        return confusion_counts(outputs, targets, mask)

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        return {self.name: _total(partials["confusion"]).tolist()}

    def report_section(self, values: Mapping[str, Any], data: Mapping[str, Any], plots: bool) -> str:
        return classes_section(values, data, plots)


@dataclass(frozen=True)
class PerClass(Metric):
    """A figure for each class, and their plain mean.

    Gives ``NAME``, the mean over all classes that the model knows (macro average; a class that does not occur counts,
    with 0), and ``NAME_per_class``, a list; see `jaxdl.objectives.classes.class_figures`.
    """

    def partial(self, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
        return confusion_counts(outputs, targets, mask)

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        values = class_figures(_total(partials["confusion"]))[self.name]
        return {self.name: float(values.mean()), f"{self.name}_per_class": values.tolist()}


# The share of variance explained.


@dataclass(frozen=True)
class RSquared(Metric):
    """One minus the sum of squared errors over that around the targets' mean, averaged over the outputs.

    Targets that are all equal give 1 when each is met exactly and 0 otherwise, as in scikit-learn.

    Batches are merged by their counts, means and sums of squares around the mean (Chan, Golub & LeVeque 1979, "Updating
    formulae and a pairwise algorithm for computing sample variances"), since the difference of two raw sums would
    cancel where the mean is large. For the same reason the device counts from each batch's first target: float32 does
    not hold the mean of numbers around a million well enough, but it holds their differences.
    """

    def partial(self, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
        outputs, targets = losses.aligned(outputs, targets)
        rows = losses.broadcast_mask(mask, targets.shape[:-1]).reshape(-1)
        outputs, targets = (array.reshape(-1, array.shape[-1]) for array in (outputs, targets))

        def sums(values: jax.Array) -> jax.Array:
            return jnp.sum(jnp.where(rows[:, None], values, 0), 0)

        count = _count(rows)
        first = jnp.where(count > 0, targets[jnp.argmax(rows)], 0)
        offset = sums(targets - first) / jnp.maximum(count, 1)
        return {
            "count": count,
            "squared_residuals": sums((outputs - targets) ** 2),
            "first_target": first,
            "mean_offset": offset,
            "target_squares": sums((targets - first - offset) ** 2),
        }

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        wide = {key: np.asarray(value, np.float64) for key, value in partials.items()}  # (batches, outputs)
        counts = wide["count"][:, None]
        if not counts.sum():
            return {self.name: math.nan}
        means = wide["first_target"] + wide["mean_offset"]
        mean = (counts * means).sum(0) / counts.sum()  # exact where all targets are equal: 24 bits times a count
        total = (wide["target_squares"] + counts * (means - mean) ** 2).sum(0)
        residual = wide["squared_residuals"].sum(0)
        explained = 1 - residual / np.where(total > 0, total, 1)
        return {self.name: float(np.mean(np.where(total > 0, explained, residual == 0)))}


_METRICS: Mapping[str, Metric] = {
    known.name: known
    for known in (
        Mean("accuracy", True, correct, "correct", in_training=True),
        Mean("perplexity", False, _cross_entropy, "cross_entropy", _exp),
        Mean("mean_squared_error", False, losses.squared_error, "squared_error"),
        Mean("mean_absolute_error", False, losses.absolute_error, "absolute_error"),
        Confusion("confusion", None),
        PerClass("precision", True),
        PerClass("recall", True),
        PerClass("f1", True),
        RSquared("r_squared", True),
    )
}
# What a run's report asks for by the names in its files; it is made without the experiment.
REPORT_SECTIONS = {name: known.report_section for name, known in _METRICS.items()}
