"""Outputs read as classes, against NumPy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference

from jaxdl.errors import UserError
from jaxdl.objectives.classes import as_classes, class_figures, confusion_counts, correct, in_top, occurring

LABELS = np.array([0, 2, 1, 2, 0, 1])
LOGITS = np.array([[3, 1, 2], [0, 1, 2], [5, 4, 6], [1, 1, 0], [2, 2, 1], [0, 7, 0]], np.float32)


def test_one_hot_rows_and_probabilities_give_the_label_of_their_largest_entry() -> None:
    for targets in (LABELS, np.eye(3)[LABELS], 0.8 * np.eye(3)[LABELS] + 0.1):
        logits, labels = as_classes(LOGITS, targets)
        np.testing.assert_array_equal(logits, LOGITS)
        np.testing.assert_array_equal(labels, LABELS)
        assert labels.dtype == np.int32


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(UserError, match=r"outputs of shape \(6, 3\) do not fit class targets of shape \(6, 2\)"):
        as_classes(LOGITS, np.zeros((6, 2)))
    with pytest.raises(UserError, match=r"outputs of shape \(6, 1\) do not fit class targets of shape \(6,\)"):
        as_classes(LOGITS[:, :1], LABELS)


def test_the_largest_logit_decides_and_a_tie_goes_to_the_lower_class() -> None:
    np.testing.assert_array_equal(correct(LOGITS, LABELS), LOGITS.argmax(-1) == LABELS)
    np.testing.assert_array_equal(correct(np.zeros((2, 3), np.float32), np.array([0, 1])), [True, False])


def test_top_k_ranks_ties_by_class() -> None:
    tied, labels = np.zeros((3, 4), np.float32), np.array([0, 1, 3])
    for k in (1, 2, 3, 4, 9):
        np.testing.assert_array_equal(in_top(k, tied, labels), labels < k)


def test_outputs_with_nan_are_wrong_whatever_the_label() -> None:
    """A NaN counts as the largest of an array: of outputs that are all NaN, class 0 would be chosen."""
    nan = np.array([[np.nan] * 3, [np.nan, 5, 1], [1, 5, np.nan], [0, 9, 1]], np.float32)
    for label in range(3):
        labels = np.full(4, label)
        np.testing.assert_array_equal(correct(nan, labels), [False, False, False, label == 1])
        np.testing.assert_array_equal(in_top(3, nan, labels), [False, False, False, True])
        counts = np.asarray(confusion_counts(nan, labels, np.ones(4, bool)))
        assert counts[label].tolist() == [0, 1, 0, 3] and counts.sum() == 4


def test_the_figures_of_a_class_count_its_outputs_with_nan_as_missed() -> None:
    counts = np.array([[3, 1, 4], [0, 2, 0]])
    figures = class_figures(counts)
    np.testing.assert_allclose(figures["precision"], [1, 2 / 3])
    np.testing.assert_allclose(figures["recall"], [3 / 8, 1])
    np.testing.assert_allclose(figures["f1"], [2 * 3 / 11, 2 * 2 / 5])
    np.testing.assert_allclose(figures["iou"], [3 / 8, 2 / 3])
    np.testing.assert_array_equal(occurring(np.array([[0, 0, 0, 1], [0, 0, 0, 0], [2, 0, 0, 0]])), [True, False, True])


def test_the_confusion_matrix_counts_what_the_mask_leaves() -> None:
    mask = np.array([True, True, False, True, True, True])
    counts = confusion_counts(LOGITS, LABELS, mask)
    expected = reference.confusion_matrix(LABELS[mask], LOGITS[mask].argmax(-1), labels=range(3))
    np.testing.assert_array_equal(counts, np.c_[expected, [0, 0, 0]])
    assert counts.dtype == np.int32
