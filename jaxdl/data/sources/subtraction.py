"""Generated trees with a known answer: subtractions of digits, of which the brackets decide the result."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import final

import numpy as np

from jaxdl.data.preprocess import Preprocess
from jaxdl.data.source import Data, Notify
from jaxdl.data.spec import Dataset, Spec, Split, fingerprint
from jaxdl.data.trees.encoding import UNKNOWN, TreeFormat, encode
from jaxdl.data.trees.parsing import Tree
from jaxdl.fields import at_least, described, static

_TRAIN_SEED, _TEST_SEED = 1, 2
_DIGITS = 5


@final
@described
@dataclasses.dataclass(frozen=True)
class Subtraction(Data):
    """Trees of the digits 0 to 4: each node is the left child minus the right one, modulo 5.

    ``(4 (3 3) (4 (1 1) (2 2)))`` is 3 - (1 - 2) = 4. Subtraction is not associative, so the same digits in the same
    order have another result where brackets stand otherwise: a model has to follow the tree.

    Arrays are those of `Trees`; targets are the values of all nodes, (examples, nodes) int32. Shapes of trees and
    digits are random; train and test come from two fixed streams of random numbers and do not depend on an
    experiment's seed.
    """

    leaves: int = static(12, "the most digits of a tree; there are at least 2", check=at_least(2))
    train_examples: int = static(4000, "trees to train and validate on", check=at_least(2))
    test_examples: int = static(1000, "trees to test on", check=at_least(1))

    @property
    def requested(self) -> str:
        return "subtraction"

    def spec(self, data_dir: Path) -> Spec:
        nodes = 2 * self.leaves - 1
        digits = tuple(map(str, range(_DIGITS)))
        ids = max(UNKNOWN + 1 + _DIGITS, nodes)  # places of children are ids, too
        preprocess = Preprocess(cast="none")
        form = TreeFormat(digits)
        return Spec(
            (nodes, 3), "int32", preprocess, (nodes,), _DIGITS, digits, vocabulary=ids, trees=form, lengths=True
        )

    def known_examples(self, data_dir: Path) -> int:
        return self.train_examples + self.test_examples

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        spec = self.spec(data_dir)
        train = self._generate(spec, self.train_examples, _TRAIN_SEED)
        test = self._generate(spec, self.test_examples, _TEST_SEED)
        return Dataset(
            spec=spec,
            splits={"train": train, "test": test},
            requested=self.requested,
            used="subtraction",
            fingerprint=fingerprint(train, test),
            train_examples=self.train_examples,
        )

    def _generate(self, spec: Spec, count: int, seed: int) -> Split:
        random = np.random.RandomState(seed)  # its stream is the same in all versions of NumPy
        trees = [_tree(random, int(random.randint(2, self.leaves + 1))) for _ in range(count)]
        inputs, targets, lengths = encode(
            trees, spec.input_shape[0], lambda digit: int(digit) + UNKNOWN + 1, lambda label: int(label or 0)
        )
        return {"inputs": inputs, "targets": targets, "lengths": lengths}


def _tree(random: np.random.RandomState, leaves: int) -> Tree:
    """Returns a tree of random shape, made by joining two random neighbours until one is left."""
    tree = Tree([], [], [], [])
    digits = random.randint(_DIGITS, size=leaves)
    row = [tree.add(str(digit), str(digit), (), 0) for digit in digits]
    while len(row) > 1:
        at = int(random.randint(len(row) - 1))
        left, right = row[at : at + 2]
        value = (int(tree.labels[left] or 0) - int(tree.labels[right] or 0)) % _DIGITS
        row[at : at + 2] = [tree.add(str(value), None, (left, right), 0)]
    return tree
