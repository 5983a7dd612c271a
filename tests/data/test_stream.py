"""Arrays that stay on disk: indexed, gone through and remembered as arrays in memory are."""

from __future__ import annotations

import os
import shutil

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from jaxdl import MLP, Adam, Experiment, SoftmaxCrossEntropy, Training, train
from jaxdl.data import ArrayFile, Arrays, Folder, Tfds, fingerprint
from jaxdl.data import stream as module
from jaxdl.data.npy import opened
from jaxdl.data.statistics import mean_and_deviation, of_bytes
from jaxdl.data.stream import Streamed, blocks, concatenated, is_large, is_streamed, parts, remembered
from jaxdl.errors import UserError
from tests.data.pictures import classes, gray


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def on_disk(path, array):
    np.save(path, array)
    return opened(path)


def both(source, data_dir=None, **fields):
    """Loads a set into memory, and so that inputs stay on disk."""
    found = []
    for stream in ("off", "on"):
        lines: list[str] = []
        found.append(type(source)(**vars(source) | {"stream": stream}).load(data_dir, lines.append))
    return found


def check_same(memory, disk):
    assert not memory.streamed and disk.streamed
    assert (memory.fingerprint, memory.spec, memory.train_examples) == (
        disk.fingerprint,
        disk.spec,
        disk.train_examples,
    )
    assert memory.splits.keys() == disk.splits.keys()
    for name, split in memory.splits.items():
        assert is_streamed(disk.splits[name]["inputs"])
        for key, array in split.items():
            found = np.asarray(disk.splits[name][key])
            assert found.dtype == array.dtype and np.array_equal(found, array)


KEYS = st.one_of(
    st.slices(20),
    st.lists(st.booleans(), min_size=20, max_size=20).map(np.array),
    st.lists(st.integers(-1, 19), min_size=1).map(np.array),
)


@hypothesis.given(first=KEYS, data=st.data())
def test_ranges_masks_and_numbers_choose_what_numpy_chooses(tmp_path_factory, first, data):
    array = np.arange(60).reshape(20, 3)
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    if isinstance(first, np.ndarray) and first.dtype != bool:
        first = first % 20
    part, expected = on_disk(path, array)[first], array[first]
    again = data.draw(st.lists(st.booleans(), min_size=len(expected), max_size=len(expected)).map(np.array))
    again = again.astype(bool)
    assert (part.shape, part.ndim, part.size, part.nbytes) == (
        expected.shape,
        expected.ndim,
        expected.size,
        expected.nbytes,
    )
    assert np.array_equal(np.asarray(part), expected)
    assert np.array_equal(np.asarray(part[again]), expected[again])


def test_one_example_is_an_array_and_columns_are_refused(tmp_path):
    array = np.arange(60).reshape(20, 3)
    found = on_disk(tmp_path / "a.npy", array)
    assert np.array_equal(found[-1], array[-1]) and len(list(found)) == 20
    with pytest.raises(TypeError, match="indexed by its examples alone"):
        found[:, 0]


@hypothesis.given(
    count=st.integers(1, 200), size=st.integers(1, 5), part=st.integers(1, 100), kind=st.sampled_from(["u1", "f4"])
)
def test_statistics_and_fingerprints_are_those_from_memory_to_the_bit(tmp_path_factory, count, size, part, kind):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PART_BYTES", part)
        patch.setattr("jaxdl.data.statistics._PART", part)
        array = (np.random.RandomState(count).rand(count, size) * 255).astype(kind)
        found = on_disk(tmp_path_factory.mktemp("npy") / "a.npy", array)
        assert mean_and_deviation(found) == mean_and_deviation(array)
        assert fingerprint({"inputs": found}) == fingerprint({"inputs": array})
        if kind == "u1":
            assert of_bytes(found, 1 / 255) == of_bytes(array, 1 / 255)


