from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.data.splits import cut_validation


def numbered(count):
    return {"inputs": np.arange(count), "targets": np.arange(count) * 10}


@given(count=st.integers(1, 500), share=st.floats(0, 0.999))
def test_validation_is_cut_from_train_without_loss_or_overlap(count, share):
    train, validation = cut_validation(numbered(count), share)
    assert sorted([*train["inputs"], *validation["inputs"]]) == list(range(count))
    assert len(train["inputs"]) >= 1
    assert abs(len(validation["inputs"]) - share * count) <= 1
    assert (len(validation["inputs"]) > 0) == (share > 0 and count > 1)
    for part in (train, validation):
        assert np.array_equal(part["targets"], part["inputs"] * 10), "inputs and targets stay together"
        assert np.all(np.diff(part["inputs"]) > 0), "the order is that of train"


def test_the_validation_examples_are_fixed_for_good():
    _, validation = cut_validation(numbered(100), 0.1)
    assert validation["inputs"].tolist() == [0, 5, 10, 19, 49, 59, 61, 66, 91, 94]
