from __future__ import annotations

import io
import struct
import tarfile
import wave

import numpy as np
import pytest

from jaxdl.data import Tfds
from jaxdl.data.tfds.archives import manual_dir
from jaxdl.data.tfds.examples import read_examples
from jaxdl.data.tfds.sounds import spoken_digits, waveform
from jaxdl.errors import UserError

ARCHIVE = "free-spoken-digit-dataset-1.0.9.tar.gz"


def wav(samples, *, channels=1, width=2, rate=8000):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(samples)
    return file.getvalue()


@pytest.fixture(scope="module")
def digits(real_data):
    return real_data / "spoken_digit" / ARCHIVE


def test_all_recordings_are_those_of_the_archive_in_the_order_of_tfds(digits, tmp_path):
    manual = manual_dir(tmp_path)
    manual.mkdir(parents=True)
    (manual / ARCHIVE).symlink_to(digits)
    train = read_examples("spoken_digit", tmp_path, print)["train"]
    assert {key: len(values) for key, values in train.items()} == {"audio": 2500, "audio/filename": 2500, "label": 2500}
    # The first ones that TFDS itself, with TensorFlow, writes.
    first = ["2_nicolas_23.wav", "1_nicolas_0.wav", "9_theo_30.wav", "9_yweweler_4.wav", "7_nicolas_22.wav"]
    assert train["audio/filename"][:5] == first
    assert np.bincount(train["label"]).tolist() == [250] * 10
    with tarfile.open(digits) as archive:
        for row in (0, 1, 2499):
            member = archive.extractfile(f"free-spoken-digit-dataset-1.0.9/recordings/{train['audio/filename'][row]}")
            content = member.read()  # type: ignore[union-attr]
            at = content.index(b"data") + 8
            (size,) = struct.unpack("<I", content[at - 4 : at])
            np.testing.assert_array_equal(train["audio"][row], np.frombuffer(content[at : at + size], "<i2"))
            assert train["audio"][row].dtype == np.int16
    assert [path.name for path in tmp_path.iterdir()] == ["downloads"]


def test_sounds_are_not_trained_on_and_it_is_said_before_anything_is_downloaded(tmp_path):
    with pytest.raises(UserError, match=r"spoken_digit: its inputs, audio, are sounds.*read_examples.*jaxdl\.Arrays"):
        Tfds("spoken_digit").load(tmp_path, print)
    assert list(tmp_path.iterdir()) == []


def test_without_archive_and_network_it_is_said_what_was_tried(tmp_path):
    with pytest.raises(
        UserError, match=rf"spoken_digit is not available: .*no connection.*Way out: put {ARCHIVE} into"
    ):
        read_examples("spoken_digit", tmp_path, print, mirror="http://no-such-host.invalid")


def test_a_waveform_is_read_as_written():
    samples = np.array([0, 1, -1, 32767, -32768], np.int16)
    read, rate = waveform(wav(samples.tobytes(), rate=11025))
    np.testing.assert_array_equal(read, samples)
    assert (str(read.dtype), rate) == ("int16", 11025)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (wav(bytes(8), channels=2), "2 channels of 16 bits"),
        (wav(bytes(8), width=1), "1 channels of 8 bits"),
        (wav(bytes(20))[:-6], "cut short, with 7 of 10 samples"),
        (b"RIFF", r"cannot be read \("),
    ],
)
def test_an_archive_with_another_recording_is_named(tmp_path, content, words):
    path = tmp_path / ARCHIVE
    with tarfile.open(path, "w:gz") as archive:
        about = tarfile.TarInfo("x/recordings/3_theo_0.wav")
        about.size = len(content)
        archive.addfile(about, io.BytesIO(content))
    with pytest.raises(UserError, match=words) as error:
        spoken_digits(path)
    assert str(path) in str(error.value) and "Replace it with the original" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08"])
def test_a_file_that_is_no_archive_is_named(tmp_path, content):
    (tmp_path / ARCHIVE).write_bytes(content)
    with pytest.raises(UserError, match="Replace it with the original"):
        spoken_digits(tmp_path / ARCHIVE)
