"""Means and deviations of a train split, by which inputs and numbers to be predicted are standardised."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from jaxdl.data.lengths import steps_that_count
from jaxdl.data.named import of_view
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.spec import Dataset
from jaxdl.data.stream import is_streamed, parts, remembered

# Images are added up in parts of so many numbers, so that memory does not hold a copy of all in 64 bits.
_PART = 2**22
# Bytes are added up in rows of so many, of which the processor's cache holds so many: the numbers that are added to one
# another lie below one another, the sum of 256 bytes fits into 16 bits, and that of their squares into 32.
_ROW_BYTES, _ROWS = 2**9, 2**8


def mean_and_deviation(
    values: np.ndarray, counts: np.ndarray | None = None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and standard deviation (divided by n, not n - 1) for each entry of the last axis, in 64 bits.

    NaN is left out. A deviation of 0, as of a constant, becomes 1, so that standardising gives 0.

    Args:
        values: (..., size).
        counts: bool, (...), False for what does not count; None: all counts.
    """
    if is_streamed(values):
        found = remembered("mean and deviation", {"": values}, lambda: _of_parts(values))
        return tuple(found[0]), tuple(found[1])
    rows = values.reshape(-1, values.shape[-1])
    return _of_parts(rows if counts is None else rows[counts.reshape(-1)])


def _of_parts(rows: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns what `mean_and_deviation` does, in two passes over parts of the examples; (examples, ..., size)."""
    size = rows.shape[-1]
    step = max(1, _PART // max(1, math.prod(rows.shape[1:])))

    def summed(of_part: Callable[[np.ndarray], np.ndarray], dtype: type | None = None) -> np.ndarray:
        return np.asarray(np.sum([of_part(part.reshape(-1, size)) for part in parts(rows, step)], axis=0, dtype=dtype))

    known = np.maximum(summed(_count, np.float64), 1)
    mean = summed(lambda part: np.asarray(np.nansum(part, 0, dtype=np.float64))) / known
    squares = summed(lambda part: np.asarray(np.nansum((part - mean) ** 2, 0))) / known
    deviation = np.sqrt(squares)
    # What is left of rounding where all numbers are equal is no deviation.
    constant = deviation <= 1e-12 * np.maximum(np.abs(mean), 1e-300)
    deviation = np.where(constant, 1.0, deviation)
    return tuple(map(float, mean)), tuple(map(float, deviation))


def _count(part: np.ndarray) -> np.ndarray:
    known = ~np.isnan(part) if part.dtype.kind == "f" else np.ones(part.shape, bool)
    return np.asarray(known.sum(0, dtype=np.int64))


def of_bytes(values: np.ndarray, scale: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns what `mean_and_deviation` returns for ``values * scale``, from sums of whole numbers, which are exact.

    Args:
        values: (examples, ..., size) uint8, such as images.
        scale: factor for the bytes.
    """
    size = values.shape[-1]
    count = max(1, values.size // size)
    mean, deviation = [], []
    for total, square in zip(*remembered("sums of bytes", {"": values}, lambda: _sums_of_bytes(values)), strict=True):
        spread = count * square - total**2  # count**2 times the variance
        mean.append(total / count * scale)
        deviation.append(math.sqrt(spread) / count * scale if spread else 1.0)
    return tuple(mean), tuple(deviation)


def _sums_of_bytes(values: np.ndarray) -> tuple[list[int], list[int]]:
    """Returns the sums of bytes, and of their squares, for each entry of the last axis."""
    size = values.shape[-1]
    width = size * max(1, _ROW_BYTES // size)
    sums, squares = np.zeros((2, size), np.int64)
    for examples in parts(values):
        flat = examples.reshape(-1)
        whole = len(flat) // width * width
        for rows in (flat[:whole].reshape(-1, width), flat[whole:].reshape(-1, size)):
            for start in range(0, len(rows), _ROWS):
                some = rows[start : start + _ROWS]
                sums += some.sum(0, dtype=np.uint16).reshape(-1, size).sum(0, dtype=np.int64)
                of_squares = np.multiply(some, some, dtype=np.uint16).sum(0, dtype=np.uint32)
                squares += of_squares.reshape(-1, size).sum(0, dtype=np.int64)
    return sums.tolist(), squares.tolist()


def with_standard_targets(dataset: Dataset) -> Dataset:
    """Returns the set with the mean and deviation of its train targets in its spec, if these are numbers to predict.

    These are floating-point numbers; integers are labels. Targets (examples,) have one mean, others one for each entry
    of the last axis. Steps beyond the lengths of sequences do not count. Each of several targets has its own.
    """
    if dataset.spec.views:
        return _with_standard_views(dataset)
    train = dataset.splits["train"]
    targets = train["targets"]
    if targets.dtype.kind != "f" or not targets.size:
        return dataset
    counts = steps_that_count(train)
    # Of a sequence of single numbers, (examples, time), all steps have the same unit; rows of values have one for each.
    steps = counts is not None or (targets.ndim == 2 and dataset.spec.outputs == 1)
    values = targets[..., None] if targets.ndim == 1 or (steps and targets.ndim == 2) else targets
    mean, deviation = mean_and_deviation(values, counts)
    spec = dataclasses.replace(dataset.spec, target=Preprocess(mean=mean, deviation=deviation))
    return dataclasses.replace(dataset, spec=spec)


def _with_standard_views(dataset: Dataset) -> Dataset:
    found = {
        name: with_standard_targets(of_view(dataset, spec.of_input, name, spec)).spec.target
        for name, spec in dataset.spec.by_target.items()
    }
    targets = tuple((name, dataclasses.replace(spec, target=found[name])) for name, spec in dataset.spec.targets)
    spec = dataclasses.replace(dataset.spec, targets=targets, target=next(iter(found.values())))
    return dataclasses.replace(dataset, spec=spec)
