"""The generated series: a sine, noise of the stated size, and the error that no forecast can be below."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from jaxdl.data import DATA, Sine


def series(source: Sine) -> np.ndarray:
    train = source.load().splits["train"]
    return np.append(train["inputs"][:, 0, 0], train["targets"][-1])


def test_it_is_a_sine_and_normal_noise() -> None:
    source = Sine(period=30, noise=0.3, rows=5000, window=1, validation=0)
    values = series(source)
    noise = values - np.sin(2 * np.pi * np.arange(len(values)) / 30)
    assert scipy.stats.kstest(noise, scipy.stats.norm(0, 0.3).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 0.05
    assert np.mean(noise**2) == pytest.approx(source.best_error, rel=0.05)


def test_without_noise_the_next_value_is_known() -> None:
    train = Sine(period=25, noise=0, window=2, rows=300).load().splits["train"]
    # sin(a + d) = 2 cos(d) sin(a) - sin(a - d)
    expected = 2 * np.cos(2 * np.pi / 25) * train["inputs"][:, 1, 0] - train["inputs"][:, 0, 0]
    np.testing.assert_allclose(train["targets"], expected, atol=1e-6)


def test_it_is_named_and_fixed_for_good() -> None:
    assert DATA.make("sine") == Sine()
    assert Sine().load().fingerprint == "b546449210f284a39a9a545aa8baea63929b644b017fba43b8b417064357a30f"
