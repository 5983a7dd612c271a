"""Looking at the data of an experiment."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import jaxdl
from jaxdl.errors import UserError
from jaxdl.experiment.looking import look_at_data, write_look


def recipe(data: jaxdl.Data, **changes: object) -> jaxdl.Experiment:
    return jaxdl.Experiment(
        name="looked_at",
        data=data,
        model=jaxdl.MLP(features=(8,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-3),
        **changes,  # type: ignore[arg-type]
    )


def images_of(html: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


def test_the_page_has_the_first_train_examples_as_the_model_sees_them_and_augmented(tmp_path: Path) -> None:
    data = jaxdl.Digits()
    look = look_at_data(recipe(data, augmentation=jaxdl.Augmentation(flip="both")), tmp_path)
    train = data.load().splits["train"]
    shown = images_of(look.html)
    assert len(shown) == 48
    for pixels, stored in zip(shown[:24], train["inputs"], strict=False):
        assert np.array_equal(pixels, np.rint(stored[..., 0] / 16 * 255))
    for pixels, before in zip(shown[24:], shown[:24], strict=True):
        mirrored = [np.flip(before, axes) for axes in ((), (0,), (1,), (0, 1))]
        assert any(np.array_equal(pixels, each) for each in mirrored)
    assert re.findall(r"<figcaption>(\d)</figcaption>", look.html)[:24] == [str(n) for n in train["targets"][:24]]
    assert 'src="http' not in look.html


def test_without_augmentation_each_example_is_shown_once(tmp_path: Path) -> None:
    look = look_at_data(recipe(jaxdl.Digits()), tmp_path)
    assert len(images_of(look.html)) == 24
    assert "Class balance" in look.html
    assert write_look(look, tmp_path / "new" / "folder").read_text() == look.html


def test_masks_are_shown_in_the_colours_of_their_classes_and_move_with_their_images(tmp_path: Path) -> None:
    data = jaxdl.Shapes(masks=True, size=16, kinds=2, train_examples=40, test_examples=10, validation=0)
    experiment = recipe(data, augmentation=jaxdl.Augmentation(flip="both", shift=2))
    look = look_at_data(jaxdl.replace(experiment, {"model": jaxdl.UNet(features=(2, 3))}), tmp_path)
    train = data.load().splits["train"]
    shown = images_of(look.html)
    assert len(shown) == 4 * 24
    colours = np.array([(0, 0, 0), (128, 0, 0), (0, 128, 0)])
    for pixels, mask in zip(shown[24:48], train["targets"], strict=False):
        assert np.array_equal(pixels, colours[mask])
    for picture, mask in zip(shown[48:72], shown[72:], strict=True):
        cut = (picture == 0).all(-1)  # pixels from outside the image
        assert (mask[cut] == 0).all()
    assert any(not np.array_equal(a, b) for a, b in zip(shown[24:48], shown[72:], strict=True))
    share = (train["targets"][0] == 0).mean()
    assert f"<figcaption>background {share:.0%}, " in look.html
    assert "a class for each pixel" in look.html


def test_rows_are_shown_as_numbers_and_texts_are_escaped(tmp_path: Path) -> None:
    rows = np.random.RandomState(0).randn(30, 2).astype(np.float32)
    classes = np.array(["<b>", "c"])[np.arange(30) % 2]
    look = look_at_data(recipe(jaxdl.Arrays(train=(rows[:20], classes[:20]), test=(rows[20:], classes[20:]))), tmp_path)
    assert "&lt;b&gt;" in look.html
    assert "<b>" not in look.html
    first = look.dataset.splits["train"]["inputs"][0, 0]
    assert f"{first:.4f}" in look.html


def test_data_that_do_not_fit_the_recipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs images"):
        look_at_data(recipe(jaxdl.Bits(), augmentation=jaxdl.Augmentation(shift=1)), tmp_path)


def test_masks_are_shown_beside_their_images_and_move_with_them(tmp_path: Path) -> None:
    look = look_at_data(recipe(jaxdl.Shapes(masks=True), augmentation=jaxdl.Augmentation(flip="horizontal")), tmp_path)
    assert "a class for each pixel" in look.html
    shown = images_of(look.html)
    assert len(shown) == 96, "images and masks, as they are and augmented"
    images, masks, _, moved = (shown[start : start + 24] for start in range(0, 96, 24))
    assert images[0].shape == masks[0].shape
    for before, after in zip(masks, moved, strict=True):
        assert np.array_equal(after, before) or np.array_equal(after, before[:, ::-1])
    assert any(not np.array_equal(after, before) for before, after in zip(masks, moved, strict=True))


@pytest.mark.parametrize("representation", ["mel", "raw"])
def test_sounds_are_shown_as_pictures_with_their_rate_and_durations(representation: str, tmp_path: Path) -> None:
    data = jaxdl.Vowels(train_examples=40, test_examples=10, bands=12, representation=representation)  # type: ignore[arg-type]
    look = look_at_data(recipe(data), tmp_path)
    shown = images_of(look.html)
    assert len(shown) == 24
    assert {image.shape for image in shown} == {(12, 61)} if representation == "mel" else {(64, 224)}
    assert "8,000 samples a second; 0.2" in look.html and "Class balance" in look.html
    read = "log-mel, (61, 12)" if representation == "mel" else "samples, (4800,)"
    assert read in look.html


def test_trees_are_shown_in_brackets_with_the_class_of_their_root(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("\n".join(["(2 (1 The) (2 film))", "(0 (1 the) (0 (0 <b>) (1 film)))"] * 10))
    experiment = jaxdl.replace(recipe(jaxdl.Trees(str(tmp_path))), {"model": jaxdl.TreeLSTM()})
    look = look_at_data(experiment, tmp_path)
    assert "((the) (film))" in look.html
    assert "((the) ((&lt;b&gt;) (film)))" in look.html
    assert "a class for each node, shape (5,)" in look.html
    assert "unknown words" in look.html
