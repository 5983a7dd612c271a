"""Finds the prepared sets in a data folder without importing tensorflow-datasets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jaxdl.data.tfds.names import CONFIG_NAME, VERSION, parsed, version_key
from jaxdl.errors import UserError
from jaxdl.files.atomic import named_cause

_READABLE_FORMATS = ("array_record", "tfrecord")
INFO, FEATURES = "dataset_info.json", "features.json"


def prepared_folder(data_dir: Path, name: str) -> Path | None:
    """Returns the folder of a set that is prepared in `data_dir`, without importing TFDS.

    A name with a version means that version, any other the newest one.

    Raises:
        UserError: the data folder cannot be read, TFDS's description of a set in it is damaged, or the folder holds
            records without a description.
    """
    version = parsed(name).version
    found = _versions(data_dir, name)
    if version:
        return found.get(version)
    return max(found.items(), key=lambda item: version_key(item[0]), default=("", None))[1]


def prepared_versions(data_dir: Path, name: str) -> list[str]:
    """Returns the versions of a set that are prepared in `data_dir`, the oldest first; the name's own does not count.

    Raises:
        UserError: as for `prepared_folder`.
    """
    return sorted(_versions(data_dir, name), key=version_key)


def _versions(data_dir: Path, name: str) -> dict[str, Path]:
    parts = parsed(name)
    with named_cause(data_dir, "read"):
        folder = data_dir / parts.dataset / (parts.config or _default_config(data_dir / parts.dataset))
        if not folder.is_dir():
            return {}
        folders = [path for path in folder.iterdir() if VERSION.fullmatch(path.name) and path.is_dir()]
        wanted = [path for path in folders if parts.version in ("", path.name)]
        readable = {path.name: path for path in folders if _is_readable(path)}
        for path in [] if readable.keys() & {path.name for path in wanted} else wanted:
            _check_complete(path)
    return readable


def _default_config(folder: Path) -> str:
    """Returns the config that TFDS recorded as a set's default when it prepared one, or an empty string."""
    note = folder / ".config" / "metadata.json"
    config = read_json(note).get("default_config_name", "") if note.is_file() else ""
    if not isinstance(config, str) or (config and not CONFIG_NAME.fullmatch(config)):  # it becomes part of a path
        raise _damaged(note, f"default_config_name is {config!r}")
    return config


def _is_readable(folder: Path) -> bool:
    info = folder / INFO
    if not info.is_file() or not (folder / FEATURES).is_file():
        return False
    return read_json(info).get("fileFormat", "tfrecord") in _READABLE_FORMATS


def _check_complete(folder: Path) -> None:
    """Raises `UserError` for a folder of records that lacks a description, as after a copy that was stopped."""
    missing = [name for name in (INFO, FEATURES) if not (folder / name).is_file()]
    if missing and any(f".{kind}" in path.name for path in folder.iterdir() for kind in _READABLE_FORMATS):
        raise UserError(
            f"{folder} is not a complete prepared set: {' and '.join(missing)} missing. Copy it again, or remove it."
        )


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        UserError: the file is damaged.
    """
    try:
        content = json.loads(path.read_text())
    except (ValueError, RecursionError) as problem:
        raise _damaged(path, problem) from problem
    if not isinstance(content, dict):
        raise _damaged(path, "not a JSON object")
    return content


def _damaged(path: Path, reason: object) -> UserError:
    return UserError(f"{path} is damaged ({reason}). Remove {path.parent}, and it will be created again.")
