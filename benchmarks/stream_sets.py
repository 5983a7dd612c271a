"""Generated sets on disk for `benchmarks.streams`: arrays, array_record files of TFDS, and a folder of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 64
EXAMPLE_BYTES = SIDE * SIDE * 3
CLASSES = 10
_PART = 1024
NAME = "generated"


def examples(count: int, seed: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields parts of `count` pictures (part, 64, 64, 3) uint8, noise around a brightness, and their classes."""
    random = np.random.RandomState(seed)
    for start in range(0, count, _PART):
        size = min(_PART, count - start)
        labels = random.randint(CLASSES, size=size)
        noise = random.randint(0, 60, (size, SIDE, SIDE, 3), np.uint8)
        yield noise + (labels * 19).astype(np.uint8)[:, None, None, None], labels


def write_arrays(folder: Path, count: int) -> None:
    """Writes ``inputs.npy`` and ``targets.npy``, a part at a time."""
    folder.mkdir(parents=True)
    shape = (count, SIDE, SIDE, 3)
    inputs = np.lib.format.open_memmap(folder / "inputs.npy", mode="w+", dtype=np.uint8, shape=shape)
    targets, done = [], 0
    for pictures, labels in examples(count):
        inputs[done : done + len(labels)] = pictures
        targets.append(labels)
        done += len(labels)
    np.save(folder / "targets.npy", np.concatenate(targets))


def write_array_record(data_dir: Path, count: int) -> None:
    """Lets TFDS write a set ``generated`` in array_record files."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import registered

    with registered.skip_registration():

        class Generated(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version("1.0.0")

            def _info(self) -> Any:
                encoding = tfds.features.Encoding.BYTES
                picture = tfds.features.Tensor(shape=(SIDE, SIDE, 3), dtype=np.uint8, encoding=encoding)
                label = tfds.features.ClassLabel(num_classes=CLASSES)
                features = tfds.features.FeaturesDict({"picture": picture, "label": label})
                return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=("picture", "label"))

            def _split_generators(self, dl_manager: Any) -> Any:
                return {"train": self._generate_examples(count, 0), "test": self._generate_examples(count // 50, 1)}

            def _generate_examples(self, count: int, seed: int) -> Any:
                key = 0
                for pictures, labels in examples(count, seed):
                    for picture, label in zip(pictures, labels, strict=True):
                        yield key, {"picture": picture, "label": int(label)}
                        key += 1

    Generated(data_dir=str(data_dir)).download_and_prepare(file_format="array_record")


def write_pictures(folder: Path, count: int, side: int = 32) -> None:
    """Writes JPEG files of 32x32 pixels in folders of classes."""
    from PIL import Image

    for name in range(CLASSES):
        (folder / f"class-{name}").mkdir(parents=True)
    number = 0
    for pictures, labels in examples(count):
        for picture, label in zip(pictures, labels, strict=True):
            Image.fromarray(picture[:side, :side]).save(folder / f"class-{label}" / f"{number}.jpg", quality=90)
            number += 1


WRITERS = {"arrays": write_arrays, "array_record": write_array_record, "folder": write_pictures}
