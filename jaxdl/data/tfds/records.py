"""The records of a prepared TFDS set: which splits there are, and the bytes of their examples, in TFDS's order."""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxdl.data.tfds.features import Feature, features_in
from jaxdl.data.tfds.prepared import INFO, read_json
from jaxdl.errors import UserError, unknown

_RECORDS = 4096  # how many are read at a time
_PLUS = re.compile(r"\s*\+\s*")


@dataclass(frozen=True)
class Contents:
    """What a prepared set holds.

    Attributes:
        features: by name.
        supervised: the names of features that TFDS gives for inputs and for targets; empty if it gives none.
        splits: TFDS's splits by name; ``splits["train[:80%]"]`` is a part of one.
    """

    features: Mapping[str, Feature]
    supervised: tuple[tuple[str, ...], ...]
    splits: Any


def contents(prepared: Path) -> Contents:
    """Returns what a prepared set holds, by TFDS's descriptions in its folder.

    Raises:
        UserError: the descriptions are damaged.
    """
    from tensorflow_datasets.core import dataset_info

    with damage_named(prepared):
        pair = read_json(prepared / INFO).get("supervisedKeys", {}).get("tuple", {}).get("items", [])
        splits = dataset_info.get_split_dict_from_proto(dataset_info.read_proto_from_builder_dir(prepared), prepared)
        return Contents(features_in(prepared), tuple(tuple(_keys(each)) for each in pair), splits)


def _keys(nested: Any) -> Iterator[str]:
    """Yields the names in TFDS's description of inputs or targets, which may be a dictionary or tuple of features."""
    if isinstance(nested, dict):
        for key, value in nested.items():
            if key == "featureKey":
                yield value
            else:
                yield from _keys(value)
    elif isinstance(nested, list):
        for value in nested:
            yield from _keys(value)


def part(held: Contents, expression: str, field: str, name: str) -> Any:
    """Returns the part of a set that an expression of TFDS names, such as ``train[:80%]`` or ``train+test``.

    Args:
        held: the set.
        expression: see https://www.tensorflow.org/datasets/splits.
        field: the field of the data source that it is from, for messages.
        name: the set's, for messages.

    Raises:
        UserError: it names no split, is not of TFDS's form, or has no examples.
    """
    for each in _PLUS.split(expression.strip()):
        split = each.partition("[")[0]
        if split not in held.splits and split != "all":
            raise unknown(f"split of {name} for --data.{field}:", split, held.splits)
    try:
        found = held.splits[expression]
        takes = [span.take for span in found.file_instructions]
    except Exception as problem:  # TFDS raises several kinds
        reason = str(problem).strip().splitlines()[-1].rstrip(".")
        raise UserError(f"--data.{field}={expression}: {reason}.") from problem
    if not takes or min(takes) <= 0:  # TFDS would take examples away for a slice that ends before it begins
        raise UserError(f"--data.{field}={expression}: this part of {name} has no examples.")
    return found


def overlap(one: Any, other: Any) -> bool:
    """Returns whether two parts of a set share an example."""
    spans = [[(i.filename, i.skip, i.skip + i.take) for i in each.file_instructions] for each in (one, other)]
    return any(a[0] == b[0] and a[1] < b[2] and b[1] < a[2] for a in spans[0] for b in spans[1])


def records(part: Any) -> Iterator[bytes]:
    """Yields the serialised examples of a part of a set, in order, a few thousand in memory at a time.

    Raises:
        ValueError: a file does not have as many records as TFDS's description says, as one that was copied half.
    """
    for span in part.file_instructions:
        path, stop = Path(span.filename), span.skip + span.take
        read = _tfrecords if ".tfrecord" in path.name else _array_records
        yield from read(path, span.skip, stop, span.examples_in_shard)


def _array_records(path: Path, start: int, stop: int, count: int) -> Iterator[bytes]:
    reader = array_record(path, count)
    for first in range(start, stop, _RECORDS):
        yield from reader.read(first, min(stop, first + _RECORDS))
    reader.close()  # which raises any error again, also one of opening the file


def array_record(path: Path, count: int) -> Any:
    """Returns the reader of an array_record file.

    Raises:
        ValueError: it does not have `count` records.
    """
    from array_record.python.array_record_module import ArrayRecordReader

    if not path.is_file():
        raise ValueError(f"{path.name} is missing")
    reader = ArrayRecordReader(str(path))
    if not reader.ok() or reader.num_records() != count:  # a file that was cut opens as an empty one
        held = reader.num_records()
        raise ValueError(f"{path.name} is cut short or of another set: it has {held:,} of {count:,} examples")
    return reader


def _tfrecords(path: Path, start: int, stop: int, count: int) -> Iterator[bytes]:
    """Reads the records that TensorFlow writes: length (8 bytes), its checksum (4), the record, its checksum (4)."""
    if not path.is_file():
        raise ValueError(f"{path.name} is missing")
    index = 0
    with path.open("rb") as file:
        while header := file.read(12):
            if len(header) != 12:
                raise ValueError(f"{path.name} is cut short")
            (length,) = struct.unpack("<Q", header[:8])
            record = file.read(length)
            if len(record) != length or len(file.read(4)) != 4:
                raise ValueError(f"{path.name} is cut short")
            if start <= index < stop:
                yield record
            index += 1
    if index != count:
        raise ValueError(f"{path.name} is cut short or of another set: it has {index:,} of {count:,} examples")


@contextlib.contextmanager
def damage_named(prepared: Path) -> Iterator[None]:
    """Turns errors of damaged files into a message with the folder and what to do."""
    try:
        yield
    except UserError:
        raise
    except Exception as problem:  # the readers of records, protocol buffers and images have their own exceptions
        reason = (str(problem) or type(problem).__name__).partition("\n")[0].partition(";")[0]
        raise UserError(f"{prepared} is damaged ({reason}). Remove it, and it will be prepared again.") from problem
