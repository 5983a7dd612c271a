"""The log-mel spectrogram against SciPy's transform and a plain bank of filters, written from their definitions."""

from __future__ import annotations

import functools
import math

import jax
import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.ops.mel import hertz_to_mel, log_mel, mel_bank, mel_to_hertz

computed = jax.jit(
    functools.partial(log_mel, low=0.0),
    static_argnames=("rate", "window", "hop", "transform", "bands", "high", "floor"),
)


def plain_mel(hertz: float) -> float:
    return 3 * hertz / 200 if hertz < 1000 else 15 + 27 * math.log(hertz / 1000) / math.log(6.4)


def plain_hertz(mel: float) -> float:
    return 200 * mel / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


def plain_bank(rate: int, transform: int, bands: int, low: float, high: float) -> np.ndarray:
    first, last = plain_mel(low), plain_mel(high)
    edges = [plain_hertz(first + (last - first) * number / (bands + 1)) for number in range(bands + 2)]
    bank = np.zeros((transform // 2 + 1, bands))
    for band in range(bands):
        left, middle, right = edges[band : band + 3]
        for number in range(len(bank)):
            hertz = number * rate / transform
            if left <= hertz <= middle:
                bank[number, band] = (hertz - left) / (middle - left)
            elif middle < hertz <= right:
                bank[number, band] = (right - hertz) / (right - middle)
        bank[:, band] *= 2 / (right - left)  # area 1
    return bank


def reference(wave: np.ndarray, rate: int, window: int, hop: int, transform: int, bands: int, floor: float):
    """SciPy's spectra, which are centred on multiples of the hop with zeros outside, without their scaling."""
    hann = np.zeros(transform)
    before = (transform - window) // 2
    hann[before : before + window] = scipy.signal.get_window("hann", window)
    frames = 1 + len(wave) // hop
    padded = np.pad(wave.astype(np.float64), (transform // 2, transform + hop))
    spectrum = scipy.signal.stft(
        padded, window=hann, nperseg=transform, noverlap=transform - hop, boundary=None, padded=False
    )[2]
    power = np.abs(spectrum[:, :frames].T * hann.sum()) ** 2
    return np.log(np.maximum(power @ plain_bank(rate, transform, bands, 0, rate / 2), floor))


def sizes(rate, window, hop, transform, bands):
    return {"rate": rate, "window": window, "hop": hop, "transform": transform, "bands": bands}


@pytest.mark.parametrize(
    ("given", "samples"),
    [
        (sizes(8000, 50, 20, 64, 8), 333),
        (sizes(11025, 33, 40, 128, 5), 200),  # a hop longer than the window, which is odd, and a longer transform
        (sizes(16000, 64, 16, 64, 12), 64),
        (sizes(44100, 2, 1, 2, 1), 7),
        (sizes(8000, 80, 37, 256, 3), 1),  # less than a window
    ],
)
def test_it_equals_scipys_transform_and_a_plain_bank(given, samples):
    wave = np.random.RandomState(samples).uniform(-1, 1, samples).astype(np.float32)
    found = computed(wave[None], None, high=given["rate"] / 2, floor=1e-10, **given)
    assert found.shape == (1, 1 + samples // given["hop"], given["bands"])
    np.testing.assert_allclose(np.exp(found[0]), np.exp(reference(wave, floor=1e-10, **given)), rtol=2e-4, atol=2e-6)


def test_it_equals_the_reference_at_the_sizes_of_speech():
    rate, given = 16000, sizes(16000, 400, 160, 512, 80)
    time = np.arange(rate) / rate
    wave = (0.3 * np.sin(2 * np.pi * 440 * time) + 0.01 * np.sin(2 * np.pi * 3000 * time)).astype(np.float32)
    found = np.asarray(computed(wave[None], None, high=8000.0, floor=1e-6, **given))[0]
    np.testing.assert_allclose(found, reference(wave, floor=1e-6, **given), atol=2e-3)
    loudest = mel_to_hertz(np.linspace(0, hertz_to_mel(np.array(8000.0)), 82))[1 + found[50].argmax()]
    assert abs(loudest - 440) < 30
    assert found.min() == pytest.approx(math.log(1e-6))


@given(lengths=st.lists(st.integers(0, 400), min_size=4, max_size=4), seed=st.integers(0, 9))
def test_what_lies_past_the_length_changes_nothing(lengths, seed):
    waves = np.random.RandomState(seed).uniform(-1, 1, (4, 400)).astype(np.float32)
    found = computed(waves, np.array(lengths), high=4000.0, floor=1e-9, **sizes(8000, 50, 20, 64, 8))
    for row, length in enumerate(lengths):
        expected = reference(waves[row, :length], floor=1e-9, **sizes(8000, 50, 20, 64, 8))
        np.testing.assert_allclose(
            np.exp(found[row, : 1 + length // 20]), np.exp(expected), rtol=2e-4, atol=2e-6, err_msg=str(length)
        )


@pytest.mark.parametrize(
    ("rate", "transform", "bands", "low", "high"), [(8000, 256, 64, 0, 4000), (16000, 512, 40, 80, 7600)]
)
def test_the_bank_is_made_of_triangles_of_area_1(rate, transform, bands, low, high):
    bank = mel_bank(rate, transform, bands, low, high)
    np.testing.assert_allclose(bank, plain_bank(rate, transform, bands, low, high), atol=1e-7)
    fine = mel_bank(rate, transform * 64, bands, low, high)
    np.testing.assert_allclose(fine.sum(0) * rate / (transform * 64), 1, rtol=1e-2)


@given(hertz=st.floats(0, 48000))
def test_the_scale_is_that_of_slaneys_toolbox(hertz):
    assert float(hertz_to_mel(np.array(hertz))) == pytest.approx(plain_mel(hertz))
    assert float(mel_to_hertz(np.array(plain_mel(hertz)))) == pytest.approx(hertz, abs=1e-6)
