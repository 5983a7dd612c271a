from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from jaxdl.data import load_images
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.tfds.choice import Choice
from jaxdl.data.tfds.decode import decode, described_in
from jaxdl.data.tfds.features import Feature
from jaxdl.data.tfds.pictures import pixels as decoded
from jaxdl.errors import UserError


def image_file(pixels, kind="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, write_set):
    """A set with images of each kind, of different sizes; returns its folder, and each image's pixels by row."""
    from tensorflow_datasets import features as f

    random = np.random.RandomState(0)
    shapes = {"gray": (), "rgb": (3,), "rgba": (4,), "deep": (), "jpeg": (3,)}
    pixels = {}
    for kind, more in shapes.items():
        dtype = np.uint16 if kind == "deep" else np.uint8
        sizes = [(12 + n, 20 - n, *more) for n in range(5)]
        pixels[kind] = [random.randint(0, np.iinfo(dtype).max + 1, size).astype(dtype) for size in sizes]
    ramp = np.linspace(0, 255, 80 * 64 * 3).reshape(80, 64, 3).astype(np.uint8)  # large enough to be decoded smaller
    pixels["jpeg"] = [ramp // (n + 1) for n in range(5)]
    features = {
        "gray": f.Image(shape=(None, None, 1)),
        "rgb": f.Image(shape=(None, None, 3)),
        "rgba": f.Image(shape=(None, None, 4)),
        "deep": f.Image(shape=(None, None, 1), dtype=np.uint16, encoding_format="png"),
        "jpeg": f.Image(shape=(None, None, 3), encoding_format="jpeg"),
        "row": np.float32,
    }
    kinds = {"jpeg": "JPEG"}
    files = {kind: [image_file(each, kinds.get(kind, "PNG")) for each in images] for kind, images in pixels.items()}
    examples = [{"row": float(n), **{kind: each[n] for kind, each in files.items()}} for n in range(5)]
    folder = write_set(tmp_path_factory.mktemp("pictures"), features, {"train": examples})
    return folder, pixels, files


def of(kind, size):
    return Choice(inputs=(kind,), targets=("row",), size=size)


@pytest.mark.parametrize("kind", ["gray", "rgb", "deep", "jpeg"])
@pytest.mark.parametrize("size", [(8, 8), (9, 30)])
def test_images_are_resized_as_prediction_reads_them(pictures, tmp_path, kind, size):
    folder, _, files = pictures
    dataset = decode(folder, "own", of(kind, size))
    assert dataset.spec == described_in(folder, "own", of(kind, size))
    train = dataset.splits["train"]
    for row, image in zip(train["targets"], train["inputs"], strict=True):
        path = tmp_path / f"{row:g}.{'jpg' if kind == 'jpeg' else 'png'}"
        path.write_bytes(files[kind][int(row)])
        np.testing.assert_array_equal(image, load_images([path], dataset.spec)[0])


def test_sixteen_bits_and_transparency_are_kept(tmp_path, pictures, write_set):
    from tensorflow_datasets import features as f

    _, pixels, files = pictures
    deep = f.Image(shape=(12, 20, 1), dtype=np.uint16, encoding_format="png")
    features = {"deep": deep, "rgba": f.Image(shape=(12, 20, 4)), "row": np.float32}
    example = {"deep": files["deep"][0], "rgba": files["rgba"][0], "row": 1.0}
    folder = write_set(tmp_path, features, {"train": [example]})
    for kind, dtype in (("deep", "uint16"), ("rgba", "uint8")):
        dataset = decode(folder, "own", of(kind, None))
        (image,) = dataset.splits["train"]["inputs"]
        np.testing.assert_array_equal(image, pixels[kind][0].reshape(image.shape))
        assert (dataset.spec.input_dtype, str(image.dtype)) == (dtype, dtype)
        assert dataset.spec.preprocess == Preprocess(scale=1 / np.iinfo(dtype).max)


def test_transparent_images_are_resized_without_the_colours_of_what_is_not_seen(tmp_path, write_set):
    from tensorflow_datasets import features as f

    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:2] = (255, 0, 0, 255)  # opaque red above clear black
    features = {"image": f.Image(shape=(None, None, 4)), "row": np.float32}
    folder = write_set(tmp_path, features, {"train": [{"image": image_file(pixels), "row": 1.0}]})
    (image,) = decode(folder, "own", of("image", (1, 1))).splits["train"]["inputs"]
    np.testing.assert_allclose(image[0, 0], (255, 0, 0, 128), atol=1)


def test_without_a_size_images_of_different_sizes_name_the_way_out(pictures):
    with pytest.raises(UserError, match=r"own has images of different sizes, such as .*--data\.size=64, or"):
        decode(pictures[0], "own", of("rgb", None))
    with pytest.raises(UserError, match=r"own does not declare the size of its images: .* or give --data\.size=64"):
        described_in(pictures[0], "own", of("rgb", None))


def test_gray_and_palette_files_become_the_channels_that_the_set_declares():
    file = io.BytesIO()
    Image.fromarray(np.full((2, 2), 7, np.uint8)).save(file, "PNG")
    assert decoded(file.getvalue(), Feature("image", "Image", (2, 2, 3), "uint8")).tolist() == [[[7] * 3] * 2] * 2
