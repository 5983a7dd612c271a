"""Sets that are prepared from their original archives without TensorFlow, besides those of MNIST's format."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data.tfds.archives import Archive
from jaxdl.data.tfds.unpack import Unpacked, prepare_without_tensorflow

Prepare = Callable[[Any, str, Mapping[Archive, Path], Path], Path]


def preparation(builder: Any) -> Prepare | None:
    """Returns the function that prepares the sets of a builder without TensorFlow; None where there is none.

    It takes the builder, the set's name, the place of each archive and an empty folder to work in, and returns a folder
    like TFDS's ``DATA_DIR``, below that one, that holds only the prepared set.
    """
    from tensorflow_datasets.image_classification import cifar

    replaced = _Cifar if issubclass(builder, cifar.Cifar10) else _REPLACED.get(builder.name)
    if replaced is None:
        return None
    return lambda *args: prepare_without_tensorflow(args[0], replaced, *args[1:])[0]


class _Cifar(Unpacked):
    """CIFAR-10 and CIFAR-100, of the "binary version" at https://www.cs.toronto.edu/~kriz/cifar.html."""

    _cifar_info: Any

    def _generate_examples(self, split_prefix: str, filepaths: Any) -> Iterator[tuple[int, Any]]:
        """Yields the examples in TFDS's form, with the same keys as its own builder."""
        keys = self._cifar_info.label_keys
        index = 0
        for path in filepaths:
            # Each record has a byte for each label, and 32x32 bytes each of red, green and blue.
            rows = np.fromfile(path, np.uint8).reshape(-1, len(keys) + 3 * 32 * 32)
            images = rows[:, len(keys) :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            for labels, image in zip(rows[:, : len(keys)].tolist(), images, strict=True):
                about = {"id": f"{split_prefix}{index:05d}", "image": encoded_png(image)}
                yield index, {**about, **dict(zip(keys, labels, strict=True))}
                index += 1


class _TinyShakespeare:
    """One text, of which each split is a part."""

    url_infos: Mapping[str, Any]

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, Any]]]:
        (url,) = self.url_infos
        text = Path(dl_manager.download(url)).read_text("utf-8")
        # TFDS's shares: 90 % are train, and half of the rest is validation.
        train = int(len(text) * 0.9)
        validation = train + int((len(text) - train) * 0.5)
        parts = {"train": text[:train], "validation": text[train:validation], "test": text[validation:]}
        return {split: iter([(split, {"text": part})]) for split, part in parts.items()}


_REPLACED: Mapping[str, type] = {"imdb_reviews": Unpacked, "glue": Unpacked, "tiny_shakespeare": _TinyShakespeare}


def encoded_png(image: np.ndarray) -> bytes:
    """Encodes (height, width) or (height, width, 3) uint8 as PNG, which is lossless."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def order_of_tfds(keys: Sequence[int] | Sequence[str], split: str) -> list[int]:
    """Returns the positions of examples in TFDS's order: sorted by a hash of the split's name and the example's key."""
    from tensorflow_datasets.core import hashing

    # TFDS would increase the major version of every set if it changed this hash: see its module's docstring.
    hash_key = hashing.Hasher(split).hash_key
    return sorted(range(len(keys)), key=lambda position: hash_key(keys[position]))
