"""Folders of sounds with faults: each is named with its file, or left out, counted and listed."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxdl
from jaxdl.errors import UserError
from tests.data.recordings import FAULTS, classes, tone, write_wav


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def read(root: Path, **fields: Any) -> tuple[jaxdl.Dataset, str]:
    """Returns the source's own splits, which need no spectrogram, and what was said."""
    lines: list[str] = []
    dataset = jaxdl.Audio(str(root), **fields).read(Path(), lines.append)
    return dataset, "\n".join(lines)


sounds = st.fixed_dictionaries(
    {
        "writer": st.sampled_from(
            ["wave", "WAV/PCM_24", "WAV/FLOAT", "WAV/ULAW", "FLAC/PCM_16", "FLAC/PCM_24", "OGG/VORBIS"]
        ),
        "rate": st.sampled_from([8000, 11025, 16000, 44100]),
        "width": st.integers(1, 4),
        "channels": st.integers(1, 2),
        "samples": st.integers(50, 900),
        "fault": st.one_of(st.none(), st.none(), st.sampled_from(sorted(FAULTS))),
    }
)


def write(path: Path, drawn: dict[str, Any], seed: int) -> Path:
    """Writes a drawn sound, or what is wrong in its place; returns its path."""
    if drawn["fault"]:
        path = path.with_suffix(".wav")
        FAULTS[drawn["fault"]][0](path)
        return path
    random = np.random.RandomState(seed)
    sound = random.uniform(-0.9, 0.9, (drawn["samples"], drawn["channels"]))
    if drawn["writer"] == "wave":
        write_wav(path.with_suffix(".wav"), sound, drawn["rate"], drawn["width"])
        return path.with_suffix(".wav")
    kind, _, subtype = drawn["writer"].partition("/")
    path = path.with_suffix(f".{kind.lower()}")
    soundfile.write(path, sound, drawn["rate"], subtype=subtype)
    return path


@settings(max_examples=8, deadline=None)
@given(drawn=st.lists(sounds, min_size=2, max_size=8), rate=st.sampled_from([None, 8000]))
def test_whatever_lies_in_a_folder_is_read_or_named(drawn, rate):
    with tempfile.TemporaryDirectory() as folder:
        root, bad = Path(folder) / "set", []
        for number, each in enumerate(drawn):
            for_class = root / "ab"[number % 2]
            for_class.mkdir(parents=True, exist_ok=True)
            path = write(for_class / f"{number}", each, number)
            if each["fault"]:
                bad.append(path)
        left = [{number % 2 for number, each in enumerate(drawn) if not each["fault"]}, {0, 1}]
        if bad:
            with pytest.raises(UserError) as stopped:
                read(root, rate=rate)
            assert any(str(path) in str(stopped.value) for path in bad)
        if left[0] != left[1]:
            with pytest.raises(UserError, match="none of the sounds of the (class|split)"):
                read(root, rate=rate, on_bad="skip")
            return
        found, said = read(root, rate=rate, on_bad="skip")
        assert all(str(path) in said for path in bad)
        assert (f"{len(bad)} of the files or classes cannot be used" in said) == bool(bad)
        train = found.splits["train"]
        assert len(train["inputs"]) == len(drawn) - len(bad)
        for path in bad:
            path.unlink()
        assert read(root, rate=rate)[0].fingerprint == found.fingerprint
        good = [each for each in drawn if not each["fault"]]
        own = sorted(range(len(good)), key=lambda row: [n % 2 for n, e in enumerate(drawn) if not e["fault"]][row])
        for row, number in enumerate(own):
            expected = good[number]["samples"] * found.spec.rate / good[number]["rate"]
            most = found.spec.input_shape[0]
            assert abs(train["lengths"][row] - min(expected, most)) <= 1


@pytest.mark.parametrize(
    ("write_fault", "message"),
    [
        (lambda folder: os.symlink(folder / "nowhere.wav", folder / "low" / "x.wav"), "x.wav: the link leads nowhere"),
        (lambda folder: os.symlink("x.wav", folder / "low" / "x.wav"), "x.wav: "),
        (lambda folder: os.mkfifo(folder / "low" / "x.wav"), "x.wav: this is not a file"),
        (lambda folder: write_wav(folder / "x.wav", tone()), "x.wav: the sound lies in no folder of a class"),
        (lambda folder: (folder / "empty").mkdir(), "the folder of the class 'empty' has no sound"),
        (lambda folder: (folder / "low" / "notes.txt").write_text("no sound"), "notes.txt: this is no sound file"),
    ],
)
def test_what_is_no_sound_stops_or_is_left_out_and_listed(tmp_path, write_fault, message):
    root = classes(tmp_path / "set", each=3)
    expected = read(root)[0].fingerprint
    write_fault(root)
    with pytest.raises(UserError, match=re.escape(message)):
        read(root)
    found, said = read(root, on_bad="skip")
    assert found.fingerprint == expected and message in said


def test_hidden_files_and_those_of_a_system_are_passed_over(tmp_path):
    root = classes(tmp_path / "set", each=3)
    expected = read(root)[0].fingerprint
    (root / "low" / "._0.wav").write_bytes(b"macOS")
    (root / "__MACOSX" / "low").mkdir(parents=True)
    (root / "README.md").write_text("about")
    assert read(root)[0].fingerprint == expected


def test_names_without_a_label_stop_or_are_left_out(tmp_path):
    for number in range(4):
        write_wav(tmp_path / f"{'ab'[number % 2]}_{number}.wav", tone(hertz=200 + number))
    write_wav(tmp_path / "other.wav", tone())
    pattern = "^(?P<label>[ab])_"
    with pytest.raises(UserError, match="other.wav: --data.label_pattern finds no label in this name"):
        read(tmp_path, label_pattern=pattern)
    found, said = read(tmp_path, label_pattern=pattern, on_bad="skip")
    assert len(found.splits["train"]["inputs"]) == 4 and "other.wav" in said


def test_one_channel_that_is_not_finite_is_found_before_channels_are_averaged(tmp_path):
    root = classes(tmp_path / "set", each=3)
    sound = np.zeros((50, 2), np.float32)
    sound[7, 1] = np.nan
    soundfile.write(root / "low" / "x.wav", sound, 8000, subtype="FLOAT")
    with pytest.raises(UserError, match="x.wav: sample 7 is nan"):
        read(root)
