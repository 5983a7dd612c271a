"""The log-mel spectrogram of a sound, computed in the compiled step.

Conventions are librosa's (https://librosa.org/doc/latest/generated/librosa.feature.melspectrogram.html, version 1.0):
frames are centred on multiples of the hop with zeros outside of the sound, a periodic Hann window in the middle of the
frame, the power spectrum, Slaney's mel scale with triangles of area 1 (``htk=False``, ``norm="slaney"``). Then the
natural logarithm of the power, or of the floor where that is larger; librosa's ``power_to_db`` gives 10 log10 instead.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

# Slaney's scale is linear up to 1 kHz, where it has the value 15, and logarithmic above.
_BREAK_HERTZ, _BREAK_MEL = 1000.0, 15.0
_MEL_PER_HERTZ = _BREAK_MEL / _BREAK_HERTZ
_LOG_STEP = math.log(6.4) / 27


def hertz_to_mel(hertz: np.ndarray) -> np.ndarray:
    """Returns frequencies on the mel scale of Slaney's Auditory Toolbox (1998): 3/200 a hertz up to 1 kHz, then log."""
    above = _BREAK_MEL + np.log(np.maximum(hertz, _BREAK_HERTZ) / _BREAK_HERTZ) / _LOG_STEP
    return np.where(hertz < _BREAK_HERTZ, hertz * _MEL_PER_HERTZ, above)


def mel_to_hertz(mel: np.ndarray) -> np.ndarray:
    """Returns the frequencies for which `hertz_to_mel` returns the given numbers."""
    above = _BREAK_HERTZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel / _MEL_PER_HERTZ, above)


def mel_bank(rate: int, transform: int, bands: int, low: float, high: float) -> np.ndarray:
    """Returns the weights of each frequency in each band: triangles between equal steps of mel, each of area 1 in Hz.

    Args:
        rate: samples a second.
        transform: size of the Fourier transform.
        bands: number of bands.
        low, high: lower end of the first band and upper end of the last one, in Hz.

    Returns:
        (transform // 2 + 1, bands) float32.
    """
    first, last = hertz_to_mel(np.array([low, high])).tolist()
    edges = mel_to_hertz(np.linspace(first, last, bands + 2))
    frequencies = np.arange(transform // 2 + 1)[:, None] * (rate / transform)
    rising = (frequencies - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - frequencies) / np.diff(edges)[1:]
    triangles: np.ndarray = np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])
    return triangles.astype(np.float32)


def log_mel(
    waves: jax.Array,
    lengths: jax.Array | None,
    *,
    rate: int,
    window: int,
    hop: int,
    transform: int,
    bands: int,
    low: float,
    high: float,
    floor: float,
) -> jax.Array:
    """Returns the log-mel spectrograms of sounds; the first ``1 + length // hop`` frames are those of the sound itself.

    Samples past a sound's length count as zeros whatever they are, so that a frame does not depend on the padding.

    Args:
        waves: (batch, samples) float32.
        lengths: (batch,) integers, number of valid samples; None: all are valid.
        rate: samples a second.
        window: samples of the window, at most `transform`.
        hop: samples from one frame to the next.
        transform: size of the Fourier transform, to which frames are filled up with zeros.
        bands: number of mel bands.
        low, high: ends of the bands, in Hz.
        floor: smallest power, above 0.

    Returns:
        (batch, 1 + samples // hop, bands) float32.
    """
    if lengths is not None:
        waves = jnp.where(jnp.arange(waves.shape[1]) < lengths[:, None], waves, 0)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)  # periodic, as for spectra
    windowed = _frames(waves, window, hop, transform) * hann.astype(np.float32)
    spectrum = jnp.fft.rfft(windowed, transform)
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    # In full precision: by default a GPU would round the powers to 10 bits here.
    mel = jnp.matmul(power, mel_bank(rate, transform, bands, low, high), precision=jax.lax.Precision.HIGHEST)
    return jnp.log(jnp.maximum(mel, floor))


def _frames(waves: jax.Array, window: int, hop: int, transform: int) -> jax.Array:
    """Returns the samples under the window of each frame, (batch, frames, window).

    They are slices of whole hops side by side: a gather of single samples takes many times as long on a CPU.
    """
    batch, samples = waves.shape
    frames, hops = 1 + samples // hop, -(-window // hop)
    before = transform // 2 - (transform - window) // 2  # from the first sample of the window to the frame's centre
    width = (frames + hops - 1) * hop
    padded = jnp.pad(waves, ((0, 0), (before, max(0, width - before - samples))))[:, :width]
    blocks = padded.reshape(batch, -1, hop)
    side_by_side = [blocks[:, first : first + frames] for first in range(hops)]
    return jnp.concatenate(side_by_side, -1)[..., :window]
