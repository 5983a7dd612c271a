"""What evaluation reports, exact over a whole split for any batch size.

A metric has two parts: `Metric.partial` sums over one batch on the device, inside the compiled step, and
`Metric.result` adds up the sums of all batches on the host, in 64 bits. So no result is an average of averages, and
padding never counts. Partial sums of the same name mean the same in every metric: one dictionary can hold those of
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
    """A figure that compares outputs with targets.

    Attributes:
        name: its name for `metric`, and the key of its main value.
        higher_is_better: whether larger values are better; None if its values have no order.
    """

    name: str
    higher_is_better: bool | None

    @abc.abstractmethod
    def partial(self, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
        """Sums over one batch; pure.

        Args:
            outputs: (batch, ..., outputs); logits for all metrics of classes.
            targets: (batch, ...), or (batch, ..., outputs): numbers, one-hot rows or probabilities.
            mask: bool, False for elements that do not count: (batch,) or (batch, time).

        Returns:
            Arrays whose shapes do not depend on the batch size; counts are int32, sums float32.

        Raises:
            UserError: the shapes do not match.
        """

    @abc.abstractmethod
    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Merges the partial sums of a whole split.

        Args:
            partials: the results of `partial`, each with an additional first axis: one entry for each batch.

        Returns:
            Values by name, floats or lists of numbers; NaN if nothing was counted.
        """

    def report_section(self, values: Mapping[str, Any], data: Mapping[str, Any], plots: bool) -> str:
        """Returns what the report of a run shows of this metric in addition to its numbers; empty for nothing.

        Args:
            values: the metric's main value, by split, as it is read from JSON; a damaged file may hold anything.
            data: ``data`` of the run's summary.
            plots: whether to draw plots.
        """
        return ""


def metric(name: str) -> Metric:
    """Returns the metric of that name, or ``top_K`` for any K from 1; the message for an unknown name lists all.

    Raises:
        UserError: there is no such metric.
    """
    if top := re.fullmatch(r"top_([1-9]\d*)", name):
        return Mean(name, True, functools.partial(in_top, int(top[1])), "in_" + name)
    if name not in _METRICS:
        raise unknown("metric", name, (*_METRICS, "top_5"))
    return _METRICS[name]


def direction(figure: str) -> Direction | None:
    """Returns whether smaller or larger values of a figure are better; None if its values have no order.

    Args:
        figure: ``SPLIT/METRIC``, or only the metric; ``loss`` is allowed.

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
    """Checks a list of metrics' names, as the check of a field: returns what is wrong with the list.

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
    with np.errstate(over="ignore"):  # the perplexity of an untrained model may be infinite
        return float(np.exp(value))


@dataclass(frozen=True)
class Mean(Metric):
    """A function of the mean of one value for each element.

    Attributes:
        values: from outputs and targets to (batch, ...), bool or float32.
        key: name of the sum of the values.
        after: applied to the mean.
        in_training: whether it is also measured while training, on the batch of each step; `after` is not applied
            there.
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
        """Returns the mean over one batch from its partial sums, () float32, on the device; 0 if nothing counts."""
        return partial[self.key] / jnp.maximum(partial["count"], 1)

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        count = _total(partials["count"])
        return {self.name: self.after(float(_total(partials[self.key]) / count)) if count else math.nan}


def _count(mask: jax.Array) -> jax.Array:
    return jnp.sum(mask, dtype=jnp.int32)


def _total(partial: np.ndarray) -> np.ndarray:
    """Adds up the entries of all batches in 64 bits."""
    wide = np.float64 if np.issubdtype(partial.dtype, np.floating) else np.int64
    return np.asarray(partial.sum(axis=0, dtype=wide))


# The confusion matrix, and the metrics computed from it.


@dataclass(frozen=True)
class Confusion(Metric):
    """Counts of examples by true class (rows) and predicted class (columns); of equal logits, the first counts."""

    def partial(self, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
        return confusion_counts(outputs, targets, mask)

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        return {self.name: _total(partials["confusion"]).tolist()}

    def report_section(self, values: Mapping[str, Any], data: Mapping[str, Any], plots: bool) -> str:
        return classes_section(values, data, plots)


@dataclass(frozen=True)
class PerClass(Metric):
    """A figure for each class, and their unweighted mean.

    Gives ``NAME``, the mean over all classes that the model knows (macro average; a class that does not occur counts,
    with 0), and ``NAME_per_class``, a list; see `jaxdl.objectives.classes.class_figures`.
    """

    def partial(self, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
        return confusion_counts(outputs, targets, mask)

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        values = class_figures(_total(partials["confusion"]))[self.name]
        return {self.name: float(values.mean()), f"{self.name}_per_class": values.tolist()}


# The fraction of variance explained.


@dataclass(frozen=True)
class RSquared(Metric):
    """One minus the sum of squared errors over that around the targets' mean, averaged over the outputs.

    If all targets are equal, the result is 1 when every prediction is exact and 0 otherwise, as in scikit-learn.

    Batches are merged by their counts, means and sums of squares around the mean (Chan, Golub & LeVeque 1979, "Updating
    formulae and a pairwise algorithm for computing sample variances"), since the difference of two raw sums would
    cancel where the mean is large. For the same reason the device subtracts each batch's first target: float32 is too
    coarse for the mean of numbers around a million, but not for their differences.
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
# A run's report is made without the experiment and looks these up by the names in its files.
REPORT_SECTIONS = {name: known.report_section for name, known in _METRICS.items()}
