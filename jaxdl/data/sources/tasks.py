"""Generated tasks for recurrent networks whose best answers, and whose errors without memory, are known."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import final

import numpy as np

from jaxdl.data.preprocess import Preprocess
from jaxdl.data.source import Data, Notify
from jaxdl.data.spec import Dataset, Spec, Split, fingerprint
from jaxdl.fields import at_least, described, static

_TRAIN_SEED, _TEST_SEED = 1, 2
SYMBOLS = 8
"""How many symbols there are to remember; two more ids are the blank and the sign to begin."""
BLANK, GO = SYMBOLS, SYMBOLS + 1


@described
@dataclasses.dataclass(frozen=True, kw_only=True)
class Task(Data):
    """A generated set: train and test come from two fixed streams, whatever the seed of an experiment is."""

    train_examples: int = static(10_000, "sequences to train and validate on", check=at_least(2))
    test_examples: int = static(2000, "sequences to test on", check=at_least(1))

    def known_examples(self, data_dir: Path) -> int:
        return self.train_examples + self.test_examples

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        # RandomState, since its stream is the same in all versions of NumPy.
        train = self.generate(self.train_examples, np.random.RandomState(_TRAIN_SEED))
        test = self.generate(self.test_examples, np.random.RandomState(_TEST_SEED))
        return Dataset(
            spec=self.spec(data_dir),
            splits={"train": train, "test": test},
            requested=self.requested,
            used=self.requested,
            fingerprint=fingerprint(train, test),
            train_examples=self.train_examples,
            baselines=self.baselines(),
        )

    @abc.abstractmethod
    def generate(self, count: int, random: np.random.RandomState) -> Split:
        """Returns so many examples."""

    @abc.abstractmethod
    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        """Returns the expected figures of a model that remembers nothing, as `Dataset.baselines`."""


@final
@described
@dataclasses.dataclass(frozen=True)
class Adding(Task):
    """The adding problem of Hochreiter and Schmidhuber 1997 (Long short-term memory, experiment 4).

    Inputs are (examples, length, 2) float32: at each step a number, uniform in [0, 1), and a mark, which is 1 at two
    steps, one in each half, and 0 at all others. Targets are (examples,) float32, the sum of the two marked numbers, in
    their own unit. Numbers from [0, 1) and a mark of 0 elsewhere are the form of Le, Jaitly and Hinton 2015
    (arXiv:1504.00941, section 4.1).

    Without looking at the inputs the best answer is 1, with a mean squared error of 1/6: the variance of the sum of two
    uniform numbers.
    """

    length: int = static(200, "steps of one sequence", check=at_least(2))

    @property
    def requested(self) -> str:
        return "adding"

    def spec(self, data_dir: Path) -> Spec:
        return Spec((self.length, 2), "float32", Preprocess(), (), 1)

    def generate(self, count: int, random: np.random.RandomState) -> Split:
        numbers = random.random_sample((count, self.length)).astype(np.float32)
        half = self.length // 2
        first, second = random.randint(0, half, count), random.randint(half, self.length, count)
        marks = np.zeros_like(numbers)
        rows = np.arange(count)
        marks[rows, first] = marks[rows, second] = 1
        return {"inputs": np.stack([numbers, marks], -1), "targets": numbers[rows, first] + numbers[rows, second]}

    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        return {"always 1": {"test/mean_squared_error": 1 / 6, "test/root_mean_squared_error": math.sqrt(1 / 6)}}


@final
@described
@dataclasses.dataclass(frozen=True)
class CopyMemory(Task):
    """The copying problem in the form of Arjovsky, Shah and Bengio 2016 (arXiv:1511.06464, section 4.1).

    Inputs are (examples, delay + 2 * symbols) int32 ids: first `symbols` random ones of 0 to 7, then ``delay - 1``
    blanks (8), the sign to begin (9), and `symbols` blanks. Targets have as many steps: blanks (class 8), and after the
    sign the symbols in their order.

    A model that remembers nothing answers with blanks, and at the end with all eight symbols alike: a loss of
    ``symbols * ln(8) / (delay + 2 * symbols)`` nats for each step.
    """

    delay: int = static(100, "steps between the last symbol and the first answer", check=at_least(1))
    symbols: int = static(10, "how many symbols there are to remember", check=at_least(1))

    @property
    def requested(self) -> str:
        return "copy"

    @property
    def length(self) -> int:
        """Steps of one sequence."""
        return self.delay + 2 * self.symbols

    def spec(self, data_dir: Path) -> Spec:
        names = (*map(str, range(SYMBOLS)), "blank")
        ids = Preprocess(cast="none")
        return Spec((self.length,), "int32", ids, (self.length,), len(names), names, 0.0, vocabulary=SYMBOLS + 2)

    def generate(self, count: int, random: np.random.RandomState) -> Split:
        symbols = random.randint(0, SYMBOLS, (count, self.symbols))
        inputs, targets = np.full((2, count, self.length), BLANK, np.int32)
        inputs[:, : self.symbols] = symbols
        inputs[:, self.symbols + self.delay - 1] = GO
        targets[:, -self.symbols :] = symbols
        return {"inputs": inputs, "targets": targets}

    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        loss = self.symbols * math.log(SYMBOLS) / self.length
        right = 1 - self.symbols / self.length * (1 - 1 / SYMBOLS)
        return {"no memory": {"test/loss": loss, "test/perplexity": math.exp(loss), "test/accuracy": right}}


@final
@described
@dataclasses.dataclass(frozen=True)
class Parity(Task):
    """Whether the number of ones among the bits so far is odd, at every step or only at the end.

    Inputs are (examples, length, 1) uint8 bits, which are fair coins; targets are int32, 1 for odd: (examples, length),
    or with ``every_step=False`` (examples,), which is much harder to learn, since no shorter sequence helps. One
    forgotten bit makes the answer a coin: without memory of all of them a loss of ln 2 nats is the best.
    """

    length: int = static(32, "steps of one sequence", check=at_least(1))
    every_step: bool = static(True, "whether the answer is asked for at every step, or only after the last")

    @property
    def requested(self) -> str:
        return "parity"

    def spec(self, data_dir: Path) -> Spec:
        shape = (self.length,) if self.every_step else ()
        return Spec((self.length, 1), "uint8", Preprocess(), shape, 1, best_loss=0.0)

    def generate(self, count: int, random: np.random.RandomState) -> Split:
        bits = random.randint(0, 2, (count, self.length)).astype(np.uint8)
        odd = (np.cumsum(bits, 1) % 2).astype(np.int32)
        return {"inputs": bits[..., None], "targets": odd if self.every_step else odd[:, -1]}

    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        # The first answer needs no memory: it is the first bit.
        known = 1 / self.length if self.every_step else float(self.length == 1)
        return {"no memory": {"test/loss": (1 - known) * math.log(2), "test/accuracy": (1 + known) / 2}}
