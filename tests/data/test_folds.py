"""Cross-validation: which examples each fold validates on, compared with scikit-learn's splitters."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, StratifiedKFold, TimeSeriesSplit

import jaxdl
from jaxdl.data.folds import NEVER, assigned, rows_of
from jaxdl.data.stream import is_streamed
from jaxdl.errors import UserError


def sizes(found: np.ndarray, folds: int) -> list[int]:
    return np.bincount(found[found != NEVER], minlength=folds).tolist()


def split_of(labels: list[int]) -> dict[str, np.ndarray]:
    return {"inputs": np.arange(len(labels)), "targets": np.array(labels)}


@given(count=st.integers(2, 300), folds=st.integers(2, 12))
def test_each_example_validates_once_in_folds_of_the_same_size(count: int, folds: int) -> None:
    split = split_of([0] * count)
    if count < folds:
        with pytest.raises(UserError, match=f"only {count} examples"):
            assigned(split, folds, "example")
        return
    found = assigned(split, folds, "example")
    assert set(found) == set(range(folds))
    assert max(sizes(found, folds)) - min(sizes(found, folds)) <= 1
    for fold in range(folds):
        rows = rows_of(found, fold, "example")
        assert sorted([*rows.train, *rows.validation]) == list(range(count))


@given(labels=st.lists(st.integers(0, 4), min_size=10, max_size=200), folds=st.integers(2, 10))
def test_each_fold_has_its_share_of_each_class_as_with_scikit_learn(labels: list[int], folds: int) -> None:
    split, theirs = split_of(labels), StratifiedKFold(folds)
    found = assigned(split, folds, "class")
    assert max(sizes(found, folds)) - min(sizes(found, folds)) <= 1
    ours = [np.bincount(split["targets"][found == fold], minlength=5) for fold in range(folds)]
    assert (np.ptp(ours, axis=0) <= 1).all(), "of each class, folds differ by at most one example"
    if min(labels.count(label) for label in set(labels)) >= folds:
        parts = theirs.split(split["inputs"], split["targets"])
        expected = [np.bincount(split["targets"][test], minlength=5) for _, test in parts]
        assert np.array_equal(np.sort(ours, axis=0), np.sort(expected, axis=0))


@given(groups=st.lists(st.integers(0, 30), min_size=2, max_size=200), folds=st.integers(2, 8))
def test_groups_stay_whole_in_folds_of_the_sizes_of_scikit_learn(groups: list[int], folds: int) -> None:
    split = {**split_of(groups), "groups": np.array(groups)}
    if len(set(groups)) < folds:
        with pytest.raises(UserError, match="give fewer folds"):
            assigned(split, folds, "class")
        return
    found = assigned(split, folds, "class")
    assert all(len(set(found[split["groups"] == group])) == 1 for group in set(groups))
    theirs = [len(test) for _, test in GroupKFold(folds).split(split["inputs"], groups=groups)]
    assert sorted(sizes(found, folds)) == sorted(theirs)


@given(count=st.integers(3, 300), folds=st.integers(2, 12))
def test_folds_in_time_are_those_of_scikit_learn(count: int, folds: int) -> None:
    split = split_of([0] * count)
    if count <= folds:
        with pytest.raises(UserError, match="fewer folds"):
            assigned(split, folds, "time")
        return
    found = assigned(split, folds, "time")
    for fold, (train, test) in enumerate(TimeSeriesSplit(folds).split(split["inputs"])):
        rows = rows_of(found, fold, "time")
        assert rows.train.tolist() == train.tolist()
        assert rows.validation.tolist() == test.tolist()


def test_windows_of_a_series_predict_nothing_that_they_were_trained_on() -> None:
    source = jaxdl.Sine(rows=400, window=20, horizon=3, folds=4)
    folds = source.load_folds(Path())
    ends = []
    for dataset in folds:
        assert dataset.rows is not None
        last_trained = dataset.rows.train.max() + 20 + 3  # one past the last row that is predicted
        assert last_trained <= dataset.rows.validation.min() + 20
        ends.append(dataset.rows.validation.max())
        train = dataset.splits["train"]["inputs"].astype(np.float64)
        assert dataset.spec.preprocess.mean == pytest.approx((train.mean(),)), "the mean of this fold's train"
    assert np.all(np.diff(ends) > 0)
    tests = [dataset.splits["test"]["inputs"] for dataset in folds]
    assert all(np.array_equal(tests[0], test) for test in tests)


def test_statistics_are_those_of_the_train_part_of_a_fold() -> None:
    source = jaxdl.Diabetes(folds=5)
    for dataset in source.load_folds(Path()):
        train = dataset.splits["train"]["inputs"]
        numbers = np.array(dataset.spec.preprocess.deviation) != 1  # categories stay 0 or 1
        means = np.array(dataset.spec.preprocess.mean)
        assert np.allclose(means[numbers], train.mean(0, dtype=np.float64)[numbers], rtol=1e-6)
    whole = sum(len(dataset.splits["validation"]["inputs"]) for dataset in source.load_folds(Path()))
    assert whole == len(train) + len(dataset.splits["validation"]["inputs"])


def test_a_validation_split_of_the_source_is_dealt_out_as_well() -> None:
    def rows(first: int, count: int) -> dict[str, np.ndarray]:
        numbers = np.arange(first, first + count)
        return {"inputs": numbers[:, None].astype(np.float32), "targets": (numbers % 2).astype(np.int32)}

    source = jaxdl.Arrays(train=rows(0, 12), validate_on=rows(12, 6), test=rows(18, 4), folds=3)
    validated = [dataset.splits["validation"]["inputs"].ravel() for dataset in source.load_folds(Path())]
    assert sorted(np.concatenate(validated)) == list(range(18))
    assert [len(each) for each in validated] == [6, 6, 6]


def test_what_no_fold_can_be_is_refused() -> None:
    with pytest.raises(UserError, match="must be 0, or at least 2"):
        jaxdl.Digits(folds=1).load_folds(Path())
    with pytest.raises(UserError, match="a single training needs --data.fold=N, from 0 to 4"):
        jaxdl.Digits(folds=5).load()
    with pytest.raises(UserError, match="the folds are 0 to 4"):
        jaxdl.Digits(folds=5, fold=5).load()


def on_disk(folder: Path, **splits: tuple[int, int]) -> jaxdl.ArrayFile:
    """Writes splits of numbered examples, from the first to before the last, as files from which they are streamed."""
    folder.mkdir()
    for name, (first, stop) in splits.items():
        numbers = np.arange(first, stop)
        np.save(folder / f"{name}_inputs.npy", numbers[:, None].astype(np.float32))
        np.save(folder / f"{name}_targets.npy", (numbers % 2).astype(np.int64))
    return jaxdl.ArrayFile(path=str(folder), folds=3)


def test_folds_of_a_set_on_disk_are_those_of_the_set_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a validation split of its own is dealt out; only the examples that are asked for are read."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = on_disk(tmp_path / "set", train=(0, 20), validation=(20, 31), test=(31, 40))
    memory, disk = (dataclasses.replace(source, stream=stream).load_folds(Path()) for stream in ("off", "on"))
    for one, other in zip(memory, disk, strict=True):
        assert other.streamed and not one.streamed
        assert (one.spec, one.fingerprint, one.train_examples) == (other.spec, other.fingerprint, other.train_examples)
        assert one.rows is not None and other.rows is not None
        for name, split in one.splits.items():
            assert is_streamed(other.splits[name]["inputs"])
            for key, array in split.items():
                assert np.array_equal(np.asarray(other.splits[name][key]), array)
        assert np.array_equal(one.splits["train"]["inputs"].ravel(), other.rows.train)
        mean = one.splits["train"]["inputs"].mean(dtype=np.float64)
        assert other.spec.preprocess.mean in ((), pytest.approx((mean,)))
    validated = [np.asarray(each.splits["validation"]["inputs"]).ravel() for each in disk]
    assert sorted(np.concatenate(validated)) == list(range(31))


def test_copies_of_a_set_that_memory_does_not_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fold has a copy where examples in memory are brought to the device in parts."""
    assert all(each.streamed for each in jaxdl.Digits(folds=3, stream="on").load_folds(Path()))
    monkeypatch.setattr("jaxdl.data.stream._SURELY_SMALL", 0)
    monkeypatch.setattr("jaxdl.backend.memory.free_host_memory", lambda: 5e5)
    with pytest.raises(UserError, match="in memory 3 times, once for each fold.*arrays:FOLDER"):
        jaxdl.Digits(folds=3, stream="on").load_folds(Path())
