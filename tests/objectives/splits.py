"""Whole splits of drawn outputs and targets, and what a metric gives of them in batches of any size."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import jax
import numpy as np

from jaxdl.objectives import Objective
from jaxdl.objectives.metrics import metric

SEEDS = st.integers(0, 2**32 - 1)
EXAMPLES = st.integers(1, 40)
# Few shapes, so that JAX compiles few programs.
BATCHES = st.sampled_from([7, 64])


@functools.cache
def compiled_partial(name: str, objective: Objective | None = None) -> Callable[..., dict[str, jax.Array]]:
    return jax.jit(metric(name, objective).partial)


def evaluate(
    name: str, outputs: Any, targets: Any, batch_size: int, mask: Any = None, objective: Objective | None = None
) -> dict[str, Any]:
    """Evaluates a split in batches; the last is filled up with rows of NaN and class 0, which the mask leaves out."""
    count = len(outputs)
    mask = np.ones(count, bool) if mask is None else mask
    filling = -count % batch_size
    padded = [
        np.concatenate([array, np.full((filling, *array.shape[1:]), fill, array.dtype)])
        for array, fill in ((outputs, np.nan), (targets, 0), (mask, False))
    ]
    batches = [
        compiled_partial(name, objective)(*(array[start : start + batch_size] for array in padded))
        for start in range(0, len(padded[0]), batch_size)
    ]
    partials = {key: np.stack([np.asarray(batch[key]) for batch in batches]) for key in batches[0]}
    return metric(name, objective).result(partials)


def classified(seed: int, examples: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits on a coarse grid, so that ties are common, and labels that they say something about."""
    random = np.random.default_rng(seed)
    labels = random.integers(classes, size=examples)
    logits = random.integers(-2, 3, size=(examples, classes)) + np.eye(classes, dtype=int)[labels]
    return logits.astype(np.float32), labels.astype(np.int32)
