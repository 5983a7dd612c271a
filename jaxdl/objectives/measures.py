"""How figures are computed: as the mean of one value for each element, from a confusion matrix, or from residuals.

A metric has two parts: `Metric.partial` sums over one batch on the device, inside the compiled step, and
`Metric.result` adds up the sums of all batches on the host, in 64 bits. So no result is an average of averages, and
padding never counts. Partial sums of the same name mean the same in every metric: one dictionary can hold those of
several, and precision, recall and F1 then share one confusion matrix.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxdl.objectives import counting, losses
from jaxdl.objectives.classes import class_figure, confusion_counts, correct
from jaxdl.objectives.objectives import Kind, Objective
from jaxdl.objectives.questions import answer_counts, right
from jaxdl.objectives.sections import classes_section, questions_section

# From the objective, outputs and targets to one value for each element, (batch, ...), or for each of its questions,
# (batch, ..., questions); bool or float32.
Values = Callable[[Objective, ArrayLike, ArrayLike], jax.Array]


@dataclass(frozen=True)
class Metric(abc.ABC):
    """A figure that compares outputs with targets.

    Attributes:
        name: its name for `metric`, and the key of its main value.
        higher_is_better: whether larger values are better; None if its values have no order.
        kinds: the kinds of targets that it is defined for.
        objective: what outputs and targets mean; of one of these kinds.
        fewest_outputs: how many outputs a model needs at least for it to be defined.
    """

    name: str
    higher_is_better: bool | None
    kinds: tuple[Kind, ...]
    objective: Objective
    fewest_outputs: int = dataclasses.field(default=1, kw_only=True)

    @abc.abstractmethod
    def partial(self, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
        """Sums over one batch; pure.

        Args:
            outputs: (batch, ..., outputs); logits for all metrics of classes.
            targets: (batch, ...), or (batch, ..., outputs): numbers, one-hot rows or probabilities.
            mask: bool, False for elements that do not count: (batch,) or (batch, time); or floating-point weights of at
                least 0, for figures in which an element with the weight 2 counts as two.

        Returns:
            Arrays: sums over the batch, or a row for each example. Counts are int32, sums and sums of weights float32.

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


# One value for each element, or for each of its questions, and their mean.


def plain(values: Callable[[ArrayLike, ArrayLike], jax.Array]) -> Values:
    """Returns values that mean the same for every objective."""
    return lambda objective, outputs, targets: values(outputs, targets)


