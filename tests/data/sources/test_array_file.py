from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.data import DATA, ArrayFile
from jaxdl.errors import UserError
from jaxdl.experiment.config import from_config, to_config

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(50, 4))
LABELS = np.repeat(["a", "b"], 25)


def load(path: Path, **fields) -> jaxdl.Dataset:
    return ArrayFile(str(path), **fields).load(None, lambda line: None)


def test_a_name_makes_it() -> None:
    assert DATA.make("arrays:a/b.npz") == ArrayFile("a/b.npz")
    assert DATA.make("arrays") == jaxdl.Arrays()
    assert DATA.name_of(ArrayFile("a")) == "array_file"


def test_one_set_is_cut_with_its_share_of_each_class(tmp_path) -> None:
    np.savez(tmp_path / "a.npz", inputs=INPUTS, targets=LABELS, weights=np.arange(50))
    dataset = load(tmp_path / "a.npz", test=0.4)
    assert dataset.spec.class_names == ("a", "b")
    counts = {name: np.bincount(split["targets"]).tolist() for name, split in dataset.splits.items()}
    assert counts == {"train": [13, 13], "validation": [2, 2], "test": [10, 10]}
    rows = np.concatenate([split["inputs"] for split in dataset.splits.values()])
    weights = np.concatenate([split["weights"] for split in dataset.splits.values()])
    np.testing.assert_array_equal(rows[np.argsort(weights)], INPUTS.astype(np.float32))


@pytest.mark.parametrize(
    "names",
    [
        ("train_inputs", "train_targets", "test_inputs", "test_targets"),
        ("x_train", "y_train", "x_test", "y_test"),
        ("X_train", "y_train", "X_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
    ],
)
def test_splits_are_told_by_the_names_of_the_arrays(tmp_path, names) -> None:
    arrays = (INPUTS[:40], np.arange(40) % 3, INPUTS[40:], np.arange(10) % 3)
    np.savez(tmp_path / "a.npz", **dict(zip(names, arrays, strict=True)))
    dataset = load(tmp_path / "a.npz", validation=0)
    reference = jaxdl.Arrays(train=arrays[:2], test=arrays[2:], validation=0).load(None)
    assert dataset.fingerprint == reference.fingerprint
    assert dataset.spec == reference.spec
    for name in ("train", "test"):
        np.testing.assert_array_equal(dataset.splits[name]["inputs"], reference.splits[name]["inputs"])


def test_a_validation_split_of_its_own_is_kept(tmp_path) -> None:
    parts = {"train": 30, "val": 12, "test": 8}
    arrays = {f"x_{name}": INPUTS[:count] for name, count in parts.items()}
    arrays |= {f"y_{name}": INPUTS[:count, 0] for name, count in parts.items()}
    np.savez(tmp_path / "a.npz", **arrays)
    dataset = load(tmp_path / "a.npz")
    assert {name: len(split["inputs"]) for name, split in dataset.splits.items()} == {
        "train": 30,
        "validation": 12,
        "test": 8,
    }
    assert dataset.spec.target.mean[0] == pytest.approx(INPUTS[:30, 0].mean(), abs=1e-6)
    assert load(tmp_path / "a.npz", standardize=False).spec.target.mean == ()


def test_sequences_have_lengths(tmp_path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((6, 5, 2)), y=[0, 1] * 3, lengths=[5, 4, 3, 2, 1, 0])
    assert load(tmp_path / "a.npz").spec.lengths


def test_the_config_is_enough_to_load_it_again(tmp_path) -> None:
    experiment = jaxdl.Experiment(
        name="own",
        data=ArrayFile("~/a.npz", scale=0.5),
        model=jaxdl.MLP(),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
    )
    assert from_config(to_config(experiment)) == experiment


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"inputs": INPUTS}, "targets are missing"),
        ({"inputs": INPUTS, "target": LABELS}, "an array 'target', which is none that training reads.*inputs, targets"),
        ({"inputs": INPUTS, "y_train": LABELS}, "'inputs' for one set and 'y_train' for a split"),
        ({"x": INPUTS, "inputs": INPUTS, "y": LABELS}, "two arrays for the inputs of train"),
        ({"x_test": INPUTS, "y_test": LABELS}, "has no arrays of train"),
        ({"inputs": INPUTS, "targets": LABELS[:7]}, "targets of shape .7,. does not have one entry for each of the 50"),
        ({"inputs": np.array([{}, {}]), "targets": [0, 1]}, "cannot be read as an .npz file: Object arrays cannot be"),
        ({"inputs": np.where(INPUTS > 0, np.inf, 1), "targets": LABELS}, "NaN or infinity"),
    ],
)
def test_arrays_that_are_no_data_set_are_refused(tmp_path, arrays, words) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=words):
        load(tmp_path / "a.npz")


def test_files_that_are_no_archive_are_refused(tmp_path) -> None:
    np.save(tmp_path / "a.npy", INPUTS)
    with pytest.raises(UserError, match="one array without a name"):
        load(tmp_path / "a.npy")
    with pytest.raises(UserError, match=r"none.npz cannot be read: No such file"):
        load(tmp_path / "none.npz")
    with pytest.raises(UserError, match="--data=arrays:FILE.npz"):
        ArrayFile().load(None)
    stream = io.BytesIO()
    np.savez(stream, inputs=INPUTS, targets=LABELS)
    (tmp_path / "cut.npz").write_bytes(stream.getvalue()[:-100])
    with pytest.raises(UserError, match="cut.npz cannot be read as an .npz file"):
        load(tmp_path / "cut.npz")
