"""The embedded digits: real handwriting that comes with scikit-learn."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import final

import numpy as np

from jaxdl.data.preprocess import Preprocess
from jaxdl.data.source import Data, Notify
from jaxdl.data.sources.samples import data_file
from jaxdl.data.spec import Dataset, Spec, fingerprint
from jaxdl.fields import described

_TEST_SHARE = 0.2
_SPLIT_SEED = 1998  # the year of the set's publication; any fixed number would do


@final
@described
@dataclasses.dataclass(frozen=True)
class Digits(Data):
    """1,797 handwritten digits of 8x8 pixels, scikit-learn's `load_digits`.

    Inputs are (examples, 8, 8, 1) uint8 from 0 to 16, targets (examples,) int32. The images are the test part of
    "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, UCI, 1998), written by 13 people.

    The set has no splits. Here 20% of each class, drawn at random once, are the test split (359 images, the same for
    every seed and every validation fraction), and the rest is train. The file is ordered by writer, but does not say
    where one writer ends; a test split from its end would hold an unknown number of writers. So test figures say how
    well a model reads new digits by these 13 people, not by others.
    """

    @property
    def requested(self) -> str:
        return "digits"

    def spec(self, data_dir: Path) -> Spec:
        return Spec((8, 8, 1), "uint8", Preprocess(scale=1 / 16), (), 10, tuple(map(str, range(10))))

    def known_examples(self, data_dir: Path) -> int:
        return 1797

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        # Each line: the pixels row by row, then the label.
        table = np.loadtxt(data_file("digits.csv.gz"), np.uint8, delimiter=",")
        inputs = table[:, :-1].reshape(-1, 8, 8, 1)
        targets = table[:, -1].astype(np.int32)
        is_test = _stratified(targets)
        train = {"inputs": inputs[~is_test], "targets": targets[~is_test]}
        test = {"inputs": inputs[is_test], "targets": targets[is_test]}
        return Dataset(
            spec=self.spec(data_dir),
            splits={"train": train, "test": test},
            requested=self.requested,
            used="digits",
            fingerprint=fingerprint(train, test),
            train_examples=len(train["targets"]),
        )


def _stratified(targets: np.ndarray) -> np.ndarray:
    """Marks the test examples: the same fraction of each class, rounded to whole examples; (examples,) bool."""
    random = np.random.RandomState(_SPLIT_SEED)  # its stream is the same in all versions of NumPy
    is_test = np.zeros(len(targets), bool)
    for label in np.unique(targets):
        members = random.permutation(np.flatnonzero(targets == label))
        is_test[members[: round(len(members) * _TEST_SHARE)]] = True
    return is_test
