"""A prepared TFDS set whose examples are decoded each time that they are needed, from array_record files, by number."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.backend.cores import usable_cores
from jaxdl.data.memory import empty
from jaxdl.data.npy import opened, write_array
from jaxdl.data.source import Notify
from jaxdl.data.spec import Dataset
from jaxdl.data.stream import Streamed, answers_folder, remembered_by
from jaxdl.data.tfds.choice import Choice
from jaxdl.data.tfds.decode import (
    check_same_shape,
    dataset_of,
    dtype_of,
    features_and_parts,
    inputs_of,
    labelled,
    spec_of,
    targets_of,
    values_of,
)
from jaxdl.data.tfds.features import Chosen
from jaxdl.data.tfds.records import array_record, damage_named, records


@dataclasses.dataclass(frozen=True)
class Span:
    """Examples of one array_record file that follow one another.

    Attributes:
        path: the file.
        skip: the first.
        take: how many.
        count: how many the file holds.
    """

    path: Path
    skip: int
    take: int
    count: int


class Records:
    """Decodes examples of array_record files by their numbers, on as many threads as there are cores.

    A `jaxdl.data.stream.Reader`.

    Args:
        prepared: the set's folder.
        spans: where the examples are, in order.
        features: what of them is decoded.
        shape: of one example.
        name: the set's.
    """

    def __init__(self, prepared: Path, spans: list[Span], features: Chosen, shape: tuple[int, ...], name: str):
        self.path = prepared
        self.shape = (sum(span.take for span in spans), *shape)
        self.dtype = dtype_of(features)
        self._spans, self._features, self._name = spans, features, name
        self._ends = np.cumsum([span.take for span in spans])
        self._readers: dict[Path, Any] = {}
        self._lock = threading.Lock()

    @property
    def identity(self) -> str:
        return _identity(self._spans, self._features)

    def read(self, numbers: np.ndarray) -> np.ndarray:
        found = empty((len(numbers), *self.shape[1:]), self.dtype)
        with damage_named(self.path), ThreadPoolExecutor(len(usable_cores())) as pool:
            jobs = [pool.submit(self._decode, found, row, record) for row, record in self._records(numbers)]
            for job in jobs:
                job.result()
        return found

    def _records(self, numbers: np.ndarray) -> Iterator[tuple[int, bytes]]:
        """Yields the row and the record of each number, file by file."""
        of_spans = np.searchsorted(self._ends, numbers, "right")
        for span_number in np.unique(of_spans):
            span, rows = self._spans[span_number], np.flatnonzero(of_spans == span_number)
            places = numbers[rows] - (self._ends[span_number] - span.take) + span.skip
            with self._lock:  # one at a time, since a reader is not said to be safe for threads
                if span.path not in self._readers:
                    self._readers[span.path] = array_record(span.path, span.count)
                read = self._readers[span.path].read(places.tolist())
            yield from zip(rows.tolist(), read, strict=True)

    def _decode(self, found: np.ndarray, row: int, record: bytes) -> None:
        example = inputs_of(values_of(record), self._features)
        check_same_shape(self._name, self.shape[1:], example.shape)
        found[row] = example


def decodes_by_index(prepared: Path, name: str, choice: Choice) -> bool:
    """Returns whether a set lies in files from which single examples can be read: array_record, not TFRecord."""
    _, parts = features_and_parts(prepared, name, choice)
    return all(
        ".tfrecord" not in Path(span.filename).name for part in parts.values() for span in part.file_instructions
    )


def decode(prepared: Path, name: str, choice: Choice, notify: Notify) -> Dataset:
    """Returns what `jaxdl.data.tfds.decode.decode` does, with inputs that are decoded when they are asked for.

    The first time it reads all records for the targets; these are kept in the user's cache folder.

    Raises:
        UserError: as there.
    """
    notify(f"The examples of {name} are decoded again in each epoch: decoded, they would fill the disk.")
    features, parts = features_and_parts(prepared, name, choice)
    splits = {}
    with damage_named(prepared):
        for role, part in parts.items():
            spans = [
                Span(Path(each.filename), each.skip, each.take, each.examples_in_shard)
                for each in part.file_instructions
            ]
            first = values_of(next(iter(records(part))))
            reader = Records(prepared, spans, features, inputs_of(first, features).shape, name)
            splits[role] = {"inputs": Streamed(reader).as_array(), "targets": _targets(part, features, reader.identity)}
        splits = labelled(splits, choice)
    return dataset_of(name, spec_of(features, splits["train"]["inputs"].shape[1:]), splits)


def _targets(part: Any, features: Chosen, identity: str) -> np.ndarray:
    """Returns the targets of a part of a set, from the cache folder where they were read before."""
    folder = answers_folder()
    file = None if folder is None else folder / f"targets-{hashlib.sha256(identity.encode()).hexdigest()[:32]}.npy"

    def digest() -> str:
        targets = targets_of(map(values_of, records(part)), part.num_examples, features)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_array(file, targets)
        return hashlib.sha256(targets.tobytes()).hexdigest()

    expected = remembered_by(f"targets {identity}", digest)
    if file is not None and file.is_file():
        found = np.asarray(opened(file))
        if hashlib.sha256(found.tobytes()).hexdigest() == expected:
            return found
    return targets_of(map(values_of, records(part)), part.num_examples, features)


def _identity(spans: list[Span], features: Chosen) -> str:
    stats = [(str(span.path), span.skip, span.take, span.path.stat()) for span in spans]
    places = [(path, skip, take, stat.st_size, stat.st_mtime_ns) for path, skip, take, stat in stats]
    return hashlib.sha256(json.dumps([places, repr(features)]).encode()).hexdigest()
