"""Predictions from several inputs, and of several outputs."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxdl
from jaxdl.cli.inference import predict as predict_mode
from jaxdl.cli.options import Options
from jaxdl.inference.programs import exported_files
from jaxdl.training.hooks import Hooks
from tests.named import arrays, recipe

INPUTS, _ = arrays(7, 5)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("named") / "run"
    jaxdl.train(recipe(), run_dir=folder, notify=None, hooks=Hooks(plots=False))
    return folder


def test_a_dictionary_gives_a_dictionary_whatever_the_number_of_examples(run: Path) -> None:
    model = jaxdl.load_run(run, recipe())
    found: Any = model.predict(INPUTS)
    assert {name: array.shape for name, array in found.items()} == {"shade": (7, 3), "size": (7,)}
    np.testing.assert_allclose(found["shade"].sum(1), 1, rtol=1e-6)
    assert (found["size"] > 50).all()  # in its own unit
    three: Any = model.predict({name: array[:3] for name, array in INPUTS.items()})
    np.testing.assert_allclose(three["size"], found["size"][:3], rtol=1e-4)
    none: Any = model.predict({name: array[:0] for name, array in INPUTS.items()})
    assert none["shade"].shape == (0, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (INPUTS["image"], "inputs must be a dictionary of image, table, not ndarray of uint8"),
        ({"image": INPUTS["image"]}, "inputs must be a dictionary of image, table, not image"),
        ({**INPUTS, "tabel": INPUTS["table"]}, "not image, table, tabel"),
        ({**INPUTS, "table": INPUTS["table"][:3]}, "their numbers are {'image': 7, 'table': 3}"),
        ({**INPUTS, "table": INPUTS["image"]}, "inputs\\['table'\\] is uint8 of shape"),
    ],
)
def test_other_inputs_are_refused(run: Path, given: Any, message: str) -> None:
    with pytest.raises(jaxdl.UserError, match=message):
        jaxdl.load_run(run, recipe()).predict(given)


def test_an_exported_program_takes_and_gives_dictionaries(run: Path) -> None:
    model = jaxdl.load_run(run, recipe())
    program = jax.export.deserialize(bytearray(jaxdl.export_program(model)))
    found = program.call({f"inputs/{name}": array for name, array in INPUTS.items()})
    expected: Any = model.predict(INPUTS)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-5)


def test_an_exported_program_of_several_inputs_is_described_and_read_again(run: Path, tmp_path: Path) -> None:
    model = jaxdl.load_run(run, recipe(), warm=(2,))
    content, description = exported_files(model, "stablehlo", "several.bin")
    (tmp_path / "several.bin").write_bytes(content)
    (tmp_path / "several.json").write_text(description)
    program = jaxdl.load_program(tmp_path / "several.bin")
    given = {f"inputs/{name}": array for name, array in INPUTS.items()}
    assert [each["name"] for each in program.description["inputs"]] == sorted(given)
    expected: Any = model.predict(INPUTS)
    named = [each["name"] for each in program.description["outputs"]]
    assert named == [f"predictions/{name}" for name in sorted(expected)]
    found = program.predict(given)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-4)
    none = program.predict({name: array[:0] for name, array in given.items()})
    assert {name: array.shape[0] for name, array in none.items()} == dict.fromkeys(expected, 0)


def test_the_command_reads_a_file_of_arrays_and_writes_a_table(run: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "given.npz", **INPUTS)
    options = Options(run_dir=str(run), input=str(tmp_path / "given.npz"), output=str(tmp_path / "out.csv"))
    assert predict_mode(options, recipe(), [], 0.0) == 0
    head, *rows = csv.reader((tmp_path / "out.csv").open())
    assert head == ["file", "shade/prediction", "shade/probability", "shade/dark", "shade/grey", "shade/light",
                    "size/prediction"]  # fmt: skip
    expected: Any = jaxdl.load_run(run, recipe()).predict(INPUTS)
    assert [float(row[-1]) for row in rows] == pytest.approx(expected["size"], rel=1e-4)
    np.savez(tmp_path / "given.npz", image=INPUTS["image"])
    with pytest.raises(jaxdl.UserError, match="holds image; the model reads image, table of an .npz file"):
        predict_mode(options, recipe(), [], 0.0)


def test_evaluation_gives_the_figures_of_the_run(run: Path) -> None:
    found = jaxdl.evaluate(run, recipe(), notify=lambda line: None)["metrics"]
    assert found["test/loss"] == pytest.approx(found["test/shade/loss"] + 0.5 * found["test/size/loss"], rel=1e-6)
    predicted: Any = jaxdl.load_run(run, recipe()).predict(arrays(37, 1)[0])
    error = np.abs(predicted["size"] - arrays(37, 1)[1]["size"]).mean()
    assert found["test/size/mean_absolute_error"] == pytest.approx(error, rel=1e-4)
    names = np.array(["dark", "grey", "light"])
    right = (names[predicted["shade"].argmax(1)] == arrays(37, 1)[1]["shade"]).mean()
    assert found["test/shade/accuracy"] == pytest.approx(right)
