from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.data import Tfds
from jaxdl.data.tfds import prepare
from jaxdl.errors import UserError

ROOT = Path(jaxdl.__file__).parents[1]


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UserError, match=r"unknown data set 'fashon_mnist'\. Did you mean 'fashion_mnist'\?"):
        prepare.builder_class("fashon_mnist")
    with pytest.raises(UserError, match=r"unknown data set 'digit'\. Did you mean 'digits'\?"):
        prepare.builder_class("digit")
    assert prepare.builder_class("wine_quality").name == "wine_quality"  # which TFDS does not list without h5py
    with pytest.raises(UserError, match=r"unknown config of emnist: 'leters'\. Did you mean 'letters'\?"):
        prepare.builder_class("emnist/leters")


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_the_archives_of_a_set_are_those_that_tfds_registers(name):
    archives = prepare.archives(prepare.builder_class(name), name)
    assert len({archive.file for archive in archives}) == len(archives) == 4
    assert all(archive.url.endswith(archive.file) and archive.size > 4000 for archive in archives)
    assert all(prepare.is_registered(archive.sha256) for archive in archives)
    assert not prepare.is_registered("0" * 64)


def test_a_set_is_published_whole_or_not_at_all(tmp_path):
    prepared = tmp_path / "prepared" / "tiny" / "1.0.0"
    prepared.mkdir(parents=True)
    (prepared / "dataset_info.json").write_text("{}")
    in_the_way = tmp_path / "data" / "tiny" / "1.0.0"
    in_the_way.mkdir(parents=True)
    (in_the_way / "file").write_text("")
    with pytest.raises(UserError, match=r"tiny/1\.0\.0 is in the way"):
        prepare.publish(tmp_path / "prepared", tmp_path / "data")
    (in_the_way / "file").unlink()
    assert prepare.publish(tmp_path / "prepared", tmp_path / "data") == in_the_way
    assert (in_the_way / "dataset_info.json").is_file()


@pytest.mark.skipif(find_spec("tensorflow") is not None, reason="TensorFlow is installed here")
def test_without_tensorflow_other_sets_name_the_extra():
    with pytest.raises(
        UserError, match=r"svhn is not prepared; preparing it .* needs the package tensorflow: pip install tensorflow"
    ):
        prepare.check_tensorflow("svhn")


@pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed: pip install tensorflow")
def test_a_builder_of_ones_own_is_prepared_through_tensorflow_by_its_name(tmp_path):
    import tensorflow_datasets as tfds

    pictures = np.random.RandomState(0).randint(0, 256, (12, 9, 7, 3)).astype(np.uint8)

    class OwnPictures(tfds.core.GeneratorBasedBuilder):  # known to TFDS from here on, under own_pictures
        VERSION = tfds.core.Version("2.0.0")

        def _info(self):
            image = tfds.features.Image(shape=(9, 7, 3))  # arrays, which TFDS encodes with TensorFlow
            features = tfds.features.FeaturesDict({"image": image, "label": tfds.features.ClassLabel(names=["a", "b"])})
            return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=("image", "label"))

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(0, 8), "test": self._generate_examples(8, 12)}

        def _generate_examples(self, start, stop):
            for row in range(start, stop):
                yield row, {"image": pictures[row], "label": row % 2}

    lines: list[str] = []
    dataset = Tfds("own_pictures", validation=0).load(tmp_path, lines.append)
    assert (tmp_path / "own_pictures" / "2.0.0" / "own_pictures-train.array_record-00000-of-00001").is_file()
    for split, rows in (("train", range(8)), ("test", range(8, 12))):
        read = dataset.splits[split]
        got = sorted((image.tobytes(), int(label)) for image, label in zip(*read.values(), strict=True))
        assert got == sorted((pictures[row].tobytes(), row % 2) for row in rows)
    assert dataset.spec.class_names == ("a", "b")
    assert Tfds("own_pictures:2.0.0", validation=0).load(tmp_path, lines.append).fingerprint == dataset.fingerprint
