"""How right the predictions for single examples are, and which examples are worth a look."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxdl.data import Spec
from jaxdl.data.spec import END
from jaxdl.data.texts.coding import SPECIAL
from jaxdl.objectives import Objective
from jaxdl.objectives.answers import ctc_decode

_MOST_STEPS = 60  # of a sequence of labels that is written out
_MOST_NUMBERS = 6
_BINS = 10
# How characters are shown that have no sign of their own, by the names that a text's coding gives them.
_SIGNS = {"' '": " ", "'\\n'": "\u21b5", "'\\t'": "\u21e5", "'\\r'": "\u240d"}


@dataclasses.dataclass(frozen=True)
class Judged:
    """How right the predictions for some examples are, in the same order.

    Attributes:
        wrong: (examples,) how wrong each is, 0 for right ones; for classes and questions, how sure the model is where
            it is wrong; for a class at each step or pixel the share of wrong ones; for answers of several labels how
            many to change, as a share of the right ones; for numbers the mean absolute error.
        truth: the right answers, in words.
        predicted: the predictions, in words.
        certainty: (examples,) the probability of what is predicted; None where there is none.
        measure: what `wrong` is, in words.
    """

    wrong: np.ndarray
    truth: list[str]
    predicted: list[str]
    certainty: np.ndarray | None
    measure: str

    def worst(self, count: int) -> list[int]:
        """Returns the positions of the most wrong examples, the worst first; only of wrong ones."""
        order = np.argsort(-self.wrong, kind="stable")[:count]
        return [int(number) for number in order if self.wrong[number] > 0]


def judge(
    spec: Spec, objective: Objective, predictions: np.ndarray, targets: np.ndarray, counted: np.ndarray | None = None
) -> Judged | None:
    """Returns how right predictions are; None for an objective that does not say what targets are.

    Args:
        spec: describes the data.
        objective: that of the model.
        predictions: (examples, ...) of `jaxdl.steps.functions.Steps.predict_step`.
        targets: (examples, ...) as stored; of a reconstruction the inputs, as numbers that predictions compare with.
        counted: bool, which steps of the targets count, (examples, time); None: all.
    """
    if objective.kind == "classes":
        if predictions.ndim == 2:
            return _of_classes(predictions, labels_of(predictions, targets), spec.class_names)
        return _of_steps(predictions, labels_of(predictions, targets), spec, counted)
    if objective.kind == "questions":
        return _of_questions(predictions, targets, spec.class_names)
    if objective.kind == "values":
        return _of_numbers(predictions, targets)
    if objective.kind == "answers":
        return _of_answers(predictions, targets, spec.class_names, counted)
    return None


def labels_of(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns integer labels (examples, ...), for rows of probabilities (examples, ..., classes) the likeliest."""
    rows = targets.ndim == predictions.ndim and targets.shape[-1] == predictions.shape[-1]
    labels: np.ndarray = targets.argmax(-1) if rows else targets
    return labels


