"""Finds the prepared sets in a data folder without importing tensorflow-datasets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from jaxdl.errors import UserError
from jaxdl.files.atomic import named_cause

_READABLE_FORMATS = ("array_record", "tfrecord")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
# The name of a config is the name of a folder; it must not point outside its parent.
CONFIG_NAME = re.compile(r"\w[\w+.-]*")


def prepared_folder(data_dir: Path, name: str) -> Path | None:
    """Returns the folder of the newest version of a set that is prepared in `data_dir`, without importing TFDS.

    Raises:
        UserError: the data folder cannot be read, or TFDS's description of a set in it is damaged.
    """
    dataset, _, config = name.partition("/")
    with named_cause(data_dir, "read"):
        folder = data_dir / dataset / (config or _default_config(data_dir / dataset))
        if not folder.is_dir():
            return None
        versions = [path for path in folder.iterdir() if _VERSION.fullmatch(path.name) and _is_readable(path)]
    return max(versions, key=lambda path: tuple(map(int, path.name.split("."))), default=None)


def _default_config(folder: Path) -> str:
    """Returns the config that TFDS recorded as a set's default when it prepared one, or an empty string."""
    note = folder / ".config" / "metadata.json"
    config = _read_json(note).get("default_config_name", "") if note.is_file() else ""
    if not isinstance(config, str) or (config and not CONFIG_NAME.fullmatch(config)):  # it becomes part of a path
        raise _damaged(note, f"default_config_name is {config!r}")
    return config


def _is_readable(folder: Path) -> bool:
    info = folder / "dataset_info.json"
    if not info.is_file() or not (folder / "features.json").is_file():
        return False
    return _read_json(info).get("fileFormat", "tfrecord") in _READABLE_FORMATS


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (ValueError, RecursionError) as problem:
        raise _damaged(path, problem) from problem
    if not isinstance(content, dict):
        raise _damaged(path, "not a JSON object")
    return content


def _damaged(path: Path, reason: object) -> UserError:
    return UserError(f"{path} is damaged ({reason}). Remove {path.parent}, and it will be created again.")
