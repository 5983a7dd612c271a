from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jaxdl
from jaxdl.data import DATA, Table
from jaxdl.errors import UserError

ROOT = Path(__file__).resolve().parents[3]


def quiet(line: str) -> None:
    """Says nothing."""


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """A table of 60 rows of three classes, of which the numbers tell the class."""
    random = np.random.default_rng(0)
    kinds = np.repeat(["lily", "rose", "iris"], 20)
    size = np.repeat([0, 4, 8], 20) + random.normal(size=60)
    rows = [
        f"{value:.6f},{colour},{kind}"
        for value, colour, kind in zip(size, random.choice(["red", "white"], 60), kinds, strict=True)
    ]
    path = tmp_path / "flowers.csv"
    path.write_text("size,colour,kind\n" + "\n".join(rows) + "\n")
    return path


def test_a_name_makes_it() -> None:
    assert DATA.make("table:a/b.csv") == DATA.make("csv:a/b.csv") == Table("a/b.csv")
    assert DATA.name_of(Table("a")) == "table"


def test_validation_and_test_are_cut_from_each_class(flowers) -> None:
    dataset = Table(str(flowers)).load(None, quiet)
    assert {name: np.bincount(split["targets"]).tolist() for name, split in dataset.splits.items()} == {
        "train": [14, 14, 14],
        "validation": [2, 2, 2],
        "test": [4, 4, 4],
    }
    assert dataset.spec.class_names == ("iris", "lily", "rose")
    assert dataset.spec.input_shape == (3,)
    train = dataset.spec.preprocess(dataset.splits["train"]["inputs"])
    np.testing.assert_allclose([train[:, 0].mean(), train[:, 0].std()], [0, 1], atol=1e-6)
    again = Table(str(flowers), validation=0, test=0.5).load(None, quiet)
    assert {name: len(split["inputs"]) for name, split in again.splits.items()} == {"train": 30, "test": 30}
    assert again.fingerprint == dataset.fingerprint


def test_splits_of_their_own_are_kept(flowers) -> None:
    folder = flowers.parent / "splits"
    folder.mkdir()
    lines = flowers.read_text().splitlines()
    for name, rows in (("train", lines[1::2]), ("test", lines[2::2])):
        (folder / f"{name}.csv").write_text("\n".join([lines[0], *rows]))
    dataset = Table(str(folder)).load(None, quiet)
    assert {name: len(split["inputs"]) for name, split in dataset.splits.items()} == {
        "train": 27,
        "validation": 3,
        "test": 30,
    }


def test_groups_stay_together(tmp_path) -> None:
    rows = [f"{i % 7},{i / 3:.3f},{i % 2}" for i in range(70)]
    (tmp_path / "a.csv").write_text("patient,value,ill\n" + "\n".join(rows))
    dataset = Table(str(tmp_path / "a.csv"), group="patient").load(None, quiet)
    groups = [{round(float(value) * 3) % 7 for value in split["inputs"][:, 0]} for split in dataset.splits.values()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 7
    assert [column.name for column in dataset.spec.columns] == ["value"]


def test_texts_that_look_like_numbers_are_texts_where_train_has_texts(tmp_path) -> None:
    (tmp_path / "train.csv").write_text("size,y\nL,a\nM,b\nM,b\n4,a\n")
    (tmp_path / "test.csv").write_text("size,y\n4,a\n4,b\n")
    dataset = Table(str(tmp_path), validation=0).load(None, quiet)
    assert dataset.splits["test"]["inputs"].tolist() == [[1, 0, 0]] * 2


def test_codes_can_be_categories(tmp_path) -> None:
    (tmp_path / "a.csv").write_text("zip,y\n007,0.5\n008,1.5\n007,2.5\n1e1,3\n")
    spec = Table(str(tmp_path / "a.csv"), categories=("zip",), validation=0, test=0).load(None, quiet).spec
    assert spec.columns[0].categories == ("007", "008", "1e1")


@pytest.mark.slow
def test_a_run_trains_predicts_and_is_read_again_from_its_config(flowers, tmp_path) -> None:
    experiment = jaxdl.Experiment(
        name="flowers",
        data=Table(str(flowers)),
        model=jaxdl.MLP(features=(16,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=3e-2),
        training=jaxdl.Training(epochs=20, batch_size=16),
    )
    summary = jaxdl.train(experiment, run_dir=tmp_path / "run", notify=None)
    assert summary["metrics"]["test/accuracy"] > 0.85
    assert summary["data"]["class_names"] == ["iris", "lily", "rose"]
    model = jaxdl.load_run(tmp_path / "run")
    assert model.experiment.data == experiment.data
    assert model.spec == experiment.data.load(None, quiet).spec
    rows = pd.DataFrame({"colour": ["red", "blue"], "size": [8.0, 0.0]})
    lines: list[str] = []
    predictions = model.predict(rows, notify=lines.append)
    assert [model.spec.class_names[label] for label in predictions.argmax(1)] == ["iris", "lily"]
    assert lines == [
        "inputs: 1 of 2 rows have a value of 'colour' that train does not have, such as 'blue'; all inputs for its "
        "categories are 0 there."
    ]
    stored = np.array([[8, 1, 0], [0, 0, 0]], np.float32)
    np.testing.assert_array_equal(predictions, model.predict(stored))
    figures = jaxdl.evaluate(tmp_path / "run", notify=quiet)
    assert figures["metrics"]["test/accuracy"] == summary["metrics"]["test/accuracy"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"path": ""}, "--data=table:FILE"),
        ({"path": "none.csv"}, "there is no table none.csv"),
        ({"missing": "mean", "standardize": False}, "needs data.standardize=true"),
        ({"target": "knd"}, "Did you mean 'kind'"),
        ({"task": "regression"}, "row 1, column 'kind': 'lily' is a text"),
    ],
)
def test_a_wrong_field_is_refused(flowers, changes, words) -> None:
    with pytest.raises(UserError, match=words):
        Table(**({"path": str(flowers)} | changes)).load(None, quiet)


def test_flags_choose_target_and_columns(flowers, tmp_path) -> None:
    command = [sys.executable, "launch.py", "--experiment=digits_mlp", f"--data=table:{flowers}", "--mode=summary"]
    done = subprocess.run(
        [*command, "--data.target=colour", "--data.columns=-size"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    refused = subprocess.run([*command, "--data.target=color"], cwd=ROOT, capture_output=True, text=True)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "Did you mean 'colour'" in refused.stderr
