"""Generated sequences of 0 and 1 with a known best possible prediction."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import final

import numpy as np

from jaxdl.data.preprocess import Preprocess
from jaxdl.data.source import Data, Notify
from jaxdl.data.spec import Dataset, Spec, fingerprint
from jaxdl.errors import UserError
from jaxdl.fields import at_least, described, static

_TRAIN_SEED, _TEST_SEED = 1, 2


def _check_lags(lags: tuple[int, int]) -> str | None:
    return None if len(set(lags)) == 2 and min(lags) >= 1 else "must be two different numbers of steps, each at least 1"


def _check_noise(noise: float) -> str | None:
    return None if 0 <= noise <= 0.5 else "must be a probability from 0 to 0.5"


@final
@described
@dataclasses.dataclass(frozen=True)
class Bits(Data):
    """Bit sequences in which each bit is the noisy exclusive or of two earlier ones; the model predicts the next bit.

    With lags (a, b) and m = max(a, b), the bits x_0 ... x_{m-1} are fair coins, and for t >= m

        x_t = x_{t-a} XOR x_{t-b} XOR f_t,    f_t = 1 with probability `noise`, independently of everything else.

    Inputs are x_0 ... x_{length-1}, (examples, length, 1) uint8; targets are the next bits x_1 ... x_{length},
    (examples, length) int32. A model returns one logit for each step, (batch, length, 1), for the next bit being 1.

    The smallest expected loss, in nats for each step, follows from the rule. By the chain rule, no prediction of x_t
    from x_0 ... x_{t-1} has an expected log loss below the conditional entropy of x_t. The targets x_1 ... x_{m-1} are
    fair coins, each of entropy ln 2. For every other target both x_{t-a} and x_{t-b} have been seen, so only f_t is
    unknown, of entropy H(p) = -p ln p - (1-p) ln(1-p) with p = `noise`. The mean over the steps is

        best_loss = ((m - 1) ln 2 + (length - m + 1) H(noise)) / length.

    A model that has learned the rule reaches it. Train and test come from two fixed streams of random numbers and
    do not depend on an experiment's seed. A few short sequences may occur in both. Without noise there are only 2^m
    different sequences, and every test sequence also occurs in train.
    """

    length: int = static(32, "steps of one sequence; more than the larger lag", check=at_least(2))
    noise: float = static(0.05, "probability that a bit is flipped, from 0 to 0.5", check=_check_noise)
    train_examples: int = static(8000, "sequences to train and validate on", check=at_least(2))
    test_examples: int = static(2000, "sequences to test on", check=at_least(1))
    lags: tuple[int, int] = static(
        (1, 3), "distances, in steps, to the two bits that decide the next one", check=_check_lags
    )

    @property
    def requested(self) -> str:
        return "bits"

    def spec(self, data_dir: Path) -> Spec:
        return Spec((self.length, 1), "uint8", Preprocess(), (self.length,), 1, best_loss=self.best_loss)

    def known_examples(self, data_dir: Path) -> int:
        return self.train_examples + self.test_examples

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        if self.length <= max(self.lags):
            raise UserError(
                f"data.length={self.length}: must be greater than both of data.lags={self.lags[0]},{self.lags[1]}."
            )
        train = self._generate(self.train_examples, _TRAIN_SEED)
        test = self._generate(self.test_examples, _TEST_SEED)
        return Dataset(
            spec=self.spec(data_dir),
            splits={"train": train, "test": test},
            requested=self.requested,
            used="bits",
            fingerprint=fingerprint(train, test),
            train_examples=self.train_examples,
        )

    @property
    def best_loss(self) -> float:
        """The smallest expected loss in nats for each step; derived above."""
        coins = max(self.lags) - 1
        return (coins * math.log(2) + (self.length - coins) * _entropy(self.noise)) / self.length

    def _generate(self, count: int, seed: int) -> dict[str, np.ndarray]:
        random = np.random.RandomState(seed)  # its stream is the same in all versions of NumPy
        start = max(self.lags)
        bits = np.empty((count, self.length + 1), np.uint8)
        bits[:, :start] = random.random_sample((count, start)) < 0.5
        flips = random.random_sample((count, self.length + 1)) < self.noise
        for t in range(start, self.length + 1):
            bits[:, t] = bits[:, t - self.lags[0]] ^ bits[:, t - self.lags[1]] ^ flips[:, t]
        return {"inputs": bits[:, :-1, None].copy(), "targets": bits[:, 1:].astype(np.int32)}


def _entropy(p: float) -> float:
    """Returns the entropy, in nats, of a coin that shows heads with probability `p`."""
    return -sum(q * math.log(q) for q in (p, 1 - p) if q > 0)
