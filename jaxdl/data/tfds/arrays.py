"""A prepared TFDS image set as arrays: decoded once, stored next to the set as ``.npy`` files, loaded from there."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data import kept as stored
from jaxdl.data.images import MODES, opaque
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.spec import Dataset, Spec, Split, examples, fingerprint
from jaxdl.errors import UserError

# Part of the key of the stored arrays: increased when decoding changes.
_FORMAT = 2


def kept_folder(prepared: Path) -> Path:
    """Returns the folder for the arrays of a prepared set: ``3.0.1-jaxdl`` next to ``3.0.1``."""
    return prepared.with_name(prepared.name + "-jaxdl")


def kept(prepared: Path, name: str) -> Dataset | None:
    """Loads the stored arrays of a prepared set; None if there are none, or if the prepared set has changed since.

    Only NumPy is needed; TFDS and Pillow are not imported.
    """
    found = stored.load(kept_folder(prepared), _key(prepared))
    if found is None or _unlabelled(found.splits["test"]):
        return None
    return dataset_of(name, found.spec, found.splits, found.fingerprint)


def kept_spec(prepared: Path) -> Spec | None:
    """Returns the spec of a prepared set without loading any example; None if its arrays are not stored."""
    index = stored.read_index(kept_folder(prepared), _key(prepared))
    return Spec.from_json(index["spec"]) if index else None


def keep(dataset: Dataset, prepared: Path, drafts: Path) -> None:
    """Stores the arrays of a prepared set for `kept`.

    Args:
        dataset: the result of `decode`.
        prepared: the folder of the prepared set.
        drafts: an existing folder on the same file system, for files that are not complete yet.

    Raises:
        OSError: they cannot be written.
    """
    arrays = stored.Kept(dataset.spec, dataset.splits, dataset.fingerprint)
    stored.save(kept_folder(prepared), _key(prepared), arrays, drafts)


def _key(prepared: Path) -> str:
    """Returns a digest of the names, sizes and modification times of a prepared set's files, to detect changes."""
    stats = sorted((path.name, path.stat()) for path in prepared.iterdir() if path.is_file())
    seen = [_FORMAT, *((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()


def dataset_of(name: str, spec: Spec, splits: Mapping[str, Split], digest: str = "") -> Dataset:
    """Returns a set with its splits train and test; its fingerprint is `digest`, computed here if that is empty."""
    digest = digest or fingerprint(splits["train"], splits["test"])
    return Dataset(spec, splits, name, name, fingerprint=digest, train_examples=examples(splits["train"]))


def decode(prepared: Path, name: str) -> Dataset:
    """Decodes all images and labels of a prepared set in TFDS's order.

    Images become (examples, height, width, channels) uint8, labels (examples,) int32. If a set has no test split, or
    none with labels, its validation split is the test split; otherwise the set's own validation split is not used.

    Raises:
        UserError: the set is not image classification with images of equal size, or its files are damaged.
    """
    import tensorflow_datasets as tfds

    with _damage_named(prepared):
        info = tfds.builder_from_directory(prepared).info
    image, label = supervised_features(info, name)
    test = "test" if "test" in info.splits else "validation"
    if "train" not in info.splits or test not in info.splits:
        raise UserError(f"{name} has the splits {', '.join(info.splits)}; it needs train, and test or validation.")
    with _damage_named(prepared):
        splits = {
            split: _decode_split(info.splits[source], image, label, info.features[image].shape[-1], name)
            for split, source in (("train", "train"), ("test", test))
        }
        if _unlabelled(splits["test"]) and test == "test" and "validation" in info.splits:
            splits["test"] = _decode_split(
                info.splits["validation"], image, label, info.features[image].shape[-1], name
            )
    return dataset_of(name, spec_of(splits["train"]["inputs"].shape[1:], info.features[label]), splits)


def _unlabelled(split: Split) -> bool:
    """Returns whether no example has a label: TFDS gives -1 to those of a test split whose labels are not public."""
    return bool((split["targets"] < 0).all())


def spec_of(shape: tuple[int, ...], labels: Any) -> Spec:
    """Returns the spec of 8-bit images of one shape with the labels of a TFDS feature."""
    return Spec(shape, "uint8", Preprocess(scale=1 / 255), (), labels.num_classes, tuple(labels.names))


def described(builder: Any, name: str) -> Spec:
    """Returns the spec that TFDS's builder class declares, without any data.

    Raises:
        UserError: the set is not image classification, or the builder does not declare the size of the images.
    """
    import tempfile

    with tempfile.TemporaryDirectory() as nowhere:
        info = builder(data_dir=nowhere, config=name.partition("/")[2] or None).info
        image, label = supervised_features(info, name)
        shape = info.features[image].shape
        if None in shape:
            raise UserError(
                f"tensorflow-datasets does not declare the size of the images of {name}; prepare the set first."
            )
        return spec_of(tuple(shape), info.features[label])


def supervised_features(info: Any, name: str) -> tuple[str, str]:
    """Returns the names of the image and of the label of a TFDS set.

    Raises:
        UserError: the set does not have exactly one 8-bit image as input and one class label as target.
    """
    from tensorflow_datasets.core import features

    kinds = dict(info.features.items()) if isinstance(info.features, features.FeaturesDict) else {}
    chosen = info.supervised_keys if info.supervised_keys and len(info.supervised_keys) == 2 else tuple(kinds)
    images = [key for key in chosen if isinstance(kinds.get(key), features.Image) and kinds[key].np_dtype == np.uint8]
    labels = [key for key in chosen if isinstance(kinds.get(key), features.ClassLabel)]
    if len(images) != 1 or len(labels) != 1:
        listed = ", ".join(f"{key} ({type(kind).__name__})" for key, kind in sorted(kinds.items()))
        raise UserError(f"{name} holds {listed}; only sets of one 8-bit image and one class label can be read.")
    return images[0], labels[0]


def _decode_split(split: Any, image: str, label: str, channels: int, name: str) -> Split:
    from tensorflow_datasets.proto import tf_example_pb2

    count = split.num_examples
    inputs, targets = np.empty((0, 0, 0, 0), np.uint8), np.empty(count, np.int32)
    row = -1
    for row, record in enumerate(_records(split)):
        values = tf_example_pb2.Example.FromString(record).features.feature
        pixels = _pixels(values[image].bytes_list.value[0], channels)
        if row == 0:
            inputs = np.empty((count, *pixels.shape), np.uint8)
        elif pixels.shape != inputs.shape[1:]:
            sizes = " and ".join("x".join(map(str, shape[:2])) for shape in (inputs.shape[1:], pixels.shape))
            raise UserError(f"{name} has images of different sizes, such as {sizes}; all must have one size.")
        inputs[row], targets[row] = pixels, values[label].int64_list.value[0]
    if row + 1 != count:
        raise ValueError(f"{row + 1} of {count} examples in the split {split.name}")
    return {"inputs": inputs, "targets": targets}


def _records(split: Any) -> Iterator[bytes]:
    """Yields the serialised examples of a split, in order, one file in memory at a time."""
    for path in split.filepaths:
        if ".tfrecord" in path.name:
            yield from _tfrecords(Path(path))
        else:
            yield from _array_records(str(path))


def _array_records(path: str) -> list[bytes]:
    from array_record.python.array_record_module import ArrayRecordReader

    reader = ArrayRecordReader(path)
    try:
        records: list[bytes] = reader.read_all()
    finally:
        reader.close()
    return records


def _tfrecords(path: Path) -> Iterator[bytes]:
    """Reads the records that TensorFlow writes: length (8 bytes), its checksum (4), the record, its checksum (4)."""
    with path.open("rb") as file:
        while header := file.read(12):
            (length,) = struct.unpack("<Q", header[:8])
            record = file.read(length)
            if len(record) != length or len(file.read(4)) != 4:
                raise ValueError(f"{path.name} is cut short")
            yield record


def _pixels(encoded: bytes, channels: int) -> np.ndarray:
    """Decodes one image file to (height, width, channels) uint8."""
    from PIL import Image

    with Image.open(io.BytesIO(encoded)) as file:
        image = file.convert("RGBA") if channels == 4 else opaque(file, "an image of the set", MODES[channels])
        pixels = np.asarray(image)
    if pixels.dtype != np.uint8:  # of 16 bits of gray
        pixels = np.rint(pixels).astype(np.uint8)
    return np.array(np.broadcast_to(pixels.reshape(*pixels.shape[:2], -1), (*pixels.shape[:2], channels)))


@contextlib.contextmanager
def _damage_named(prepared: Path) -> Iterator[None]:
    """Turns errors of damaged files into a message with the folder and what to do."""
    try:
        yield
    except UserError:
        raise
    except Exception as problem:  # the readers of records, protocol buffers and images have their own exceptions
        reason = str(problem).partition("\n")[0].partition(";")[0]
        raise UserError(f"{prepared} is damaged ({reason}). Remove it, and it will be prepared again.") from problem
