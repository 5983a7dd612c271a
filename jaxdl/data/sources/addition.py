"""Generated sums, written in digits: a sequence to read and a sequence to answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import final

import numpy as np

from jaxdl.data.preprocess import Preprocess
from jaxdl.data.source import Data, Notify
from jaxdl.data.spec import END, Dataset, Spec, Split, fingerprint
from jaxdl.errors import UserError
from jaxdl.fields import at_least, described, static

_SEED = 1
_CHARACTERS = "0123456789+"
_NAMES = (*"0123456789", END)


@final
@described
@dataclasses.dataclass(frozen=True)
class Addition(Data):
    """Sums such as ``123+456`` and their answers ``579``, character by character (Zaremba and Sutskever 2014).

    Inputs are (examples, 2 * digits + 1) int32 ids, 0 to 9 for digits and 10 for the plus sign, with their lengths.
    Targets are (examples, digits + 2) int32 classes, the digits of the sum and class 10 for its end, with lengths of
    their own; what is beyond them does not count. With `reverse` the answer begins with the units.

    Each number has 1 to `digits` digits, each number of them as often. All sums are different, in whatever order the
    two numbers stand: no sum of test, nor of validation, occurs in train.
    """

    digits: int = static(3, "digits of a number, at most; the shorter ones are as frequent", check=at_least(1))
    reverse: bool = static(False, "whether answers begin with the units, as one adds on paper")
    train_examples: int = static(20_000, "sums to train and validate on", check=at_least(2))
    test_examples: int = static(2000, "sums to test on", check=at_least(1))

    @property
    def requested(self) -> str:
        return "addition"

    def spec(self, data_dir: Path) -> Spec:
        ids = Preprocess(cast="none")
        inputs, answer = (2 * self.digits + 1,), (self.digits + 2,)
        return Spec(
            inputs, "int32", ids, answer, len(_NAMES), _NAMES, vocabulary=len(_CHARACTERS), id_names=tuple(_CHARACTERS)
        )

    def known_examples(self, data_dir: Path) -> int:
        return self.train_examples + self.test_examples

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        pairs = self._pairs(self.train_examples + self.test_examples)
        train, test = (self._split(part) for part in (pairs[: self.train_examples], pairs[self.train_examples :]))
        return Dataset(
            spec=self.spec(data_dir),
            splits={"train": train, "test": test},
            requested=self.requested,
            used="addition",
            fingerprint=fingerprint(train, test),
            train_examples=self.train_examples,
        )

    def _pairs(self, count: int) -> np.ndarray:
        """Returns pairs of numbers, (count, 2), of which no two have the same numbers."""
        possible = 10**self.digits * (10**self.digits + 1) // 2
        if count > possible // 2:
            raise UserError(
                f"there are {possible:,} sums of data.digits={self.digits}, and {count:,} are asked for; half of them "
                "can be had: raise data.digits, or lower data.train_examples."
            )
        random = np.random.RandomState(_SEED)  # its stream is the same in all versions of NumPy
        found = np.zeros((0, 2), np.int64)
        while len(found) < count:
            longest = 10 ** random.randint(1, self.digits + 1, (2 * count, 2))
            drawn = np.sort((random.random_sample(longest.shape) * longest).astype(np.int64), 1)
            joined = np.concatenate([found, drawn])
            found = joined[np.sort(np.unique(joined, axis=0, return_index=True)[1])]
        # The first ones have the fewest digits, of which there are few numbers, so train and test are drawn from all.
        pairs = found[:count][random.permutation(count)]
        turned: np.ndarray = np.where(random.random_sample((count, 1)) < 0.5, pairs, pairs[:, ::-1])
        return turned

    def _split(self, pairs: np.ndarray) -> Split:
        inputs, lengths = _padded((ids_of(f"{a}+{b}") for a, b in pairs), 2 * self.digits + 1)
        answers = (str(a + b)[:: -1 if self.reverse else 1] for a, b in pairs)
        targets, answer_lengths = _padded(([*ids_of(answer), _NAMES.index(END)] for answer in answers), self.digits + 2)
        return {"inputs": inputs, "lengths": lengths, "targets": targets, "target_lengths": answer_lengths}


def ids_of(text: str) -> list[int]:
    """Returns the ids of the characters of a sum, or of an answer.

    Raises:
        UserError: there are others than digits and plus signs.
    """
    wrong = next((character for character in text if character not in _CHARACTERS), None)
    if wrong is not None:
        raise UserError(f"{text!r}: {wrong!r} is none of the characters {_CHARACTERS}.")
    return [_CHARACTERS.index(character) for character in text]


def _padded(sequences: Iterable[list[int]], steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns sequences filled up with zeros, (examples, steps) int32, and their lengths, (examples,) int32."""
    rows = list(sequences)
    padded = np.zeros((len(rows), steps), np.int32)
    for row, ids in zip(padded, rows, strict=True):
        row[: len(ids)] = ids
    return padded, np.array([len(ids) for ids in rows], np.int32)
