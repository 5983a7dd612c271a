"""Outputs read as classes, against NumPy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference

from jaxdl.errors import UserError
from jaxdl.objectives.classes import as_classes, confusion_counts, correct, in_top

LABELS = np.array([0, 2, 1, 2, 0, 1])
LOGITS = np.array([[3, 1, 2], [0, 1, 2], [5, 4, 6], [1, 1, 0], [2, 2, 1], [0, 7, 0]], np.float32)


def test_one_hot_rows_and_probabilities_give_the_label_of_their_largest_entry() -> None:
    for targets in (LABELS, np.eye(3)[LABELS], 0.8 * np.eye(3)[LABELS] + 0.1):
        logits, labels = as_classes(LOGITS, targets)
        np.testing.assert_array_equal(logits, LOGITS)
        np.testing.assert_array_equal(labels, LABELS)
        assert labels.dtype == np.int32


def test_a_single_logit_stands_against_zero() -> None:
    logits, labels = as_classes(np.array([[-2.0], [0.0], [3.0]], np.float32), np.array([0.4, 0.5, 0.6], np.float32))
    np.testing.assert_array_equal(logits, [[0, -2], [0, 0], [0, 3]])
    np.testing.assert_array_equal(labels, [0, 0, 1])
    np.testing.assert_array_equal(correct(np.array([[-2.0], [0.0], [3.0]], np.float32), labels), [True, True, True])


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(UserError, match=r"outputs of shape \(6, 3\) do not fit class targets of shape \(6, 2\)"):
        as_classes(LOGITS, np.zeros((6, 2)))


def test_the_largest_logit_decides_and_a_tie_goes_to_the_lower_class() -> None:
    np.testing.assert_array_equal(correct(LOGITS, LABELS), LOGITS.argmax(-1) == LABELS)
    np.testing.assert_array_equal(correct(np.zeros((2, 3), np.float32), np.array([0, 1])), [True, False])


def test_top_k_ranks_ties_by_class_and_nan_last() -> None:
    tied, labels = np.zeros((3, 4), np.float32), np.array([0, 1, 3])
    for k in (1, 2, 3, 4, 9):
        np.testing.assert_array_equal(in_top(k, tied, labels), labels < k)
    assert not np.any(in_top(3, np.full((3, 4), np.nan, np.float32), labels))


def test_the_confusion_matrix_counts_what_the_mask_leaves() -> None:
    mask = np.array([True, True, False, True, True, True])
    (counts,) = confusion_counts(LOGITS, LABELS, mask).values()
    expected = reference.confusion_matrix(LABELS[mask], LOGITS[mask].argmax(-1), labels=range(3))
    np.testing.assert_array_equal(counts, expected)
    assert counts.dtype == np.int32
