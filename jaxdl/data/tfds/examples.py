"""The examples of a TFDS set as Python and NumPy values: texts and sounds too, on which nothing is trained by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data.source import Notify, default_data_dir
from jaxdl.data.tfds.decode import numbers, only
from jaxdl.data.tfds.features import Feature
from jaxdl.data.tfds.names import parsed
from jaxdl.data.tfds.obtain import Request, Unavailable, obtain, obtain_archives
from jaxdl.data.tfds.pictures import pixels
from jaxdl.data.tfds.prepared import prepared_folder
from jaxdl.data.tfds.records import contents, damage_named, records
from jaxdl.data.tfds.sounds import NAME as SPOKEN_DIGIT
from jaxdl.data.tfds.sounds import spoken_digits
from jaxdl.errors import UserError
from jaxdl.files.paths import expanded

Examples = Mapping[str, list[Any]]


def read_examples(
    name: str, data_dir: Path | str | None = None, notify: Notify = print, mirror: str = ""
) -> dict[str, Examples]:
    """Returns all examples of a set of tensorflow-datasets, prepared first if that is necessary.

    Args:
        name: the set, such as ``imdb_reviews`` or ``glue/sst2``.
        data_dir: the folder of all sets; None: TFDS's own.
        notify: called with progress lines.
        mirror: base URL to fetch archives from instead of the registered URLs.

    Returns:
        For each split a list for each feature, in TFDS's order. Texts are ``str`` (bytes that are not UTF-8 become
        U+FFFD), sounds (samples,) in int16, or int32 where they need it, images (height, width, channels) in uint8 or
        uint16, labels ``int``, and numbers arrays of the feature's shape and dtype. Features of other kinds are left
        out.

    Raises:
        UserError: the set is unknown, damaged, or cannot be had.
    """
    folder = default_data_dir() if data_dir is None else expanded(data_dir)
    try:
        return obtained_examples(Request(name, folder, mirror, notify))
    except Unavailable as problem:
        raise UserError(f"{name} is not available: {problem}. Way out: {problem.way_out}.") from problem


def obtained_examples(request: Request) -> dict[str, Examples]:
    """Returns what `read_examples` returns.

    Raises:
        UserError: the set is unknown or damaged.
        Unavailable: the set is not on this machine, and cannot be downloaded or prepared.
    """
    if parsed(request.name).dataset == SPOKEN_DIGIT and prepared_folder(request.data_dir, request.name) is None:
        (archive,) = obtain_archives(request).values()
        return {"train": spoken_digits(archive)}
    return _of_prepared(obtain(request))


def _of_prepared(prepared: Path) -> dict[str, Examples]:
    from tensorflow_datasets.proto import tf_example_pb2

    held = contents(prepared)
    with damage_named(prepared):
        found: dict[str, dict[str, list[Any]]] = {}
        for split in held.splits:
            read: dict[str, list[Any]] = {key: [] for key, feature in held.features.items() if _is_read(feature)}
            for record in records(held.splits[split]):
                values = tf_example_pb2.Example.FromString(record).features.feature
                for key, column in read.items():
                    column.append(_value(values[key], held.features[key]))
            found[split] = read
    return {split: found[split] for split in held.splits}


def _is_read(feature: Feature) -> bool:
    return feature.kind in ("Text", "Audio", "ClassLabel") or feature.is_numbers or feature.is_image


def _value(value: Any, feature: Feature) -> Any:
    if feature.kind == "Text":
        return only(value.bytes_list.value, feature).decode("utf-8", "replace")
    if feature.kind == "ClassLabel":
        return only(value.int64_list.value, feature)
    if feature.kind == "Audio":
        samples = numbers(value, feature)
        if samples.dtype.kind == "f":
            return samples
        fits = not samples.size or (samples.min() >= -(2**15) and samples.max() < 2**15)
        return samples.astype(np.int16 if fits else np.int32)
    if feature.is_image:
        return pixels(only(value.bytes_list.value, feature), feature)
    array = numbers(value, feature).astype(feature.dtype)
    return array if feature.shape else array[()]
