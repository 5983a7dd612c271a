from __future__ import annotations

import io
import tarfile
import wave

import numpy as np
import pytest

import jaxdl
from jaxdl.data import DATA
from jaxdl.data.sources import spoken_digit
from jaxdl.data.tfds.archives import manual_dir
from jaxdl.data.tfds.obtain import Unavailable
from jaxdl.errors import UserError

ARCHIVE = "free-spoken-digit-dataset-1.0.9.tar.gz"


def recordings(numbers=range(8), speakers=("ann", "bob")):
    names = [f"{digit}_{who}_{number}.wav" for number in numbers for who in speakers for digit in range(10)]
    random = np.random.RandomState(0)
    sounds = [random.randint(-9000, 9000, 400 + 10 * row).astype(np.int16) for row in range(len(names))]
    return {"audio": sounds, "audio/filename": names, "label": [int(name[0]) for name in names]}


@pytest.fixture
def obtained(monkeypatch):
    """Makes the set available as these recordings."""
    found = recordings()
    monkeypatch.setattr(spoken_digit, "obtained_examples", lambda request: {"train": found})
    return found


def test_recordings_0_to_4_of_each_speaker_and_digit_are_the_test_split(obtained, tmp_path):
    lines: list[str] = []
    dataset = jaxdl.SpokenDigit(seconds=1.0, bands=20, validation=0.2).load(tmp_path, lines.append)
    assert {name: len(split["inputs"]) for name, split in dataset.splits.items()} == {
        "train": 50,  # of 3 numbers, 2 speakers and 10 digits one of each digit is for validation
        "validation": 10,
        "test": 100,
    }
    for split in dataset.splits.values():
        assert len(set(np.bincount(split["targets"]))) == 1
    test = dataset.splits["test"]
    for row in range(100):
        sound = obtained["audio"][row]
        assert np.array_equal(test["inputs"][row, : len(sound)], sound) and test["lengths"][row] == len(sound)
        assert test["targets"][row] == obtained["label"][row]
    assert dataset.spec.rate == 8000 and dataset.spec.model_shape == (101, 20)
    assert lines == ["Sounds are 0.05 to 0.249 s long, half of them up to 0.149 s; none is cut."]


def test_recordings_are_cut_at_the_95th_percentile_of_train_and_resampled_where_asked(obtained, tmp_path):
    lines: list[str] = []
    dataset = jaxdl.SpokenDigit(rate=16000).load(tmp_path, lines.append)
    lengths = sorted(len(sound) for sound in obtained["audio"][100:])
    assert dataset.spec.input_shape == (2 * lengths[int(np.ceil(0.95 * 59))],)
    assert dataset.spec.rate == 16000 and "(the 95th percentile of train)" in lines[0]


def test_it_has_the_name_that_tfds_gives_it():
    assert DATA.make("spoken_digit") == jaxdl.SpokenDigit()


def test_a_name_that_is_none_of_a_recording_is_refused(obtained, tmp_path):
    obtained["audio/filename"][3] = "other.wav"
    with pytest.raises(UserError, match="'other.wav' is no name of a recording"):
        jaxdl.SpokenDigit().load(tmp_path, lambda line: None)


def test_where_it_is_not_available_words_of_vowels_stand_in_and_are_loudly_named(monkeypatch, tmp_path):
    def fail(request):
        raise Unavailable(["no archive"], "connect to the network")

    monkeypatch.setattr(spoken_digit, "obtained_examples", fail)
    lines: list[str] = []
    dataset = jaxdl.SpokenDigit(bands=12, rate=16000).load(tmp_path, lines.append)
    assert dataset.substituted and dataset.used == "vowels" and dataset.requested == "spoken_digit"
    assert (
        dataset.spec.model_shape[1] == 12 and "STAND-IN DATA: no figure of this run is about spoken_digit" in lines[0]
    )
    assert "no recordings" in lines[0] and "no archive" in lines[0]
    with pytest.raises(UserError, match="no archive. Way out: connect to the network, or use --data.fallback=embedded"):
        jaxdl.SpokenDigit(fallback="none").load(tmp_path, lines.append)


@pytest.mark.slow
def test_the_original_archive_is_read_as_its_files_are(real_data, tmp_path):
    manual = manual_dir(tmp_path)
    manual.mkdir(parents=True)
    (manual / ARCHIVE).symlink_to(real_data / "spoken_digit" / ARCHIVE)
    dataset = jaxdl.SpokenDigit(seconds=3.0).load(tmp_path, lambda line: None)
    assert {name: len(split["inputs"]) for name, split in dataset.splits.items()} == {
        "train": 2030,
        "validation": 220,
        "test": 250,
    }
    test = dataset.splits["test"]
    held = {row[:length].tobytes() for row, length in zip(test["inputs"], test["lengths"], strict=True)}
    with tarfile.open(real_data / "spoken_digit" / ARCHIVE) as archive:
        files = {member.name.rpartition("/")[2]: member for member in archive if member.name.endswith(".wav")}
        for name in ("0_george_0.wav", "7_jackson_4.wav", "9_yweweler_3.wav"):
            content = archive.extractfile(files[name])
            assert content is not None
            with wave.open(io.BytesIO(content.read())) as file:
                assert file.readframes(file.getnframes()) in held