def is_right(objective: Objective, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
    """Whether the class is the label, (...) bool, or whether each answer is right, (..., questions) bool."""
    if objective.kind == "questions":
        return right(objective.boundary(), outputs, targets)
    return correct(outputs, targets)


def all_right(objective: Objective, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
    """Whether all answers to an example's questions are right, (...) bool."""
    return right(objective.boundary(), outputs, targets).all(-1)


def cross_entropy(objective: Objective, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
    """The cross-entropy without label smoothing, (...) float32; of several questions, their mean."""
    questions = objective.kind == "questions"
    return (losses.sigmoid_cross_entropy if questions else losses.softmax_cross_entropy)(outputs, targets)


def exponential(value: float) -> float:
    """The exponential of a mean."""
    with np.errstate(over="ignore"):  # the perplexity of an untrained model may be infinite
        return float(np.exp(value))


def in_bits(value: float) -> float:
    """A mean number of nats as bits."""
    return value / math.log(2)


def root(value: float) -> float:
    """The square root of a mean."""
    return math.sqrt(value)


@dataclass(frozen=True)
class Mean(Metric):
    """A function of the mean of one value for each element.

    Attributes:
        values: the values, see `Values`.
        key: name of the sum of the values.
        count: name of their number.
        after: applied to the mean.
        in_training: whether it is also measured while training, on the batch of each step; `after` is not applied
            there.
    """

    values: Values
    key: str
    count: str = "count"
    after: Callable[[float], float] = float
    in_training: bool = False

    def partial(self, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
        values = self.values(self.objective, outputs, targets)
        mask = counting.broadcast_mask(mask, values.shape)
        return {self.key: counting.total(values, mask), self.count: counting.count(mask)}

    def of_batch(self, partial: Mapping[str, jax.Array]) -> jax.Array:
        """Returns the mean over one batch from its partial sums, () float32, on the device; 0 if nothing counts."""
        return counting.ratio(partial[self.key], partial[self.count])

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        number = _total(partials[self.count])
        return {self.name: self.after(float(_total(partials[self.key]) / number)) if number else math.nan}


@dataclass(frozen=True)
class MeanOfLast(Mean):
    """As `Mean`, over the last step that counts in each example, which for a tree is its root.

    Outputs are (batch, time, outputs); where there are no steps, it is the mean over the examples.
    """

    def partial(self, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
        elements = jnp.shape(outputs)[:-1]
        if len(elements) == 2:
            mask = _last(counting.broadcast_mask(mask, elements))
        return super().partial(outputs, targets, mask)


def _last(mask: jax.Array) -> jax.Array:
    """Returns a mask (batch, time), or weights, of which only the last that is not 0 is left in each example."""
    steps = jnp.arange(mask.shape[1], dtype=jnp.int32).reshape(1, -1)
    last = jnp.max(jnp.where(mask > 0, steps, -1), 1, keepdims=True)
    return jnp.where(steps == last, mask, jnp.zeros_like(mask))


def _total(partial: np.ndarray) -> np.ndarray:
    """Adds up the entries of all batches in 64 bits."""
    wide = np.float64 if partial.dtype.kind == "f" else np.int64
    return np.asarray(partial.sum(axis=0, dtype=wide))


@dataclass(frozen=True)
class ExactMatch(Metric):
    """The fraction of examples without a wrong answer: to any of their questions, or at any of their steps that count.

    Where every step of a sequence has questions, each step counts for itself. With weights, a sequence has the largest
    of those of its steps.
    """

    def partial(self, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
        if self.objective.kind == "questions":
            answers = all_right(self.objective, outputs, targets)
            mask = counting.broadcast_mask(mask, answers.shape)
        else:
            answers = correct(outputs, targets)
            mask = counting.broadcast_mask(mask, answers.shape)
            answers, mask = (array.reshape(len(array), -1) for array in (answers | (mask == 0), mask))
            answers, mask = answers.all(1), mask.max(1)
        right, number = self._keys()
        return {right: counting.total(answers, mask), number: counting.count(mask)}

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        right, number = (_total(partials[key]) for key in self._keys())
        return {self.name: float(right / number) if number else math.nan}

    def _keys(self) -> tuple[str, str]:
        return ("all_correct", "count") if self.objective.kind == "questions" else ("exact", "sequences")


# The confusion matrix, and the metrics computed from it.


@dataclass(frozen=True)
class Counts(Metric):
    """A metric computed from how often each label meets each prediction."""

    def partial(self, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
        if self.objective.kind == "questions":
            return {"confusion": answer_counts(self.objective.boundary(), outputs, targets, mask)}
        return {"confusion": confusion_counts(outputs, targets, mask)}

    def counts(self, partials: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns the counts over a whole split, with a last column for outputs with NaN.

        They are (classes, classes + 1), or (questions, 2, 3); a single question is a choice between two classes.
        """
        total = _total(partials["confusion"])
        return total[0] if total.ndim == 3 and len(total) == 1 else total


@dataclass(frozen=True)
class Confusion(Counts):
    """Counts of examples by true class (rows) and predicted class (columns); of equal logits, the first counts.

    Several questions have a matrix each, with the rows and columns no and yes. If any outputs hold NaN, a last column
    counts them.
    """

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        counts = self.counts(partials)
        return {self.name: (counts if counts[..., -1].any() else counts[..., :-1]).tolist()}

    def report_section(self, values: Mapping[str, Any], data: Mapping[str, Any], plots: bool) -> str:
        return classes_section(values, data, plots) + questions_section(values, data)


@dataclass(frozen=True)
class PerClass(Counts):
    """A figure for each class, or for the yes of each of several questions, and their unweighted mean.

    Gives ``NAME``, the mean over all that occur among labels or predictions (macro average; NaN if none does), and a
    list, ``NAME_per_class`` or ``NAME_per_question``, with 0 for those that do not occur. scikit-learn and torchmetrics
    leave such classes out of the mean, too. See `jaxdl.objectives.classes.class_figures`.

    Attributes:
        figure: name of the figure for one class; empty: that of the mean.
    """

    figure: str = dataclasses.field(default="", kw_only=True)

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        counts = self.counts(partials)
        figure = self.figure or self.name
        values, known = class_figure(figure, counts)
        each = "class"
        if counts.ndim == 3:
            values, known, each = values[:, 1], known[:, 1], "question"
        mean = float(values[known].mean()) if known.any() else math.nan
        return {self.name: mean, f"{figure}_per_{each}": values.tolist()}


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
        rows = counting.broadcast_mask(mask, targets.shape[:-1]).reshape(-1)
        outputs, targets = (array.reshape(-1, array.shape[-1]) for array in (outputs, targets))

        def sums(values: jax.Array) -> jax.Array:
            return counting.total(values, rows[:, None], 0)

        number = counting.count(rows)
        first = jnp.where(number > 0, targets[jnp.argmax(rows)], 0)
        offset = counting.ratio(sums(targets - first), number)
        return {
            "count": number,
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