def test_a_split_in_memory_is_one_block_and_one_on_disk_several(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PART_BYTES", 8 * 24)
    array, targets = np.arange(60.0).reshape(20, 3), np.arange(20)
    [(first, block)] = blocks({"inputs": array, "targets": targets})
    assert first == 0 and block["inputs"] is array
    streamed = on_disk(tmp_path / "a.npy", array)
    found = list(blocks({"inputs": streamed, "targets": targets}))
    assert [first for first, _ in found] == [0, 8, 16]
    assert np.array_equal(np.concatenate([block["inputs"] for _, block in found]), array)
    assert np.array_equal(np.concatenate([block["targets"] for _, block in found]), targets)
    assert [len(part) for part in parts(array, 7)] == [7, 7, 6]


def test_an_answer_is_remembered_until_the_file_changes(tmp_path):
    asked = []

    def ask(array, what="sum"):
        def find():
            asked.append(what)
            return float(np.asarray(array).sum())

        return remembered(what, {"inputs": array}, find)

    array = on_disk(tmp_path / "a.npy", np.ones(5))
    assert [ask(array), ask(opened(tmp_path / "a.npy")), ask(array[:4]), ask(array, "other")] == [5, 5, 4, 5]
    assert asked == ["sum", "sum", "other"]
    changed = on_disk(tmp_path / "a.npy", np.full(5, 2.0))
    os.utime(tmp_path / "a.npy", ns=(1, 1))
    assert ask(changed) == 10
    assert remembered("in memory", {"inputs": np.ones(3)}, lambda: 1) == 1
    assert remembered("in memory", {"inputs": np.ones(3)}, lambda: 2) == 2


def test_a_damaged_answer_is_found_again(tmp_path):
    array = on_disk(tmp_path / "a.npy", np.ones(5))
    assert remembered("sum", {"": array}, lambda: 5) == 5
    [file] = (tmp_path / "cache" / "jaxdl" / "data" / "streams").iterdir()
    file.write_text('{"what": "sum", "fou')
    assert remembered("sum", {"": array}, lambda: 6) == 6


def test_arrays_in_a_file_or_a_folder_are_the_same_from_disk(tmp_path):
    random = np.random.RandomState(0)
    arrays = {
        "inputs": random.randn(60, 4),
        "targets": random.randint(0, 3, 60),
        "weights": random.rand(60),
    }
    np.savez(tmp_path / "a.npz", **arrays)
    check_same(*both(ArrayFile(path=str(tmp_path / "a.npz"))))
    (tmp_path / "folder").mkdir()
    for name, array in arrays.items():
        np.save(tmp_path / "folder" / f"{name}.npy", array)
    memory, disk = both(ArrayFile(path=str(tmp_path / "folder")))
    check_same(memory, disk)
    assert memory.fingerprint == both(ArrayFile(path=str(tmp_path / "a.npz")))[0].fingerprint


def test_ids_and_lengths_are_checked_from_disk(tmp_path):
    random = np.random.RandomState(0)
    arrays = {
        "inputs": random.randint(0, 50, (40, 6)),
        "lengths": random.randint(1, 7, 40),
        "targets": np.arange(40) % 2,
    }
    np.savez(tmp_path / "a.npz", **arrays)
    memory, disk = both(ArrayFile(path=str(tmp_path / "a.npz"), ids=True))
    check_same(memory, disk)
    assert disk.spec.vocabulary == 50
    arrays["inputs"][33, 0] = -2
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match="example 33 has a negative id, -2"):
        ArrayFile(path=str(tmp_path / "a.npz"), ids=True, stream="on").load(None, print)


def test_numbers_that_are_not_finite_are_found_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PART_BYTES", 100)
    inputs = np.zeros((50, 4), np.float32)
    inputs[[17, 40], 2] = np.nan
    np.savez(tmp_path / "a.npz", inputs=inputs, targets=np.arange(50) % 2)
    with pytest.raises(UserError, match="inputs of 2 of 50 examples hold NaN or infinity, first in example 17"):
        ArrayFile(path=str(tmp_path / "a.npz"), stream="on").load(None, print)


