"""Finished runs measured, used and exported from the command line."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import jax.export
import numpy as np
import pytest
from PIL import Image

import jaxdl
from jaxdl.cli import inference
from jaxdl.cli.options import Options
from jaxdl.errors import UserError
from tests.cli.launched import launch
from tests.padded import recurrent
from tests.sweeps.small import RECIPE


@pytest.mark.slow
def test_evaluating_gives_the_figures_of_the_training(finished: Path, tmp_path: Path) -> None:
    done = launch(tmp_path, "--mode=eval", f"--run_dir={finished}")
    assert done.returncode == 0, done.stderr
    figures = json.loads((finished / "summary.json").read_text())["metrics"]
    assert f"{figures['test/accuracy']:.4f}" in done.stdout
    assert f"{figures['test/loss']:.4f}" in done.stdout


@pytest.mark.slow
def test_predicting_for_a_folder_of_images_writes_a_row_each(finished: Path, tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(40):
        pixels = np.round(digits.images[index] / 16 * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:02d}.png")
    output = tmp_path / "out.csv"
    done = launch(tmp_path, "--mode=predict", f"--run_dir={finished}", f"--input={folder}", f"--output={output}")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(output.open()))
    assert [Path(row["file"]).name for row in rows] == [f"{index:02d}.png" for index in range(40)]
    right = sum(int(row["prediction"]) == label for row, label in zip(rows, digits.target, strict=False))
    assert right >= 30
    for row in rows:
        probabilities = [float(row[str(name)]) for name in range(10)]
        assert sum(probabilities) == pytest.approx(1, abs=1e-4)
        assert max(probabilities) == float(row["probability"]) == probabilities[int(row["prediction"])]


@pytest.mark.slow
def test_a_file_that_is_no_image_is_named_and_nothing_is_written(finished: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    done = launch(tmp_path, "--mode=predict", f"--run_dir={finished}", f"--input={broken}", "--output=out.csv")
    assert done.returncode == 2
    assert "broken.png" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.slow
def test_an_exported_program_predicts_as_the_run_does(finished: Path, tmp_path: Path) -> None:
    output = tmp_path / "program.bin"
    done = launch(tmp_path, "--mode=export", f"--run_dir={finished}", f"--output={output}")
    assert done.returncode == 0, done.stderr
    np.save(tmp_path / "examples.npy", np.full((3, 8, 8, 1), 7, np.uint8))
    csv_file = tmp_path / "out.csv"
    arguments = ("--mode=predict", f"--run_dir={finished}", "--input=examples.npy", f"--output={csv_file}")
    assert launch(tmp_path, *arguments).returncode == 0
    from jax import export

    program = export.deserialize(bytearray(output.read_bytes()))
    probabilities = np.asarray(program.call(np.load(tmp_path / "examples.npy")))
    row = next(csv.DictReader(csv_file.open()))
    np.testing.assert_allclose([float(row[str(name)]) for name in range(10)], probabilities[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("command", ["predict", "export"])
def test_an_output_without_its_folder_is_refused_before_the_run_is_read(tmp_path: Path, command: str) -> None:
    options = Options(run_dir=str(tmp_path / "no run"), input="no file", output=str(tmp_path / "none" / "out"))
    with pytest.raises(UserError, match=r"--output=.*: there is no folder .*none; create it"):
        getattr(inference, command)(options, RECIPE, [], 0.0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("model.onnx", r"model\.onnx ends like the format onnx; give --format=onnx, or another ending"),
        ("model.json", r"model\.json: a description is written there; give another ending, such as \.bin"),
    ],
)
def test_a_name_that_says_another_format_is_refused(tmp_path: Path, output: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        inference.export(Options(run_dir="no run", output=str(tmp_path / output)), RECIPE, [], 0.0)


@pytest.mark.slow
def test_sequences_are_predicted_and_exported_with_their_lengths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = jaxdl.replace(recurrent(), {"training.epochs": 1})
    jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path, notify=lambda line: None)
    test = recipe.data.load(tmp_path).splits["test"]
    np.savez(tmp_path / "some.npz", inputs=test["inputs"], lengths=test["lengths"])
    np.save(tmp_path / "some.npy", test["inputs"])
    options = Options(run_dir=str(tmp_path / "run"), input=str(tmp_path / "some.npz"), output=str(tmp_path / "out"))
    expected = jaxdl.load_run(tmp_path / "run").predict(test["inputs"], test["lengths"])
    inference.predict(options, recipe, [], 0.0)
    rows = list(csv.DictReader((tmp_path / "out").open()))
    np.testing.assert_allclose([[float(row["0"]), float(row["1"])] for row in rows], expected, rtol=1e-4)
    with pytest.raises(UserError, match=r"some\.npy has no lengths, and the model was trained with them"):
        inference.predict(dataclasses.replace(options, input=str(tmp_path / "some.npy")), recipe, [], 0.0)
    inference.export(options, recipe, [], 0.0)
    assert ".call)(inputs, lengths)" in capsys.readouterr().out
    described = json.loads((tmp_path / "out.json").read_text())
    assert [each["shape"] for each in described["inputs"]] == [["batch", "time", 2], ["batch"]]
    assert (tmp_path / "out.md").read_text().startswith("# padded: out\n\n## Use\n\nFormat stablehlo")
    program = jax.export.deserialize(bytearray((tmp_path / "out").read_bytes()))
    np.testing.assert_allclose(program.call(test["inputs"], test["lengths"]), expected, rtol=1e-4)


@pytest.mark.slow
def test_masks_are_written_as_pictures_beside_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shapes = jaxdl.Shapes(masks=True, size=16, kinds=2, train_examples=20, test_examples=9)
    training = jaxdl.Training(epochs=1, batch_size=9, eval_batch_size=9)
    model, objective = jaxdl.UNet(features=(2, 3)), jaxdl.SoftmaxCrossEntropy()
    recipe = jaxdl.Experiment("masks", shapes, model, objective, jaxdl.Adam(), training)
    jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path, notify=None)
    inputs = shapes.load(tmp_path).splits["test"]["inputs"][:3]
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, picture in zip("abc", inputs, strict=True):
        Image.fromarray(picture).save(folder / f"{name}.png")
    options = Options(run_dir=str(tmp_path / "run"), input=str(folder), output=str(tmp_path / "out.csv"))
    inference.predict(options, recipe, [], 0.0)
    expected = jaxdl.load_run(tmp_path / "run").predict(inputs).argmax(-1)
    rows = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert [row["prediction"] for row in rows] == [f"out_pictures/{name}.png" for name in "abc"]
    for row, mask in zip(rows, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / row["prediction"])), mask)
        shares = [float(row[name]) for name in ("background", "disc", "square")]
        np.testing.assert_allclose(shares, [(mask == number).mean() for number in range(3)], rtol=1e-5)
    assert f"3 predictions written to {tmp_path / 'out.csv'}, their pictures to {tmp_path / 'out_pictures'}" in (
        capsys.readouterr().out
    )
    np.save(tmp_path / "some.npy", inputs)  # examples without names of their own
    inference.predict(dataclasses.replace(options, input=str(tmp_path / "some.npy")), recipe, [], 0.0)
    rows = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert [row["prediction"] for row in rows] == [f"out_pictures/{number}.png" for number in range(3)]
