"""Random changes of sequences of numbers."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
import scipy.stats

import jaxdl
from jaxdl.data import Preprocess, Sine, Spec
from jaxdl.errors import UserError

MEAN, DEVIATION = (5.0, -100.0), (2.0, 30.0)
WINDOWS = np.random.default_rng(0).normal(MEAN, DEVIATION, (800, 6, 2)).astype(np.float32)
PREPROCESS = Preprocess(mean=MEAN, deviation=DEVIATION)
STANDARD = (WINDOWS - np.array(MEAN)) / np.array(DEVIATION)
SEQUENCES = Spec((6, 2), "float32", Preprocess(), (), 3)


def changed(**fields: float) -> np.ndarray:
    batch = {"inputs": jax.numpy.asarray(WINDOWS), "targets": jax.numpy.zeros(800)}
    got = jaxdl.SeriesAugmentation(**fields).apply(batch, PREPROCESS, jax.random.key(0))
    assert got["targets"] is batch["targets"]
    return np.asarray(got["inputs"])


def test_nothing_is_changed_unless_asked_for() -> None:
    np.testing.assert_allclose(changed(), STANDARD, rtol=1e-5, atol=1e-5)


def test_jitter_is_normal_noise_of_each_number_by_itself() -> None:
    noise = changed(jitter=0.3) - STANDARD
    assert scipy.stats.kstest(noise.ravel(), scipy.stats.norm(0, 0.3).cdf).pvalue > 1e-3
    flat = noise.reshape(800, 12)
    assert np.abs(np.corrcoef(flat.T) - np.eye(12)).max() < 0.2


def test_scaling_is_one_normal_factor_for_all_steps_of_a_column() -> None:
    factors = changed(scaling=0.2) / STANDARD
    np.testing.assert_allclose(factors, np.broadcast_to(factors[:, :1], factors.shape), rtol=1e-3, atol=1e-3)
    assert scipy.stats.kstest(factors[:, 0].ravel(), scipy.stats.norm(1, 0.2).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(factors[:, 0].T)[0, 1]) < 0.15


def test_both_are_drawn_apart() -> None:
    noise = changed(jitter=0.3, scaling=0.2) - changed(scaling=0.2)
    np.testing.assert_allclose(noise, changed(jitter=0.3) - STANDARD, atol=1e-4)


@pytest.mark.parametrize(
    ("fields", "spec", "message"),
    [
        ({"jitter": 0.1}, Spec((4,), "float32", Preprocess(), (), 2), r"augmentation\.jitter=0\.1: needs sequences"),
        ({"scaling": 0.1}, Spec((4,), "int32", Preprocess(cast="none"), (), 2), r"\(4,\) and holds ids"),
        ({"scaling": 0.1}, Sine(rows=200).load().spec, r"augmentation\.scaling=0\.1: the window of a forecast"),
    ],
)
def test_what_it_cannot_change_is_refused(fields: Any, spec: Spec, message: str) -> None:
    jaxdl.SeriesAugmentation().check(spec)
    with pytest.raises(UserError, match=message):
        jaxdl.SeriesAugmentation(**fields).check(spec)


def test_sequences_of_numbers_may_be_changed() -> None:
    jaxdl.SeriesAugmentation(jitter=0.1, scaling=0.1).check(SEQUENCES)
    jaxdl.SeriesAugmentation(jitter=0.1).check(Sine(rows=200).load().spec)