def _of_classes(predictions: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> Judged:
    chosen, known = predictions.argmax(1), ~np.isnan(predictions).any(1)
    certainty = np.where(known, predictions.max(1), 1.0)  # NaN is sure and wrong, as for the calibration error
    wrong = np.where((chosen != labels) | ~known, certainty, 0.0)
    predicted = [_named(names, each) if fine else "nan" for each, fine in zip(chosen, known, strict=True)]
    return Judged(wrong, [_named(names, each) for each in labels], predicted, certainty, "probability of the mistake")


def _of_steps(predictions: np.ndarray, labels: np.ndarray, spec: Spec, counted: np.ndarray | None) -> Judged:
    """Judges a class for each step or pixel, of which some do not count."""
    counts = np.ones(labels.shape, bool) if counted is None else counted
    if spec.ignore_index is not None:
        counts = counts & (labels != spec.ignore_index)
    chosen = predictions.argmax(-1)
    axes = tuple(range(1, labels.ndim))
    wrong = ((chosen != labels) & counts).sum(axes) / np.maximum(counts.sum(axes), 1)
    if labels.ndim > 2:  # pixels are shown, not written
        return Judged(wrong, [""] * len(wrong), [""] * len(wrong), None, "share of wrong pixels")
    truth, predicted = ([_written(row[of], spec.class_names) for row, of in zip(each, counts, strict=True)]
                        for each in (labels, chosen))  # fmt: skip
    return Judged(wrong, truth, predicted, None, "share of wrong steps")


def _of_answers(
    predictions: np.ndarray, targets: np.ndarray, names: Sequence[str], counted: np.ndarray | None
) -> Judged:
    """Judges answers that were aligned with more steps, as `jaxdl.objectives.CTC` does; a step with NaN is a label."""
    unknown = np.isnan(predictions).any(-1, keepdims=True)
    classes, blank = predictions[..., :-1], predictions[..., -1:]
    found = ctc_decode(np.nan_to_num(np.concatenate([classes, 2.0 * unknown, blank], -1)))
    counts = targets >= 0 if counted is None else counted & (targets >= 0)
    right = [row[of] for row, of in zip(targets, counts, strict=True)]
    distances = label_distances(found, right)
    wrong = distances / np.maximum([len(each) for each in right], 1)
    named = [*names, "?" if _are_letters(names) else "nan"] if len(names) == classes.shape[-1] else names
    truth, predicted = (
        [_written(row, of) or "(empty)" for row in each] for each, of in ((right, names), (found, named))
    )
    return Judged(wrong, truth, predicted, None, "labels to change, as a share of the right ones")


def label_distances(found: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> np.ndarray:
    """Returns Levenshtein's distance between each answer and the right one, (examples,); see `edit_distances`."""
    labels, answers = (_padded(each) for each in (right, found))
    steps = np.arange(labels.shape[1] + 1)
    row = np.broadcast_to(steps, (len(labels), len(steps)))
    ends = [len(each) for each in found]
    for place in range(answers.shape[1]):
        replaced = row[:, :-1] + (labels != answers[:, place, None])
        least = np.concatenate([row[:, :1] + 1, np.minimum(row[:, 1:] + 1, replaced)], 1)
        following = np.minimum.accumulate(least - steps, 1) + steps
        row = np.where(place < np.array(ends)[:, None], following, row)
    distances: np.ndarray = row[np.arange(len(row)), [len(each) for each in right]]
    return distances


def _padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    longest = max(map(len, rows), default=0)
    return np.array([np.pad(row, (0, longest - len(row)), constant_values=-1) for row in rows]).reshape(-1, longest)


def _are_letters(names: Sequence[str]) -> bool:
    """Returns whether classes are single characters, whose names are joined without spaces."""
    return bool(names) and all(len(letter(name)) == 1 or name in (END, *SPECIAL) for name in names)


def letter(name: str) -> str:
    """Returns a character that a text's coding names, such as ``' '``, as it is read; the end of a line as a sign."""
    return _SIGNS.get(name, name)


def _written(labels: np.ndarray, names: Sequence[str]) -> str:
    """Returns labels in words; those that are single characters as one word."""
    letters = _are_letters(names)
    if END in names:  # of an answer that says itself where it ends
        ends = np.flatnonzero(labels == names.index(END))
        labels = labels[: ends[0]] if len(ends) else labels
        if not len(labels):
            return "(empty)"
    shown = (letter(_named(names, each)) if letters else _named(names, each) for each in labels[:_MOST_STEPS])
    return ("" if letters else " ").join(shown) + (" ..." if len(labels) > _MOST_STEPS else "")


def _of_questions(predictions: np.ndarray, targets: np.ndarray, names: Sequence[str]) -> Judged:
    count = len(predictions)
    likely, answers = (each.reshape(count, -1).astype(np.float64) for each in (predictions, targets))
    missed = np.where((likely > 0.5) != (answers > 0.5), np.abs(likely - 0.5) + 0.5, 0.0)
    if predictions.ndim > 2:
        share = (missed > 0).mean(1)
        return Judged(share, [""] * count, [""] * count, None, "share of wrong pixels")
    single = likely.shape[1] == 1
    truth, predicted = ([_yes(row, names, single) for row in each > 0.5] for each in (answers, likely))
    certainty = np.maximum(likely, 1 - likely)[:, 0] if single else None
    return Judged(missed.max(1), truth, predicted, certainty, "probability of the mistake")


def _yes(row: np.ndarray, names: Sequence[str], single: bool) -> str:
    if single:
        return _named(names, int(row[0])) if len(names) == 2 else "yes" if row[0] else "no"
    return ", ".join(_named(names, number) for number in np.flatnonzero(row)) or "none"


def _of_numbers(predictions: np.ndarray, targets: np.ndarray) -> Judged:
    count = len(predictions)
    found, right = (each.reshape(count, -1).astype(np.float64) for each in (predictions, targets))
    wrong = np.abs(found - right).mean(1)
    truth, predicted = ([_numbers(row) for row in each] for each in (right, found))
    measure = "absolute error" if right.shape[1] == 1 else "mean absolute error"
    return Judged(np.where(np.isnan(wrong), np.inf, wrong), truth, predicted, None, measure)


def _numbers(row: np.ndarray) -> str:
    return ", ".join(f"{value:.4g}" for value in row[:_MOST_NUMBERS]) + (" ..." if len(row) > _MOST_NUMBERS else "")


def _named(names: Sequence[str], number: int | np.integer) -> str:
    return names[int(number)] if 0 <= number < len(names) else str(int(number))


def calibration(certainty: np.ndarray, right: np.ndarray) -> list[list[float]]:
    """Returns how many predictions lie in each of ten bins of certainty, their mean certainty, and how many are right.

    Args:
        certainty: (examples,) probabilities of what is predicted.
        right: (examples,) whether it was right.

    Returns:
        (10, 3): count, mean probability and share of right ones; the last two 0 where there are none. See Guo et al.
        2017, arXiv:1706.04599.
    """
    places = np.clip(np.ceil(certainty * _BINS) - 1, 0, _BINS - 1).astype(int)
    counts = np.bincount(places, minlength=_BINS)
    sums = [np.bincount(places, each, _BINS) / np.maximum(counts, 1) for each in (certainty, right.astype(np.float64))]
    bins: list[list[float]] = np.stack([counts, *sums], 1).tolist()
    return bins


def counts_of(predictions: np.ndarray, labels: np.ndarray) -> list[list[int]]:
    """Returns how often each true class (rows) is predicted as each class (columns), without labels out of range."""
    classes = predictions.shape[1]
    fine = (labels >= 0) & (labels < classes)
    pairs = labels[fine].astype(int) * classes + predictions[fine].argmax(1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes).tolist()
