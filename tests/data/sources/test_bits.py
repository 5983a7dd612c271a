from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.data import Bits, Preprocess
from jaxdl.errors import UserError

lags = st.lists(st.integers(1, 6), min_size=2, max_size=2, unique=True).map(tuple)


def sequences(split):
    """Joins inputs and targets, which overlap in all but one bit, to (examples, length + 1)."""
    return np.concatenate([split["inputs"][..., 0], split["targets"][:, -1:]], axis=1)


@given(lags=lags, length=st.integers(7, 20))
def test_without_noise_every_bit_follows_the_rule(lags, length):
    dataset = Bits(length=length, lags=lags, noise=0.0, train_examples=20, test_examples=10).load(None)
    for split in dataset.splits.values():
        bits = sequences(split)
        assert np.array_equal(split["targets"], bits[:, 1:])
        for t in range(max(lags), length + 1):
            assert np.array_equal(bits[:, t], bits[:, t - lags[0]] ^ bits[:, t - lags[1]])


def test_the_first_bits_are_fair_and_the_others_are_flipped_as_often_as_stated():
    bits = sequences(Bits(noise=0.1, train_examples=20_000, lags=(1, 3), validation=0).load(None).splits["train"])
    assert bits[:, :3].mean() == pytest.approx(0.5, abs=0.01)
    flipped = bits[:, 3:] ^ bits[:, 2:-1] ^ bits[:, :-3]
    assert flipped.mean() == pytest.approx(0.1, abs=0.003)


def bayes_loss(bits: np.ndarray, source: Bits) -> float:
    """Mean log loss, in nats a step, of the predictor that knows the rule and sees all earlier bits."""
    losses = []
    for t in range(1, source.length + 1):
        if t < max(source.lags):
            probability_of_one = np.full(len(bits), 0.5)
        else:
            rule = bits[:, t - source.lags[0]] ^ bits[:, t - source.lags[1]]
            probability_of_one = np.where(rule == 1, 1 - source.noise, source.noise)
        losses.append(-np.log(np.where(bits[:, t] == 1, probability_of_one, 1 - probability_of_one)))
    return float(np.mean(losses))


@pytest.mark.parametrize(
    "source",
    [Bits(), Bits(noise=0.3, lags=(2, 5), length=12), Bits(noise=0.5, lags=(1, 2)), Bits(noise=0.01, lags=(4, 1))],
)
def test_the_best_loss_is_what_the_bayes_predictor_reaches(source):
    source = dataclasses.replace(source, train_examples=40_000, validation=0)
    dataset = source.load(None)
    assert bayes_loss(sequences(dataset.splits["train"]), source) == pytest.approx(dataset.spec.best_loss, rel=0.01)


def test_the_best_loss_at_the_edges():
    assert Bits(noise=0.0, lags=(1, 3), length=10).best_loss == pytest.approx(2 * math.log(2) / 10)
    assert Bits(noise=0.5).best_loss == pytest.approx(math.log(2))


def test_the_set_is_described_and_fixed_for_good():
    dataset = Bits().load(None)
    train = dataset.splits["train"]
    assert dataset.spec.input_shape == train["inputs"].shape[1:] == (32, 1)
    assert dataset.spec.target_shape == train["targets"].shape[1:] == (32,)
    assert (dataset.spec.outputs, dataset.spec.preprocess) == (1, Preprocess())
    assert train["inputs"].dtype == np.uint8
    assert dataset.fingerprint == "c00a366c98dcff3c8b92ca469c32ea5f0f0d9a4867857b9fc7f4f14c9428ee56"


def test_train_and_test_come_from_different_streams():
    splits = Bits(noise=0.5, validation=0).load(None).splits
    train, test = ({row.tobytes() for row in sequences(splits[name]).astype(np.uint8)} for name in ("train", "test"))
    assert not train & test


def test_a_sequence_shorter_than_the_lags_is_refused():
    with pytest.raises(UserError, match=r"data.length=3: must be greater than both of data.lags=1,3"):
        Bits(length=3).load(None)