def test_compressed_arrays_say_the_way_out(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", inputs=np.zeros((9, 2)), targets=np.arange(9) % 2)
    with pytest.raises(UserError, match=r"'inputs' compressed.*save it with np\.savez.*--data\.stream=off"):
        ArrayFile(path=str(tmp_path / "a.npz"), stream="on").load(None, print)


def test_pictures_in_a_folder_are_the_same_from_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxdl.data.folders.on_disk.PART_BYTES", 2000)
    memory, disk = both(Folder(path=str(classes(tmp_path / "set", 9)), size=16))
    check_same(memory, disk)
    assert disk.splits["train"]["inputs"].shape[1:] == (16, 16, 3)


def test_pictures_that_would_fill_the_disk_are_decoded_again_each_time(tmp_path, monkeypatch):
    root = classes(tmp_path / "set", 9)
    (root / "red" / "3.png").write_bytes(b"no picture")
    source = Folder(path=str(root), size=16, on_bad="skip", stream="on")
    memory = Folder(**vars(source) | {"stream": "off", "size": 16}).load(None, lambda line: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    monkeypatch.setattr("jaxdl.data.folders.on_disk._DISK_SHARE", 0)
    for _ in range(2):
        lines: list[str] = []
        disk = source.load(None, lines.append)
        check_same(memory, disk)
        assert "26 pictures" not in lines[0] and "decoded again in each epoch" in lines[0]
        assert any("red/3.png" in line for line in lines)
    assert not list((tmp_path / "other").rglob("*.npy"))
    (root / "blue" / "1.png").unlink()
    with pytest.raises(UserError, match=r"blue/1\.png"):
        np.asarray(disk.splits["train"]["inputs"])


def test_gray_pictures_have_one_channel_from_disk_too(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxdl.data.folders.on_disk.PART_BYTES", 2000)
    for split in ("train", "test"):
        for name in ("a", "b"):
            for number in range(5):
                gray(tmp_path / "set" / split / name / f"{number}.png", 10 * number)
    classes(tmp_path / "set" / "test", 2, ("a", "b"))  # in colour, beside and in the place of gray ones
    memory, disk = both(Folder(path=str(tmp_path / "set"), size=16))
    check_same(memory, disk)
    assert disk.spec.input_shape == (16, 16, 1)
    monkeypatch.setattr("jaxdl.data.folders.on_disk._DISK_SHARE", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    check_same(memory, Folder(path=str(tmp_path / "set"), size=16, stream="on").load(None, lambda line: None))


def test_bad_pictures_are_left_out_from_disk_too(tmp_path):
    root = classes(tmp_path / "set", 9)
    (root / "red" / "3.png").write_bytes(b"no picture")
    check_same(*both(Folder(path=str(root), size=16, on_bad="skip")))
    with pytest.raises(UserError, match=r"red/3\.png: this is not an image file"):
        Folder(path=str(root), size=8, stream="on").load(None, print)


def test_pictures_without_a_place_to_decode_them_to_say_the_way_out(tmp_path, monkeypatch):
    root = classes(tmp_path / "set", 9)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match="decoded to disk before: set XDG_CACHE_HOME"):
        Folder(path=str(root), stream="on").load(None, lambda line: None)


def test_a_prepared_set_is_the_same_from_disk(tmp_path, write_image_set, monkeypatch):
    monkeypatch.setattr("jaxdl.data.npy.PART_BYTES", 2000)
    write_image_set(tmp_path / "streamed", [(16, 12, 3)] * 40)
    write_image_set(tmp_path / "memory", [(16, 12, 3)] * 40)
    disk = Tfds("tiny", stream="on").load(tmp_path / "streamed", lambda line: None)
    check_same(Tfds("tiny", stream="off").load(tmp_path / "memory", lambda line: None), disk)
    check_same(Tfds("tiny", stream="off").load(tmp_path / "streamed", lambda line: None), disk)


def test_a_prepared_set_that_would_fill_the_disk_is_decoded_again_each_time(tmp_path, write_image_set, monkeypatch):
    write_image_set(tmp_path / "memory", [(16, 12, 3)] * 40)
    write_image_set(tmp_path / "streamed", [(16, 12, 3)] * 40)
    memory = Tfds("tiny", stream="off").load(tmp_path / "memory", lambda line: None)
    usage = type(shutil.disk_usage(tmp_path))(1, 1, 3000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    for _ in range(2):
        lines: list[str] = []
        check_same(memory, Tfds("tiny", stream="on").load(tmp_path / "streamed", lines.append))
        assert "decoded again in each epoch" in lines[0]
    assert not list((tmp_path / "streamed").rglob("*.npy"))


@pytest.mark.slow
def test_a_prepared_set_trains_to_the_same_bits_from_disk(tmp_path, write_image_set, monkeypatch):
    monkeypatch.setattr("jaxdl.data.chunks.CHUNK_BYTES", 7_000)
    write_image_set(tmp_path / "data", [(8, 8, 3)] * 70)
    found = []
    for stream in ("on", "off"):
        made = Experiment(
            "t",
            Tfds("tiny", stream=stream),
            MLP(features=(8,)),
            SoftmaxCrossEntropy(),
            Adam(),
            training=Training(epochs=2, batch_size=16),
        )
        summary = train(made, run_dir=tmp_path / stream, data_dir=tmp_path / "data", notify=None)
        found.append((summary["params_sha256"], summary["data"], summary["metrics"]))
    assert found[0] == found[1]


def test_only_large_sets_are_streamed_by_themselves(monkeypatch):
    monkeypatch.setattr("jaxdl.backend.memory.free_host_memory", lambda: 10e9)
    for device, least in ((20e9, 4e9), (5e9, 3e9)):
        monkeypatch.setattr("jaxdl.backend.memory.free_memory", lambda device=device: device)
        assert [is_large(size) for size in (1e6, least - 1, least + 1)] == [False, False, True]


def test_arrays_in_memory_are_brought_to_the_device_in_parts_where_it_is_small(monkeypatch):
    source = Arrays(train=(np.zeros((30, 2)), np.arange(30) % 2), test=(np.zeros((9, 2)), np.arange(9) % 2))
    lines: list[str] = []
    assert not source.load(None, lines.append).streamed and not lines
    monkeypatch.setattr("jaxdl.data.source.is_large_for_device", lambda size: True)
    assert source.load(None, lines.append).streamed
    assert lines == [
        "arrays: 0.00 GB of examples are brought to the device in parts, while the model is trained "
        "(--data.stream=auto)."
    ]


def test_streamed_arrays_are_known(tmp_path):
    array = on_disk(tmp_path / "a.npy", np.zeros(3))
    assert is_streamed(array) and isinstance(array, Streamed) and not is_streamed(np.zeros(3))


def test_splits_of_other_lengths_are_not_padded_on_disk(tmp_path):
    ones = {f"{name}_{key}": np.ones(9, int) for name in ("train", "test") for key in ("lengths", "targets")}
    np.savez(tmp_path / "a.npz", train_inputs=np.zeros((9, 4, 2)), test_inputs=np.zeros((9, 6, 2)), **ones)
    with pytest.raises(UserError, match=r"4 and 6 steps: give all 6, since .*or --data\.stream=off"):
        ArrayFile(path=str(tmp_path / "a.npz"), outputs=3, stream="on").load(None, print)


@hypothesis.given(counts=st.lists(st.integers(0, 6), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_streamed_arrays_one_after_another_are_read_as_one(tmp_path_factory, counts, seed):
    folder = tmp_path_factory.mktemp("npy")
    arrays = [np.random.RandomState(seed + place).rand(count, 2) for place, count in enumerate(counts)]
    found = concatenated([on_disk(folder / f"{place}.npy", array) for place, array in enumerate(arrays)])
    expected = np.concatenate(arrays)
    assert is_streamed(found) and found.shape == expected.shape
    assert np.array_equal(np.asarray(found), expected)
    if len(expected):
        numbers = np.random.RandomState(seed).randint(0, len(expected), 9)
        assert np.array_equal(np.asarray(found[numbers]), expected[numbers])
    assert not is_streamed(concatenated(arrays)) and np.array_equal(concatenated(arrays), expected)
