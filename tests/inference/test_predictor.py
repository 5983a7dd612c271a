"""What a finished run is for, where the command line does not show it already."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.data import Preprocess, Spec
from jaxdl.errors import UserError
from jaxdl.inference import predictions_csv, read_inputs

SPEC = Spec((2, 2, 1), "uint8", Preprocess(1 / 255), (), 2, ("no", "yes"))


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_class_probabilities_become_a_row_for_each_example() -> None:
    table = rows(predictions_csv(["a,b.png", "c.png"], np.array([[0.25, 0.75], [0.5, 0.5]]), ["no", "yes"]))
    assert table == [
        ["file", "prediction", "probability", "no", "yes"],
        ["a,b.png", "yes", "0.75", "0.25", "0.75"],
        ["c.png", "no", "0.5", "0.5", "0.5"],
    ]


@pytest.mark.parametrize(
    ("values", "head"),
    [(np.array([1.5]), ["file", "prediction"]), (np.array([[1.5, 2.0]]), ["file", "prediction_0", "prediction_1"])],
)
def test_values_become_columns(values: np.ndarray, head: list[str]) -> None:
    table = rows(predictions_csv(["x"], values, []))
    assert table[0] == head
    assert [float(cell) for cell in table[1][1:]] == values.reshape(-1).tolist()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 2, 2, 1), np.float32), "float32 of shape"),
        (np.zeros((3, 4, 4, 1), np.uint8), r"the model takes uint8 of shape \(n, 2, 2, 1\)"),
        (np.zeros((0, 2, 2, 1), np.uint8), "the model takes"),
        (np.array([object()]), "cannot be read as an array"),
    ],
)
def test_an_array_that_the_model_does_not_take_is_refused(array: np.ndarray, message: str, tmp_path: Path) -> None:
    """The last one is pickled, and never loaded."""
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(UserError, match=message):
        read_inputs(tmp_path / "x.npy", SPEC)


def test_a_model_that_takes_no_images_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"takes no images; --input must be a .npy file"):
        read_inputs(tmp_path / "x.png", jaxdl.Bits().spec(tmp_path))


def test_a_restored_model_predicts_the_same_for_any_number_of_examples(
    recipe: jaxdl.Experiment, tmp_path: Path
) -> None:
    recipe = jaxdl.replace(recipe, {"training.eval_batch_size": 7})
    jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path)
    model = jaxdl.load_run(tmp_path / "run", recipe)
    test = recipe.data.load(tmp_path, print).splits["test"]
    whole = model.predict(test["inputs"][:20])
    assert whole.shape == (20, 10)
    np.testing.assert_allclose(whole.sum(1), 1, rtol=1e-5)
    for count in (1, 7, 8):
        np.testing.assert_allclose(model.predict(test["inputs"][:count]), whole[:count], rtol=1e-5, atol=1e-7)


def test_a_checkpoint_of_another_shape_is_refused_by_name(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path)
    other = jaxdl.replace(recipe, {"model.features": (17,)})
    with pytest.raises(UserError, match=r"params/.*16.*in the checkpoint and .*17.*in the model"):
        jaxdl.load_run(tmp_path / "run", other)
