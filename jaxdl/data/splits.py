"""Splits validation off from train."""

from __future__ import annotations

import numpy as np

from jaxdl.data.spec import Split, examples

# Any fixed number would do; it is not the experiment's seed, so that all seeds are validated on the same examples.
_VALIDATION_SEED = 20_200_229


def cut_validation(train: Split, share: float) -> tuple[Split, Split]:
    """Splits a fraction of train off for validation; both parts keep the order of `train`.

    The examples are the first of one fixed permutation, so they depend only on the size of `train` and the fraction. A
    fraction above 0 takes at least one example and leaves at least one in train.

    Returns:
        The rest of train, and validation.
    """
    count = examples(train)
    size = min(max(1, round(count * share)), count - 1) if share else 0
    chosen = np.zeros(count, bool)
    # RandomState, because NumPy never changes its stream; that of Generator.permutation may change between versions.
    chosen[np.random.RandomState(_VALIDATION_SEED).permutation(count)[:size]] = True
    if not size:
        return train, {key: array[:0] for key, array in train.items()}
    return {key: a[~chosen] for key, a in train.items()}, {key: a[chosen] for key, a in train.items()}
