"""Runs in the files that Weights & Biases writes offline, ``run-ID.wandb``.

A file is seven bytes (``:W&B``, 0xBEE1, version 0) and then LevelDB's log: blocks of 32,768 bytes of records, each with
a CRC-32 (4 bytes), a length (2) and a kind (1: whole; 2, 3, 4: first, middle and last part). A record is a protobuf
message, of which the fields named below are read.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxdl.comparison.importers.values import Point, flat, imported_run
from jaxdl.comparison.runs import UNFINISHED, Run

_HEADER = b":W&B\xe1\xbe\x00"
_BLOCK, _RECORD_HEADER = 32_768, 7
_WHOLE, _FIRST, _LAST = 1, 2, 4
# Numbers of fields: of a record, of its parts, and of an item of these.
_HISTORY, _RUN, _EXIT, _CONFIG = 2, 17, 18, 5
_ITEMS, _STEP, _KEY, _NESTED_KEY, _JSON = 1, 2, 1, 2, 16
_RUN_PROJECT, _RUN_CONFIG, _UPDATE = 3, 4, 1

Fields = dict[int, list[Any]]


def read_wandb(file: Path) -> list[Run]:
    """Returns the run of a file, as far as it is written; none where it is another kind of file."""
    try:
        content = file.read_bytes()
    except OSError:
        return []
    if not content.startswith(_HEADER):
        return []
    config: dict[str, Any] = {}
    points: list[Point] = []
    status, project = UNFINISHED, file.parent.name
    for record in _messages(content):
        for history in record.get(_HISTORY, ()):
            points += _points(_fields(history))
        for run in map(_fields, record.get(_RUN, ())):
            project = _text(run.get(_RUN_PROJECT, [project.encode()])[-1])
            config |= _settings(run.get(_RUN_CONFIG, ()))
        config |= _settings(record.get(_CONFIG, ()))
        for ended in record.get(_EXIT, ()):
            status = "failed" if _fields(ended).get(1, [0])[-1] else "completed"
    shown = {name: value for name, value in config.items() if not name.startswith("_wandb")}
    return [imported_run(file, "wandb", experiment=project, status=status, config=shown, points=points)]


def _points(history: Fields) -> list[Point]:
    step = 0
    for each in history.get(_STEP, ()):
        step = _fields(each).get(1, [0])[-1]
    found = []
    for key, value in _items(history.get(_ITEMS, ())):
        if isinstance(value, int | float) and not isinstance(value, bool) and not key.startswith("_"):
            found.append(Point(step, key, float(value)))
    return found


def _settings(parts: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in parts:
        for key, value in _items(_fields(part).get(_UPDATE, ())):
            found |= flat(value, key)
    return found


def _items(items: Any) -> Iterator[tuple[str, Any]]:
    """Yields keys and values; a key stands as such, or as its parts."""
    for item in map(_fields, items):
        parts = item.get(_NESTED_KEY) or item.get(_KEY) or [b""]
        try:
            yield "/".join(map(_text, parts)), json.loads(item.get(_JSON, [b"null"])[-1])
        except (ValueError, RecursionError):
            continue


def _messages(content: bytes) -> Iterator[Fields]:
    """Yields the records of a file until its end, or until a record that is not whole: it is still being written."""
    place, parts = len(_HEADER), b""
    while place + _RECORD_HEADER <= len(content):
        left = _BLOCK - place % _BLOCK
        if left < _RECORD_HEADER:  # filled up with zeros
            place += left
            continue
        checksum = int.from_bytes(content[place : place + 4], "little")
        length, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        data = content[place + _RECORD_HEADER : place + _RECORD_HEADER + length]
        if len(data) < length or zlib.crc32(bytes([kind]) + data) != checksum:
            return
        place += _RECORD_HEADER + length
        parts = data if kind in (_WHOLE, _FIRST) else parts + data
        if kind in (_WHOLE, _LAST):
            yield _fields(parts)


def _fields(message: Any) -> Fields:
    """Returns the fields of a protobuf message by number: whole numbers, and bytes for texts and messages."""
    found: Fields = {}
    place = 0
    if not isinstance(message, bytes):
        return found
    try:
        while place < len(message):
            tag, place = _varint(message, place)
            number, kind = tag >> 3, tag & 7
            value: Any
            if kind == 0:
                value, place = _varint(message, place)
            elif kind == 2:
                length, place = _varint(message, place)
                value, place = message[place : place + length], place + length
            else:
                size = {1: 8, 5: 4}[kind]
                value, place = message[place : place + size], place + size
            found.setdefault(number, []).append(value)
    except (IndexError, KeyError):  # not of this form: what came before counts
        pass
    return found


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
