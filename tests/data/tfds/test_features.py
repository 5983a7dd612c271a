from __future__ import annotations

import json

import numpy as np
import pytest

from jaxdl.data.tfds.choice import Choice
from jaxdl.data.tfds.features import Feature, chosen, features_in, features_of
from jaxdl.errors import UserError

IMAGE = Feature("image", "Image", (8, 8, 3), "uint8")
LABEL = Feature("label", "ClassLabel", (), "", ("cat", "dog"))
TEXT = Feature("text", "Text")


def by_name(*features):
    return {feature.name: feature for feature in features}


@pytest.fixture(scope="module")
def features():
    from tensorflow_datasets import features as f

    return {
        "image": f.Image(shape=(None, 8, 3)),
        "gray": f.Image(shape=(8, 8, 1), dtype=np.uint16, encoding_format="png"),
        "label": f.ClassLabel(names=["a cat", "dog"]),
        "row": f.Tensor(shape=(3,), dtype=np.float32, encoding="zlib"),
        "age": f.Scalar(dtype=np.int32),
        "flag": np.bool_,
        "text": f.Text(),
        "steps": f.Sequence(np.int32),
        "inside": {"x": np.float64, "kind": {"of": f.ClassLabel(names=["u", "v"])}, "any": f.ClassLabel(num_classes=3)},
    }


def test_the_description_on_disk_says_what_tfds_says_of_its_objects(tmp_path, features):
    from tensorflow_datasets import features as f

    connector = f.FeaturesDict(features)
    connector.save_config(str(tmp_path))
    read = features_in(tmp_path)
    assert read == features_of(connector)
    assert read["image"] == Feature("image", "Image", (None, 8, 3), "uint8")
    assert read["row"] == Feature("row", "Tensor", (3,), "float32", (), "zlib")
    assert read["label"].class_names == ("a cat", "dog")
    assert read["inside/kind/of"].class_names == ("u", "v")
    assert read["inside/any"].class_names == ("0", "1", "2")
    assert (read["flag"].is_label, read["flag"].class_names) == (True, ("false", "true"))
    assert [key for key, feature in read.items() if feature.is_numbers] == ["age", "flag", "inside/x", "row"]


def test_a_set_of_sounds_is_described_without_tensorflow(tmp_path):
    about = {"dtype": "int64", "shape": {"dimensions": ["-1"]}, "encoding": "NONE"}
    audio = {"pythonClassName": "tensorflow_datasets.core.features.audio_feature.Audio", "audio": about}
    content = {"pythonClassName": "x.FeaturesDict", "featuresDict": {"features": {"audio": audio}}}
    (tmp_path / "features.json").write_text(json.dumps(content))
    assert features_in(tmp_path) == by_name(Feature("audio", "Audio", (None,), "int64"))


def test_the_pair_of_tfds_is_taken_and_then_an_only_image_with_an_only_label():
    features = by_name(IMAGE, LABEL, TEXT)
    assert chosen(features, (("image",), ("label",)), Choice(), "set") == chosen(features, (), Choice(), "set")
    assert chosen(features, (), Choice(), "set").inputs == (IMAGE,)
    beside = by_name(IMAGE, LABEL, Feature("image/filename", "Text"))
    assert chosen(beside, (("image",), ("label",)), Choice(), "set").inputs == (IMAGE,)


def test_a_text_with_a_label_and_a_text_alone():
    labelled = chosen(by_name(TEXT, LABEL), (), Choice(), "set")
    assert (labelled.inputs, labelled.targets) == ((TEXT,), (LABEL,))
    assert chosen(by_name(TEXT, LABEL), (("text",), ("label",)), Choice(), "set") == labelled
    alone = chosen(by_name(TEXT), (), Choice(), "set")
    assert (alone.inputs, alone.targets) == ((TEXT,), ())


def test_names_choose_features_and_all_those_inside_one():
    inside = [Feature(f"row/{key}", "Tensor", (), "float32") for key in "abc"]
    features = by_name(*inside, LABEL, IMAGE)
    result = chosen(features, (("image",), ("label",)), Choice(inputs=("row/b", "row/a")), "set")
    assert [feature.name for feature in result.inputs] == ["row/b", "row/a"]
    result = chosen(features, (), Choice(inputs=("row",), targets=("label",)), "set")
    assert [feature.name for feature in result.inputs] == ["row/a", "row/b", "row/c"]
    assert (result.input_shape, result.target_shape) == ((3,), ())


@pytest.mark.parametrize(
    ("features", "inputs", "targets", "words"),
    [
        ((IMAGE, LABEL), ("imge",), (), r"unknown feature of set for --data\.inputs: 'imge'\. Did you mean 'image'\?"),
        ((IMAGE, LABEL), (), ("lable",), r"unknown feature of set for --data\.targets: 'lable'\. Did you mean 'label'"),
        ((IMAGE, TEXT), (), (), r"set holds image \(Image\), text \(Text\), and does not say which are inputs: give"),
        ((TEXT, LABEL), ("text", "label"), ("label",), r"set: label cannot be both inputs and targets"),
        (
            (TEXT, Feature("other", "Text"), LABEL),
            ("text", "other"),
            ("label",),
            r"several features, text, other",
        ),
        (
            (Feature("sound", "Audio"), LABEL),
            (),
            (),
            r"its inputs, sound, are sounds.*read_examples.*jaxdl\.Arrays",
        ),
        ((IMAGE, TEXT), ("image",), ("text",), r"targets are one class label, or numbers, and text is not: choose"),
        ((IMAGE, LABEL), ("image", "label"), ("label",), r"set: label cannot be both inputs and targets"),
        ((LABEL, IMAGE), ("label",), ("image",), r"inputs are one image, or numbers of one shape, and label is not"),
        (
            (Feature("image", "Image", (4, 4, 3), "uint16"), LABEL),
            (),
            (),
            r"image are images of 3 channels of uint16; those of 1, 3 or 4 channels of uint8 and of 1 channel of",
        ),
    ],
)
def test_what_cannot_be_trained_on_is_refused_with_the_way_out(features, inputs, targets, words):
    with pytest.raises(UserError, match=words) as error:
        chosen(by_name(*features), (), Choice(inputs=inputs, targets=targets), "set")
    assert "\n" not in str(error.value)
