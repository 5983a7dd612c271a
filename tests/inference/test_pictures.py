"""Predictions that are pictures: files that other programs read, and the picture in the report."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import jaxdl
from jaxdl.data import Preprocess, Spec
from jaxdl.inference import Picture, has_pictures, pictures, predictions_csv

SPEC = Spec((6, 8, 3), "uint8", Preprocess(1 / 255), (6, 8), 4, ("sky", "sea", "land", "ship"))


def opened(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture.png()))


def test_a_mask_holds_class_numbers_under_the_colours_of_pascal_voc() -> None:
    logits = np.random.default_rng(0).normal(size=(2, 6, 8, 4)).astype(np.float32)
    for picture, each in zip(pictures(jaxdl.SoftmaxCrossEntropy(), logits), logits, strict=True):
        image = opened(picture)
        assert (image.mode, image.size) == ("P", (8, 6))
        np.testing.assert_array_equal(np.asarray(image), each.argmax(-1))
        colours = np.asarray(image.convert("RGB"))
        # Background, aeroplane, bicycle, bird: as its development kit has them.
        known = np.array([(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0)])
        np.testing.assert_array_equal(colours, known[each.argmax(-1)])


def test_the_largest_class_numbers_stay_apart() -> None:
    numbers = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = opened(Picture(numbers, True))
    np.testing.assert_array_equal(np.asarray(image), numbers)
    assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) == 256


@pytest.mark.parametrize("channels", [1, 3])
def test_a_reconstruction_is_an_image_from_black_to_white(channels: int) -> None:
    values = np.linspace(-0.2, 1.2, 2 * 6 * 8 * channels, dtype=np.float32).reshape(2, 6, 8, channels)
    shown = [np.asarray(opened(picture)) for picture in pictures(jaxdl.Reconstruction(), values)]
    expected = np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)
    np.testing.assert_array_equal(np.stack(shown), expected[..., 0] if channels == 1 else expected)


@pytest.mark.parametrize(
    ("objective", "shape", "expected"),
    [
        (jaxdl.SoftmaxCrossEntropy(), (6, 8, 4), True),
        (jaxdl.SoftmaxCrossEntropy(), (4,), False),
        (jaxdl.SoftmaxCrossEntropy(), (6, 8, 300), False),
        (jaxdl.SigmoidCrossEntropy(), (6, 8), True),
        (jaxdl.SigmoidCrossEntropy(), (6,), False),
        (jaxdl.Reconstruction(), (6, 8, 3), True),
        (jaxdl.MeanSquaredError(), (6, 8), False),
    ],
)
def test_what_is_a_picture(objective: Any, shape: tuple[int, ...], expected: bool) -> None:
    assert has_pictures(objective, SPEC, shape) == expected
    assert not has_pictures(objective, Spec((6, 8), "float32", Preprocess(), (6,), 4), shape)


def test_the_table_has_the_share_of_each_class() -> None:
    predictions = np.eye(3, dtype=np.float32)[np.array([[[0, 0], [0, 2]], [[1, 1], [1, 1]]])]
    text = predictions_csv(["a.png", "b.png"], predictions, ("sky", "sea", "land"), files=["m/a.png", "m/b.png"])
    assert list(csv.reader(io.StringIO(text))) == [
        ["file", "prediction", "sky", "sea", "land"],
        ["a.png", "m/a.png", "0.75", "0", "0.25"],
        ["b.png", "m/b.png", "0", "1", "0"],
    ]


def tiny(name: str) -> jaxdl.Experiment:
    shapes = jaxdl.Shapes(masks=name == "masks", size=16, kinds=2, train_examples=20, test_examples=9)
    objective: Any = jaxdl.SoftmaxCrossEntropy() if name == "masks" else jaxdl.Reconstruction()
    model: Any = jaxdl.UNet(features=(2, 3)) if name == "masks" else jaxdl.Autoencoder(features=(8,))
    training = jaxdl.Training(epochs=1, batch_size=9, eval_batch_size=9)
    return jaxdl.Experiment(name, shapes, model, objective, jaxdl.Adam(), training)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rows"), [("masks", 3), ("reconstructions", 2)])
def test_the_report_shows_some_test_examples(name: str, rows: int, tmp_path: Path) -> None:
    jaxdl.train(tiny(name), run_dir=tmp_path / "run", data_dir=tmp_path)
    sheet = Image.open(tmp_path / "run" / "pictures.png").convert("RGB")
    assert sheet.size == (90 + 8 * 100, rows * 100)
    assert '<img src="data:image/png;base64,' in (tmp_path / "run" / "report.html").read_text()
    dataset = tiny(name).data.load(tmp_path)
    inspection = json.loads((tmp_path / "run" / "inspection.json").read_text())
    number = inspection["random"][0]["number"]  # the first of those that are looked at
    predictions = jaxdl.load_run(tmp_path / "run").predict(dataset.splits["test"]["inputs"][number][None])
    drawn = pictures(tiny(name).objective, predictions)
    first = np.asarray(sheet)[:, 90:186]
    large = lambda picture: picture.repeat(6, 0).repeat(6, 1)  # noqa: E731
    np.testing.assert_array_equal(first[:96], large(dataset.splits["test"]["inputs"][number]))
    np.testing.assert_allclose(first[100 * rows - 100 : 100 * rows - 4], large(drawn[0].colours()), atol=1)
    if name == "masks":
        truth = Picture(dataset.splits["test"]["targets"][number].astype(np.uint8), True)
        np.testing.assert_array_equal(first[100:196], large(truth.colours()))
