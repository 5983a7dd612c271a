"""Sets of MNIST's format: their original IDX archives are read once, into arrays and TFDS's own files."""

from __future__ import annotations

import gzip
import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data.spec import Dataset, Split
from jaxdl.data.tfds.archives import Archive
from jaxdl.data.tfds.decode import dataset_of, declared, spec_of
from jaxdl.data.tfds.originals import encoded_png, order_of_tfds
from jaxdl.data.tfds.unpack import prepare_without_tensorflow

_UINT8 = 8  # IDX's type code for uint8


def is_idx(builder: Any) -> bool:
    """Whether a builder reads MNIST's archive format: MNIST itself, Fashion-MNIST, KMNIST and EMNIST do."""
    from tensorflow_datasets.image_classification import mnist

    return issubclass(builder, mnist.MNIST)


def prepare_idx(builder: Any, name: str, files: Mapping[Archive, Path], folder: Path) -> tuple[Path, Dataset]:
    """Prepares a set of MNIST's format with TFDS, in array_record files; no TensorFlow is needed.

    TFDS verifies size and SHA-256 of the archives, decides on names, splits and order, and writes the files. Only
    unpacking and encoding images, for which it would call TensorFlow, are done here.

    Args:
        builder: TFDS's builder class.
        name: TFDS's name of the set, with its config after a slash if it has several.
        files: where each archive is.
        folder: an empty folder to work in.

    Returns:
        A folder like TFDS's ``DATA_DIR``, below `folder`, that holds only the prepared set; and its arrays, the same as
        `jaxdl.data.tfds.arrays.decode` reads from the prepared files.
    """
    prepared, instance = prepare_without_tensorflow(builder, _IdxWithoutTensorFlow, name, files, folder)
    splits = {split: _in_order_of_tfds(arrays, split) for split, arrays in instance.read.items()}
    shape = splits["train"]["inputs"].shape[1:]
    return prepared, dataset_of(name, spec_of(declared(builder, name), shape), splits)


class _IdxWithoutTensorFlow:
    """Replaces the methods of TFDS's MNIST builder that would call TensorFlow; goes before the builder in the bases."""

    read: dict[str, Split]

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, Any]]]:
        generators = super()._split_generators(_WithoutExtraction(dl_manager))  # type: ignore[misc]
        self.read = {str(generator.name): _read_split(**generator.gen_kwargs) for generator in generators}
        return {name: _encoded(split) for name, split in self.read.items()}


class _WithoutExtraction:
    """A download manager that does not unpack archives: TFDS unpacks with TensorFlow and keeps the unpacked files."""

    def __init__(self, manager: Any):
        self._manager = manager

    def download_and_extract(self, urls: Any) -> Any:
        return self._manager.download(urls)

    def extract(self, paths: Any) -> Any:
        return paths


def _read_split(num_examples: int, data_path: Any, label_path: Any) -> Split:
    """Reads the first `num_examples` images and labels of two IDX files, as TFDS does, in the order of the files."""
    images, labels = read_idx(Path(data_path))[:num_examples], read_idx(Path(label_path))[:num_examples]
    if not len(images) == len(labels) == num_examples:
        raise ValueError(f"{data_path} and {label_path} hold {len(images)} and {len(labels)} of {num_examples}")
    return {"inputs": images[..., None], "targets": labels.astype(np.int32)}


def read_idx(path: Path) -> np.ndarray:
    """Reads an IDX file of bytes, packed by gzip (see http://yann.lecun.com/exdb/mnist/, "the IDX file format").

    Returns:
        uint8, of the shape in the file's header.

    Raises:
        ValueError: the file is not of this format.
    """
    content = _unpacked(path)
    if len(content) < 4 or content[:3] != bytes([0, 0, _UINT8]):
        raise ValueError(f"{path} is not an IDX file of bytes")
    dimensions = content[3]
    start = 4 + 4 * dimensions
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4))
    if len(content) != start + math.prod(shape):
        raise ValueError(f"{path} holds {len(content) - start:,} numbers, but its header says {shape}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _unpacked(path: Path) -> bytes:
    """Returns the contents of a gzip file, which may be a member of a zip file: ``gzip.zip/gzip/letters.gz``."""
    for outer in path.parents:
        if outer.is_file():
            with zipfile.ZipFile(outer) as members:
                return gzip.decompress(members.read(path.relative_to(outer).as_posix()))
    return gzip.decompress(path.read_bytes())


def _encoded(split: Split) -> Iterator[tuple[int, Any]]:
    """Yields the examples in TFDS's form, with the same keys as its own builder."""
    for index, (image, label) in enumerate(zip(split["inputs"][..., 0], split["targets"].tolist(), strict=True)):
        yield index, {"image": encoded_png(image), "label": label}


def _in_order_of_tfds(split: Split, name: str) -> Split:
    """Returns the examples in TFDS's order, for keys that are their numbers."""
    order = order_of_tfds(range(len(split["targets"])), name)
    return {key: array[order] for key, array in split.items()}
