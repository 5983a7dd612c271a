"""The texts of sets that are prepared as TFDS prepares them."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

import jaxdl
from jaxdl.data.tfds.choice import Choice
from jaxdl.data.tfds.prepared import prepared_folder
from jaxdl.data.tfds.texts import has_texts, texts_of


class Remarks(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Texts with a title, a class and a number."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "title": tfds.features.Text(),
            "body": tfds.features.Text(),
            "mood": tfds.features.ClassLabel(names=["calm", "loud"]),
            "stars": np.float32,
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for key in range(20):
            body = f"number {key % 3} of all" + " !" * (key % 2)
            yield key, {"title": f"title {key}", "body": body, "mood": key % 2, "stars": key / 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("remarks")
    Remarks(data_dir=str(path)).download_and_prepare(file_format="array_record")
    return path


def load(folder, **fields):
    return jaxdl.Tfds("remarks", **fields).load(folder, lambda line: None)


def test_the_inputs_and_targets_that_are_named(folder):
    dataset = load(folder, inputs=("body",), targets=("mood",))
    assert dataset.spec.class_names == ("calm", "loud")
    assert dataset.spec.coding is not None
    for split in dataset.splits.values():
        for row, n, label in zip(split["inputs"], split["lengths"], split["targets"], strict=True):
            assert dataset.spec.coding.text(row[:n]).endswith("!") == bool(label)


def test_a_text_with_a_number_to_predict(folder):
    dataset = load(folder, inputs=("title",), targets=("stars",))
    assert (dataset.spec.outputs, dataset.spec.class_names) == (1, ())
    assert dataset.splits["train"]["targets"].dtype == np.float32


def test_several_texts_are_refused(folder):
    with pytest.raises(jaxdl.UserError, match="several features, body, title; name one text with --data.inputs"):
        load(folder, inputs=("body", "title"), targets=("mood",))


def test_whether_there_are_texts_is_known_without_reading_them(folder):
    prepared = prepared_folder(folder, "remarks")
    assert prepared is not None
    assert has_texts("remarks", prepared, Choice(inputs=("body",), targets=("mood",)))
    numbers = Choice(inputs=("stars",), targets=("mood",))
    assert not has_texts("remarks", prepared, numbers)
    assert texts_of(prepared, "remarks", numbers) is None
    assert has_texts("imdb_reviews", None, Choice())


def test_the_fields_of_texts_are_those_of_text(folder):
    dataset = load(folder, inputs=("body",), targets=("mood",), level="byte", length=4)
    assert dataset.spec.input_shape == (4,)
    assert dataset.spec.vocabulary == 256
