from __future__ import annotations

import numpy as np
import pytest

import jaxdl
from jaxdl.data import DATA
from jaxdl.errors import UserError
from jaxdl.fields import check_value, own_fields
from tests.data.recordings import classes, tone, write_wav


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "jaxdl" / "data"


def load(root, lines=None, **fields):
    return jaxdl.Audio(str(root), **fields).load(notify=(lines if lines is not None else []).append)


def sizes(dataset):
    return {name: len(split["inputs"]) for name, split in dataset.splits.items()}


def test_sub_folders_are_classes_and_validation_and_test_are_cut_from_each(tmp_path):
    dataset = load(classes(tmp_path / "set", each=10), bands=20)
    assert dataset.spec.class_names == ("high", "low", "middle") and dataset.spec.lengths
    assert sizes(dataset) == {"train": 21, "validation": 3, "test": 6}
    for name, each in (("train", 7), ("validation", 1), ("test", 2)):
        assert np.bincount(dataset.splits[name]["targets"]).tolist() == [each] * 3
    assert dataset.spec.model_shape == (1 + dataset.spec.input_shape[0] // 80, 20)
    assert dataset.requested == dataset.used == f"audio:{tmp_path / 'set'}"


def test_a_folder_of_sounds_is_named_as_kind_and_path():
    assert DATA.make("audio:~/sounds") == jaxdl.Audio("~/sounds")
    with pytest.raises(UserError, match="audio:PATH"):
        DATA.make("sounds:x")


def test_names_give_labels_the_test_split_and_speakers_that_stay_together(tmp_path):
    speakers = ("ann", "bob", "cid", "dan")
    for label in "0123":
        for speaker in speakers:
            for number in range(4):
                name = f"{label}_{speaker}_{number}.wav"
                write_wav(tmp_path / name, tone(0.03, hertz=200 + 500 * int(label) + 10 * number + len(name)))
    pattern = r"(?P<label>\d)_(?P<group>[a-z]+)_"
    dataset = load(tmp_path, label_pattern=pattern, test_pattern=r"_0\.wav$", validation=0.25, bands=8)
    assert sizes(dataset) == {"train": 36, "validation": 12, "test": 16}  # one speaker of four
    assert dataset.spec.class_names == ("0", "1", "2", "3")
    assert sizes(load(tmp_path, label_pattern=pattern, bands=8))["test"] == 16  # groups for test, too


def test_decoded_sounds_are_kept_and_read_again_when_a_file_changes(tmp_path, cache):
    root = classes(tmp_path, each=5)
    lines: list[str] = []
    again: list[str] = []
    first = load(root, lines)
    assert "The decoded sounds are kept in" in lines[0] and len(list(cache.iterdir())) == 1
    kept = load(root, again)
    assert kept.fingerprint == first.fingerprint and kept.spec == first.spec
    assert again == lines[1:]  # what is to be said of the sounds is said each time
    assert load(root, bands=8).fingerprint == first.fingerprint  # the spectrogram is none of what is kept
    write_wav(root / "low" / "0.wav", tone(0.04, hertz=333))
    assert load(root).fingerprint != first.fingerprint


def test_fields_that_do_not_fit_are_refused(tmp_path):
    root = classes(tmp_path, each=4)
    with pytest.raises(UserError, match="test_pattern: it goes with data.label_pattern"):
        load(root, test_pattern="x")
    with pytest.raises(UserError, match="there is no such folder.*give the folder of the sounds as --data=audio:PATH"):
        load(tmp_path / "absent")
    with pytest.raises(UserError, match="this is a file; give the folder of the sounds"):
        load(root / "low" / "0.wav")
    with pytest.raises(UserError, match="The sounds of each class lie in a sub-folder.*--data.label_pattern=PATTERN"):
        load(root / "low")
    for name, value in {"rate": 0, "seconds": 0.0, "label_pattern": "(", "test_pattern": "[", "bands": 0}.items():
        (field,) = [field for field in own_fields(jaxdl.Audio()) if field.path == name]
        with pytest.raises(UserError):
            check_value(field, value)
