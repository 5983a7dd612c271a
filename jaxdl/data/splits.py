"""How validation is cut from train."""

from __future__ import annotations

import numpy as np

from jaxdl.data.spec import Split, examples

# Any fixed number would do; it is never an experiment's seed, so that all seeds are validated on the same examples.
_VALIDATION_SEED = 20_200_229


def cut_validation(train: Split, share: float) -> tuple[Split, Split]:
    """Cuts a share of the train split for validation; both parts keep the order of `train`.

    The examples are the first of one fixed permutation, so they depend on nothing but the size of `train` and the
    share. A share above 0 cuts at least one example and leaves at least one in train.

    Returns:
        What is left of train, and validation.
    """
    count = examples(train)
    size = min(max(1, round(count * share)), count - 1) if share else 0
    chosen = np.zeros(count, bool)
    # RandomState, because NumPy froze its stream for good; that of Generator.permutation may change between versions.
    chosen[np.random.RandomState(_VALIDATION_SEED).permutation(count)[:size]] = True
    if not size:
        return train, {key: array[:0] for key, array in train.items()}
    return {key: a[~chosen] for key, a in train.items()}, {key: a[chosen] for key, a in train.items()}
