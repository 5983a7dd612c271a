"""How right predictions are, against counts by hand and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

import jaxdl
from jaxdl.data import Preprocess, Spec
from jaxdl.data.spec import END
from jaxdl.inference.inspection.judged import calibration, counts_of, judge
from jaxdl.objectives.answers import edit_distances

NAMES = ("cat", "dog", "fox")
CLASSES = Spec((4,), "float32", Preprocess(), (), 3, NAMES)
LIKELY = np.array([[0.7, 0.2, 0.1], [0.1, 0.9, 0.0], [0.5, 0.3, 0.2], [0.0, 0.02, 0.98]], np.float32)
LABELS = np.array([0, 2, 1, 0])


def test_the_most_certain_mistake_comes_first_and_right_ones_never() -> None:
    judged = judge(CLASSES, jaxdl.SoftmaxCrossEntropy(), LIKELY, LABELS)
    assert judged is not None and judged.certainty is not None
    assert judged.worst(10) == [3, 1, 2] and judged.worst(1) == [3]
    assert judged.predicted == ["cat", "dog", "cat", "fox"] and judged.truth == ["cat", "fox", "dog", "cat"]
    np.testing.assert_allclose(judged.wrong, [0, 0.9, 0.5, 0.98], rtol=1e-6)


def test_targets_that_are_probabilities_count_as_their_likeliest_class() -> None:
    judged = judge(CLASSES, jaxdl.SoftmaxCrossEntropy(), LIKELY, np.eye(3)[LABELS])
    assert judged is not None and judged.worst(10) == [3, 1, 2]


def test_nan_is_sure_and_wrong() -> None:
    likely = LIKELY.copy()
    likely[0, 2] = np.nan
    judged = judge(CLASSES, jaxdl.SoftmaxCrossEntropy(), likely, LABELS)
    assert judged is not None and judged.worst(1) == [0] and judged.predicted[0] == "nan"


def test_of_a_class_for_each_step_the_share_of_wrong_ones_counts_without_padding() -> None:
    spec = Spec((4,), "int32", Preprocess(cast="none"), (4,), 3, NAMES, ignore_index=-1)
    chosen, labels = np.array([[0, 1, 2, 2], [1, 1, 0, 0]]), np.array([[0, 1, 1, 0], [0, -1, 0, 1]])
    counted = np.array([[True, True, True, False], [True, True, True, True]])
    judged = judge(spec, jaxdl.SoftmaxCrossEntropy(), np.eye(3)[chosen], labels, counted)
    assert judged is not None
    np.testing.assert_allclose(judged.wrong, [1 / 3, 2 / 3])
    assert judged.truth == ["cat dog dog", "cat cat dog"] and judged.predicted == ["cat dog fox", "dog cat cat"]


def test_several_questions_are_answered_by_the_names_of_those_with_yes() -> None:
    spec = Spec((4,), "float32", Preprocess(), (3,), 3, NAMES)
    likely = np.array([[0.9, 0.8, 0.1], [0.2, 0.6, 0.4]])
    judged = judge(spec, jaxdl.SigmoidCrossEntropy(), likely, np.array([[1, 1, 0], [1, 0, 0]]))
    assert judged is not None
    assert judged.truth == ["cat, dog", "cat"] and judged.predicted == ["cat, dog", "dog"]
    np.testing.assert_allclose(judged.wrong, [0, 0.8])


def test_numbers_are_as_wrong_as_their_mean_absolute_error() -> None:
    spec = Spec((4,), "float32", Preprocess(), (), 1)
    found, right = np.array([1.0, 2.5, -1.0]), np.array([1.0, 2.0, 3.0])
    judged = judge(spec, jaxdl.MeanSquaredError(), found, right)
    assert judged is not None and judged.worst(2) == [2, 1]
    assert judged.wrong.mean() == pytest.approx(reference.mean_absolute_error(right, found))


def test_an_answer_that_is_aligned_is_as_wrong_as_the_labels_to_change() -> None:
    rng = np.random.default_rng(0)
    predictions = rng.dirichlet(np.ones(4), (40, 9))
    targets = rng.integers(0, 3, (40, 5))
    lengths = rng.integers(1, 6, 40)
    counted = np.arange(5) < lengths[:, None]
    spec = Spec((9, 2), "float32", Preprocess(), (5,), 3, ("a", "b", "c"))
    judged = judge(spec, jaxdl.CTC(), predictions, targets, counted)
    distances = edit_distances(predictions, np.where(counted, targets, -1))
    assert judged is not None
    np.testing.assert_allclose(judged.wrong, distances / lengths)
    decoded = jaxdl.ctc_decode(predictions)
    assert judged.predicted == ["".join("abc"[each] for each in row) or "(empty)" for row in decoded]
    assert judged.truth[0] == "".join("abc"[each] for each in targets[0, : lengths[0]])
    predictions[1] = np.eye(4)[3]  # nothing but the blank
    silent = judge(spec, jaxdl.CTC(), predictions, targets, counted)
    assert silent is not None and silent.predicted[1] == "(empty)"
    judged = silent
    predictions[0, 2] = np.nan
    broken = judge(spec, jaxdl.CTC(), predictions, targets, counted)
    assert broken is not None and "?" in broken.predicted[0] and broken.predicted[1:] == judged.predicted[1:]


def test_a_character_of_each_step_is_written_as_text() -> None:
    spec = Spec((4,), "uint8", Preprocess(), (4,), 5, ("<padding>", "<unknown>", "a", "' '", "'\\n'"))
    predictions = np.eye(5)[[[2, 3, 2, 2]]]
    judged = judge(spec, jaxdl.SoftmaxCrossEntropy(), predictions, np.array([[2, 3, 2, 4]]))
    assert judged is not None and (judged.truth, judged.predicted) == (["a a\u21b5"], ["a aa"])


def test_an_answer_that_says_where_it_ends_is_written_up_to_there() -> None:
    spec = Spec((4,), "int32", Preprocess(), (4,), 3, ("7", "8", END), target_lengths=True)
    predictions = np.eye(3)[[[0, 2, 1, 1], [2, 2, 2, 2]]]
    judged = judge(spec, jaxdl.SoftmaxCrossEntropy(), predictions, np.array([[0, 1, 2, 0], [1, 2, 0, 0]]))
    assert judged is not None and (judged.truth, judged.predicted) == (["78", "8"], ["7", "(empty)"])


def test_bins_of_certainty_give_the_expected_calibration_error() -> None:
    rng = np.random.default_rng(0)
    sure, right = rng.uniform(0.3, 1, 500), rng.random(500) < 0.6
    bins = np.array(calibration(sure, right))
    assert bins[:, 0].sum() == 500 and bins[:3, 0].sum() == 0
    error = 0.0
    for low in np.arange(10) / 10:  # by its definition
        inside = (sure > low) & (sure <= low + 0.1)
        error += abs(sure[inside].sum() - right[inside].sum()) / 500
    assert (bins[:, 0] * np.abs(bins[:, 1] - bins[:, 2])).sum() / 500 == pytest.approx(error)


def test_counts_are_scikit_learns_confusion_matrix() -> None:
    labels = np.random.default_rng(1).integers(0, 3, 50)
    likely = np.random.default_rng(2).random((50, 3))
    expected = reference.confusion_matrix(labels, likely.argmax(1), labels=range(3)).tolist()
    assert counts_of(likely, labels) == expected
    assert np.sum(counts_of(likely[:2], np.array([0, 7]))) == 1
