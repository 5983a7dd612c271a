from __future__ import annotations

import numpy as np
import pytest
import scipy.io.wavfile

from jaxdl.data.folders.listing import list_folder
from jaxdl.data.folders.sounds import SOUNDS, decode, samples_for
from jaxdl.errors import UserError
from tests.data.recordings import FAULTS, classes, riff, tone, write_wav


def decoded(root, rate=None, seconds=None, skip=False):
    return decode(list_folder(root, SOUNDS), rate, seconds, lambda line: None, skip=skip)


def test_sounds_are_stored_in_16_bits_with_lengths_as_the_files_hold_them(tmp_path):
    found = decoded(classes(tmp_path, each=3), seconds=1)
    train = found.splits["train"]
    assert train["inputs"].shape == (9, 8000) and train["inputs"].dtype == np.int16
    assert train["lengths"].tolist() == [320, 336, 352] * 3 and train["lengths"].dtype == np.int32
    assert train["targets"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2] and found.spec.class_names == (
        "high",
        "low",
        "middle",
    )
    assert found.spec.rate == 8000 and found.spec.preprocess.scale == 1 / 32768
    for row, file in enumerate(sorted(tmp_path.rglob("*.wav"))):
        _, numbers = scipy.io.wavfile.read(file)
        assert np.array_equal(train["inputs"][row, : len(numbers)], numbers)
        assert not train["inputs"][row, len(numbers) :].any()
    assert found.lines == ("Sounds are 0.04 to 0.044 s long, half of them up to 0.042 s; none is cut.",)


def test_the_length_is_that_which_95_of_100_sounds_of_train_do_not_exceed(tmp_path):
    assert samples_for(np.arange(1, 101), 8000, None) == 96  # NumPy counts from the 0th percentile
    assert samples_for(np.array([5]), 8000, None) == 5
    assert samples_for(np.array([5]), 8000, 0.5) == 4000
    for number in range(40):
        write_wav(tmp_path / "ab"[number % 2] / f"{number}.wav", tone(0.01 if number < 39 else 0.1, hertz=100 + number))
    found = decoded(tmp_path)
    assert found.spec.input_shape == (80,) and found.splits["train"]["lengths"].max() == 80
    assert "1 of 40 are cut after 0.01 s (the 95th percentile of train)" in found.lines[0]


def test_the_rate_is_that_of_most_files_of_train_and_others_are_resampled(tmp_path):
    classes(tmp_path / "train", each=4, rate=16000)
    write_wav(tmp_path / "train" / "low" / "other.wav", tone(0.05, 44100, 300), 44100)
    classes(tmp_path / "test", each=20, rate=8000)
    found = decoded(tmp_path)
    assert found.spec.rate == 16000
    assert found.splits["test"]["lengths"][0] == 640
    text = "8,000 Hz (60 sounds), 16,000 Hz (12 sounds), 44,100 Hz (1 sounds); all are resampled to 16,000 Hz"
    assert text in found.lines[0]
    assert decoded(tmp_path, rate=8000).spec.rate == 8000


def test_a_sound_that_cannot_be_decoded_has_no_say_in_the_rate(tmp_path):
    for name in "ab":
        write_wav(tmp_path / name / "0.wav", tone(0.03, 16000, 300), 16000)
    for number in range(3):
        FAULTS["NaN"][0](tmp_path / "a" / f"bad_{number}.wav")  # of 8,000 samples a second
    assert decoded(tmp_path, skip=True).spec.rate == 16000


def test_channels_are_averaged_and_counted(tmp_path):
    classes(tmp_path, each=3)
    sound = np.stack([tone(0.05), np.zeros(400)], 1)
    held = write_wav(tmp_path / "low" / "0.wav", sound)
    found = decoded(tmp_path)
    row = found.splits["train"]["inputs"][3]
    assert np.abs(row[:352] / 32768 - held.mean(1)[:352]).max() <= 0.5 / 32768
    assert found.lines[0] == "1 of 9 sounds have several channels, which are averaged."


def test_a_sound_beyond_full_scale_is_stored_whole_at_its_scale(tmp_path):
    classes(tmp_path, each=3)
    loud = (tone(0.04) * 8).astype(np.float32)
    scipy.io.wavfile.write(tmp_path / "low" / "0.wav", 8000, loud)
    found = decoded(tmp_path, seconds=0.04)
    heard = found.splits["train"]["inputs"] * found.spec.preprocess.scale
    assert np.abs(heard[3] - loud).max() <= 4 / 32767 / 2 + 1e-7
    _, quiet = scipy.io.wavfile.read(tmp_path / "low" / "1.wav")
    assert np.abs(heard[4] - quiet[:320] / 32768).max() <= 4 / 32767 / 2 + 1e-7
    assert "The loudest sound reaches 4 times full scale" in found.lines[1]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_cannot_be_used_stops_or_is_left_out_and_listed(tmp_path, fault):
    expected = decoded(classes(tmp_path, each=3))
    FAULTS[fault][0](tmp_path / "low" / "bad.wav")
    with pytest.raises(UserError, match=rf"bad.wav: .*({FAULTS[fault][1]}).*--data.on_bad=skip"):
        decoded(tmp_path)
    found = decoded(tmp_path, skip=True)
    assert found.fingerprint == expected.fingerprint and found.spec == expected.spec
    assert (
        "1 of the files or classes cannot be used and are left out" in found.lines[-2] and "bad.wav" in found.lines[-1]
    )


def test_a_class_of_which_nothing_is_left_is_named(tmp_path):
    classes(tmp_path, each=3)
    riff(tmp_path / "silent" / "a.wav", b"")
    with pytest.raises(UserError, match="none of the sounds of the class 'silent' can be read"):
        decoded(tmp_path, skip=True)


def test_sounds_that_would_not_fit_into_the_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxdl.backend.memory.free_host_memory", lambda: 1000)
    with pytest.raises(UserError, match=r"9 sounds take .* GB of memory at 8,000 Hz.*smaller --data.rate"):
        decoded(classes(tmp_path, each=3))
