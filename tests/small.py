"""A data set small enough to check by hand."""

from __future__ import annotations

import numpy as np

from jaxdl.data import Dataset, Preprocess, Spec


def blobs(train: int = 50, validation: int = 20, test: int = 33, classes: int = 3) -> Dataset:
    """Makes a small set of 4x4 images whose class is their brightness."""
    random = np.random.RandomState(0)

    def split(count: int) -> dict[str, np.ndarray]:
        labels = random.randint(classes, size=count).astype(np.int32)
        noise = random.randint(40, size=(count, 4, 4, 1))
        return {"inputs": (labels[:, None, None, None] * 80 + noise).astype(np.uint8), "targets": labels}

    spec = Spec((4, 4, 1), "uint8", Preprocess(1 / 255), (), classes, tuple(map(str, range(classes))))
    splits = {"train": split(train), "validation": split(validation), "test": split(test)}
    return Dataset(spec, splits, "blobs", "blobs", "none", train + validation)
