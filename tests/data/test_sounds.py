from __future__ import annotations

import sys

import numpy as np
import pytest
import scipy.io.wavfile
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxdl.data.preprocess import Preprocess
from jaxdl.data.sounds import find_sounds, load_sound, load_sounds, packed, quantized, read_header
from jaxdl.data.spec import Spec
from jaxdl.errors import UserError
from tests.data.recordings import FAULTS, riff, tone, write_wav

drawn = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@drawn
@given(
    width=st.integers(1, 4),
    channels=st.integers(1, 5),
    rate=st.sampled_from([4000, 8000, 11025, 16000, 22050, 44100, 48000, 96000]),
    samples=st.integers(1, 300),
    seed=st.integers(0, 999),
)
def test_pcm_of_every_width_and_any_channels_is_what_was_written(tmp_path, width, channels, rate, samples, seed):
    sound = np.random.RandomState(seed).uniform(-1, 1, (samples, channels))
    held = write_wav(tmp_path / "a.wav", sound, rate, width).reshape(samples, channels)
    found = load_sound(tmp_path / "a.wav", rate)
    assert found.dtype == np.float32 and found.shape == (samples,)
    np.testing.assert_allclose(found, held.mean(1), atol=2e-7)
    header = read_header(tmp_path / "a.wav")
    assert (header.rate, header.channels, header.samples) == (rate, channels, samples)


@pytest.mark.parametrize(
    ("name", "subtype", "error"),
    [
        ("a.flac", "PCM_16", 2**-16),
        ("a.flac", "PCM_24", 2**-24),
        ("a.wav", "FLOAT", 0),
        ("a.wav", "DOUBLE", 1e-7),
        ("a.wav", "ULAW", 0.02),
        ("a.ogg", "VORBIS", 0.1),
        ("a.aiff", "PCM_16", 2**-15),
    ],
)
def test_other_formats_are_read_as_floats(tmp_path, name, subtype, error):
    sound = tone(0.5, 16000).astype(np.float32)
    soundfile.write(tmp_path / name, sound, 16000, subtype=subtype)
    found = load_sound(tmp_path / name, 16000)
    assert found.shape == sound.shape and np.abs(found - sound).max() <= error


def test_floats_beyond_full_scale_stay(tmp_path):
    scipy.io.wavfile.write(tmp_path / "a.wav", 8000, np.array([0, 2.5, -3], np.float32))
    assert load_sound(tmp_path / "a.wav", 8000).tolist() == [0, 2.5, -3]


@pytest.mark.parametrize(("rate", "to"), [(44100, 16000), (8000, 16000), (48000, 8000), (16000, 11025)])
def test_another_rate_keeps_what_is_heard_and_no_more(tmp_path, rate, to):
    """Against the sine itself: what lies below half of the new rate is kept, what lies above is gone."""
    time, later = np.arange(rate) / rate, np.arange(to) / to
    low, high = 0.4 * np.sin(2 * np.pi * 440 * time), 0.4 * np.sin(2 * np.pi * 0.47 * rate * time)
    write_wav(tmp_path / "a.wav", low + high * (to < rate), rate, width=4)
    found = load_sound(tmp_path / "a.wav", to)
    assert len(found) == to
    inside = slice(to // 10, -to // 10)  # the ends differ by up to 2 %
    np.testing.assert_allclose(found[inside], 0.4 * np.sin(2 * np.pi * 440 * later)[inside], atol=1e-4)


def test_a_sound_of_a_few_samples_at_a_much_lower_rate_has_one(tmp_path):
    write_wav(tmp_path / "a.wav", np.array([0.5, 0.25]), 96000)
    assert load_sound(tmp_path / "a.wav", 1000).shape == (1,)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_cannot_be_used_is_named_with_the_cause(tmp_path, fault):
    write, message = FAULTS[fault]
    write(tmp_path / "bad.wav")
    with pytest.raises(UserError, match=f"bad.wav: .*({message})"):
        load_sound(tmp_path / "bad.wav", 8000)


def test_flac_that_is_damaged_or_cut_short_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.flac", tone(1), 8000)
    content = (tmp_path / "a.flac").read_bytes()
    for name, damaged in (("cut", content[: len(content) // 2]), ("other", content[:-200] + b"\xa5" * 200)):
        (tmp_path / f"{name}.flac").write_bytes(damaged)
        with pytest.raises(UserError, match=f"{name}.flac: "):
            load_sound(tmp_path / f"{name}.flac", 8000)


def test_a_stream_of_unknown_size_is_read_whole(tmp_path):
    path = riff(tmp_path / "a.wav", np.arange(100, dtype="<i2").tobytes(), 2**32 - 1)
    assert (load_sound(path, 8000) * 32768).tolist() == list(range(100))


def test_a_file_that_is_not_there_or_must_not_be_read_is_named(tmp_path):
    with pytest.raises(UserError, match="none.wav.*[Nn]o such file"):
        load_sound(tmp_path / "none.wav", 8000)


@given(numbers=st.lists(st.integers(-32768, 32767), min_size=1, max_size=50))
def test_numbers_of_16_bits_are_kept_as_they_are(numbers):
    wave = np.array(numbers, np.float32) / 32768
    assert quantized(wave, 1 / 32768).tolist() == numbers
    found = packed([quantized(wave, 1 / 32768), wave], 30, 1 / 32768)
    assert found["inputs"].dtype == np.int16 and found["lengths"].tolist() == [min(30, len(numbers))] * 2
    padded = numbers[:30] + [0] * (30 - len(numbers))
    assert found["inputs"].tolist() == [padded, padded]


def test_sounds_are_read_for_a_model_as_it_was_trained(tmp_path):
    spec = Spec((100,), "int16", Preprocess(2 / 32768), (), 2, ("a", "b"), lengths=True, rate=8000)
    held = [write_wav(tmp_path / "b" / f"{n}.wav", tone(n / 1000, level=0.9)) for n in (10, 20)]
    (tmp_path / "b" / "notes.txt").write_text("no sound")
    files = find_sounds(tmp_path)
    assert [file.name for file in files] == ["10.wav", "20.wav"]
    inputs, lengths = load_sounds(files, spec)
    assert inputs.shape == (2, 100) and lengths.tolist() == [80, 100]
    np.testing.assert_allclose(inputs[0, :80] * spec.preprocess.scale, held[0], atol=2 / 32768)
    assert not inputs[0, 80:].any()
    with pytest.raises(UserError, match=r"sounds were given, but the inputs of this model have shape \(4,\)"):
        load_sounds(files, Spec((4,), "float32", Preprocess(), (), 2))


@pytest.mark.parametrize("name", ["soundfile", "soxr"])
def test_a_package_that_is_not_installed_is_named_with_the_extra(tmp_path, monkeypatch, name):
    write_wav(tmp_path / "a.wav", tone(), 16000)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=rf"reading sounds needs .*: pip install {name} \(jaxdl's extra 'sound'\)\.$"):
        load_sound(tmp_path / "a.wav", 8000)
