"""Generated tasks: the answers follow from the inputs, and the stated baselines are what constant answers reach."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.data import DATA, Adding, CopyMemory, Parity
from jaxdl.data.sources.tasks import BLANK, GO, Task

MANY = {"train_examples": 20_000, "validation": 0.0}
SIZES = st.fixed_dictionaries({"train_examples": st.integers(2, 30), "test_examples": st.integers(1, 9)})


@given(length=st.integers(2, 40), sizes=SIZES)
def test_adding_marks_one_number_in_each_half_and_asks_for_their_sum(length, sizes) -> None:
    for split in Adding(length=length, validation=0, **sizes).load().splits.values():
        numbers, marks = split["inputs"][..., 0], split["inputs"][..., 1]
        assert split["inputs"].dtype == split["targets"].dtype == np.float32
        assert set(np.unique(marks)) <= {0, 1}
        assert (marks[:, : length // 2].sum(1) == 1).all()
        assert (marks[:, length // 2 :].sum(1) == 1).all()
        np.testing.assert_allclose((numbers * marks).sum(1), split["targets"], rtol=1e-6)
        assert ((numbers >= 0) & (numbers <= 1)).all()


def test_the_baseline_of_adding_is_the_error_of_the_best_constant() -> None:
    source = Adding(length=10, **MANY)
    dataset = source.load()
    error = np.mean((dataset.splits["train"]["targets"] - 1) ** 2)
    assert dataset.baselines["always 1"]["test/mean_squared_error"] == pytest.approx(error, rel=0.03)
    assert dataset.baselines["always 1"]["test/mean_squared_error"] == pytest.approx(0.167, abs=1e-3)
    assert dataset.spec.target.mean == ()  # the loss is in the unit of the sum


@given(delay=st.integers(1, 20), symbols=st.integers(1, 6), sizes=SIZES)
def test_copying_asks_for_the_symbols_after_the_sign(delay, symbols, sizes) -> None:
    dataset = CopyMemory(delay=delay, symbols=symbols, validation=0, **sizes).load()
    for split in dataset.splits.values():
        for inputs, targets in zip(split["inputs"].tolist(), split["targets"].tolist(), strict=True):
            assert len(inputs) == len(targets) == delay + 2 * symbols
            assert inputs.index(GO) == symbols + delay - 1
            assert inputs[symbols : symbols + delay - 1] == [BLANK] * (delay - 1)
            assert inputs[-symbols:] == [BLANK] * symbols
            assert targets == [BLANK] * (delay + symbols) + inputs[:symbols]
    assert dataset.spec.vocabulary == 10
    assert dataset.spec.class_names[BLANK] == "blank"


def test_the_baseline_of_copying_is_the_loss_of_blanks_and_then_all_symbols_alike() -> None:
    source = CopyMemory(delay=5, symbols=4, train_examples=2000, validation=0)
    targets = source.load().splits["train"]["targets"]
    answer = np.zeros((source.length, 9))
    answer[:-4, BLANK], answer[-4:, :BLANK] = 1, 1 / 8
    probability = answer[np.arange(source.length), targets]
    figures = source.baselines()["no memory"]
    assert figures["test/loss"] == pytest.approx(-np.log(probability).mean())
    assert figures["test/perplexity"] == pytest.approx(np.exp(-np.log(probability).mean()))
    first = np.where(np.arange(source.length) < source.length - 4, BLANK, 0)
    assert figures["test/accuracy"] == pytest.approx((first == targets).mean(), abs=0.01)


@given(length=st.integers(1, 30), sizes=SIZES)
def test_parity_is_that_of_the_bits_so_far(length, sizes) -> None:
    for every_step in (True, False):
        splits = Parity(length=length, every_step=every_step, validation=0, **sizes).load().splits
        for split in splits.values():
            odd = [[sum(row[: step + 1]) % 2 for step in range(length)] for row in split["inputs"][..., 0].tolist()]
            expected = np.array(odd) if every_step else np.array(odd)[:, -1]
            np.testing.assert_array_equal(split["targets"], expected)


@pytest.mark.parametrize("every_step", [True, False])
def test_the_baseline_of_parity_is_that_of_coins_once_a_bit_is_forgotten(every_step) -> None:
    figures = Parity(length=4, every_step=every_step).baselines()["no memory"]
    share = 3 / 4 if every_step else 1
    assert figures["test/loss"] == pytest.approx(share * math.log(2))
    assert figures["test/accuracy"] == pytest.approx(1 - share / 2)
    targets = Parity(length=4, every_step=every_step, **MANY).load().splits["train"]["targets"]
    assert targets.mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("name", "source", "digest"),
    [
        ("adding", Adding(), "09f168ae95f252756172e9e986417fac4812abffa9d38341792a3a86f814a648"),
        ("copy", CopyMemory(), "fc4c2af67b3099fac0440ac61fb82152d31676adb44b9d1f5e7d2203a06cff57"),
        ("parity", Parity(), "f31034144d77b84cb62923ea52cc066c7c3500dae669a698f4e21655e18a1d7a"),
    ],
)
def test_the_sets_are_named_and_fixed_for_good(name: str, source: Task, digest: str) -> None:
    assert DATA.make(name) == source
    dataset = source.load()
    assert dataset.fingerprint == digest
    assert dataset.spec.input_shape == dataset.splits["test"]["inputs"].shape[1:]
    assert dataset.spec.target_shape == dataset.splits["test"]["targets"].shape[1:]
    train, test = ({row.tobytes() for row in dataset.splits[split]["inputs"]} for split in ("train", "test"))
    assert not train & test
