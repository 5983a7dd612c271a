"""Writes a small checkpoint as Orbax lays it out, in the calling thread and as one transaction of TensorStore.

Orbax takes about as long for a small checkpoint as for one of many megabytes: event loops, threads, and a database that
it writes for each process and then puts together. A sweep of short trainings would spend a third of its time so.

Apart from the numbers, a checkpoint depends only on the structure of its arrays. Orbax therefore writes one with zeros
beside the checkpoints, once for each structure; further ones have the same files, names and descriptions, and other
numbers. Orbax reads them as its own, and so do earlier versions of jaxdl.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdl.backend.processes import processes
from jaxdl.backend.signals import signals_held
from jaxdl.checkpoint.durable import ORBAX, handlers
from jaxdl.checkpoint.faults import silence_late_futures
from jaxdl.checkpoint.reading import ABOUT
from jaxdl.files.atomic import create_folder, sync_folder, sync_tree

# Larger ones are left to Orbax, which compresses them, and which writes while the training goes on.
MOST_BYTES = 2**22
# At the end of the names of folders that are not whole yet, or not any more.
_DRAFT = ".draft"
# What holds the numbers, and what Orbax says beside them of how and when they were written.
_DATABASE, _NO_PART = ("manifest.ocdbt", "d", "ocdbt.process_0"), ("commit_success.txt",)
_STEP = "_CHECKPOINT_METADATA"
# As Orbax asks for them: descriptions of arrays lie in the tree of names, which has one node.
_CONFIG = {"max_inline_value_bytes": 1024, "max_decoded_node_bytes": 100_000_000, "manifest_kind": "single"}
# A chunk of any of these is in the file as it is in memory. Others, such as those of 4 bits, are left to Orbax.
_PLAIN = frozenset(
    ["bool", "bfloat16", "float16", "float32", "float64", "complex64"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)

# For each part of a checkpoint: its name, the structure of its tree, and shape and dtype of each array.
Structure = tuple[tuple[str, Any, tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]], ...]


class Stored(NamedTuple):
    """How one array lies in the database.

    Attributes:
        description: the key of its shape and dtype.
        described: its shape and dtype, as Zarr's JSON.
        numbers: the key of its numbers, which are one chunk and not compressed.
    """

    description: str
    described: bytes
    numbers: str


class Form(NamedTuple):
    """What the checkpoints of one structure have besides their numbers.

    Attributes:
        files: what they have in other files, by path below the checkpoint.
        arrays: for each part by name, where its arrays lie, in the order of the tree's leaves.
    """

    files: Mapping[str, bytes]
    arrays: Mapping[str, tuple[Stored, ...]]


# The forms that this process knows; None: left to Orbax.
_FORMS: dict[Structure, Form | None] = {}
_MOST_FORMS = 64
_FORMS_LOCK = threading.Lock()  # trainings run in several threads


def form_of(parts: Mapping[str, Any], directory: Path) -> Form | None:
    """Returns the form of a checkpoint that is to be written here; None where that is left to Orbax.

    Args:
        parts: the trees of arrays, on the host, by the name of the part.
        directory: the folder of the checkpoints, which is made if it is missing. A form that is not known yet is
            written there for a moment: a run needs room on no other disk.

    Raises:
        OSError: it cannot be written there.
        ValueError: likewise, from TensorStore.
    """
    leaves = jax.tree.leaves(dict(parts))
    if processes() is not None or not all(type(leaf) is np.ndarray for leaf in leaves):
        return None
    if sum(leaf.nbytes for leaf in leaves) > MOST_BYTES or any(leaf.dtype.name not in _PLAIN for leaf in leaves):
        return None
    structure: Structure = tuple((name, *_structure(tree)) for name, tree in sorted(parts.items()))
    with _FORMS_LOCK:
        known = structure in _FORMS
        form = _FORMS.get(structure)
    if not known:
        form = _new_form(structure, directory)
        with _FORMS_LOCK:
            _FORMS[structure] = form
            if len(_FORMS) > _MOST_FORMS:
                _FORMS.pop(next(iter(_FORMS)))
    return form


def _structure(tree: Any) -> tuple[Any, tuple[Any, ...]]:
    leaves, treedef = jax.tree.flatten(tree)
    return treedef, tuple((leaf.shape, leaf.dtype) for leaf in leaves)


def _new_form(structure: Structure, directory: Path) -> Form | None:
    import orbax.checkpoint as ocp

    trees = {
        name: jax.tree.unflatten(treedef, [np.zeros(shape, dtype) for shape, dtype in arrays])
        for name, treedef, arrays in structure
    }
    items = {name: ocp.args.StandardSave(tree) for name, tree in trees.items()}
    options = ocp.CheckpointManagerOptions(enable_async_checkpointing=False)
    silence_late_futures()
    if not directory.exists():
        create_folder(directory)
    place = directory / f".form{_DRAFT}"
    shutil.rmtree(place, ignore_errors=True)  # of a process that was killed
    try:
        with ORBAX, signals_held():
            with ocp.CheckpointManager(place, item_handlers=handlers(), options=options) as manager:
                manager.save(0, args=ocp.args.Composite(**items, **{ABOUT: ocp.args.JsonSave({})}))
            path = place / "0"
            arrays = {name: _stored(path / name, tree) for name, tree in trees.items()}
            if any(each is None for each in arrays.values()):
                return None
            return Form(dict(_other_files(path)), {name: each for name, each in arrays.items() if each is not None})
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _stored(folder: Path, tree: Any) -> tuple[Stored, ...] | None:
    """Returns where the arrays of a part lie; None where Orbax does not write them as this module does."""
    if not (folder / "manifest.ocdbt").exists():
        return None
    store = _database(folder, {})
    keys = [key.decode() for key in store.list().result()]
    numbers = {key.rpartition("/")[0]: key for key in keys if not key.endswith("/.zarray")}
    found = []
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    for path, leaf in leaves:
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        key = f"{name}/.zarray"
        if key not in keys or name not in numbers:
            return None
        told = json.loads(store[key])
        if told["chunks"] != list(leaf.shape) or told["order"] != "C" or told["filters"]:
            return None
        found.append(Stored(key, json.dumps(told | {"compressor": None}).encode(), numbers[name]))
    return tuple(found) if len(keys) == 2 * len(found) else None


def _other_files(path: Path) -> Iterator[tuple[str, bytes]]:
    for file in path.rglob("*"):
        inside = file.relative_to(path)
        is_data = inside.parts[0] == ABOUT or any(part in _DATABASE for part in inside.parts)
        if file.is_file() and not is_data and file.name not in _NO_PART:
            yield str(inside), file.read_bytes()


def write(directory: Path, step: int, form: Form, parts: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Writes a checkpoint, which is on the disk under its name when this returns.

    Args:
        directory: the folder of the checkpoints, which exists.
        step: its number, of which there is none.
        form: what `form_of` returned for the parts.
        parts: the trees of arrays, by the name of the part.
        about: JSON values to store with them.

    Raises:
        OSError: it cannot be written; nothing of it is left.
        ValueError: likewise, from TensorStore.
    """
    draft = directory / f".{step}{_DRAFT}"
    try:
        draft.mkdir()
        for name in (ABOUT, *parts):
            (draft / name).mkdir()
        for name, content in form.files.items():
            file = draft / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(_dated(content) if name == _STEP else content)
        (draft / ABOUT / "metadata").write_text(json.dumps(dict(about)))
        for name, tree in parts.items():
            _write_arrays(draft / name, form.arrays[name], jax.tree.leaves(tree))
        sync_tree(draft)
        os.rename(draft, directory / str(step))
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync_folder(directory)


def _dated(content: bytes) -> bytes:
    now = time.time_ns()
    times = {"init_timestamp_nsecs": now, "commit_timestamp_nsecs": now}
    return json.dumps(json.loads(content) | times).encode()


def _write_arrays(folder: Path, stored: tuple[Stored, ...], leaves: list[np.ndarray]) -> None:
    import tensorstore as ts

    store = _database(folder, {"config": _CONFIG, "assume_config": True})
    transaction = ts.Transaction(atomic=True)
    staged = store.with_transaction(transaction)
    for at, leaf in zip(stored, leaves, strict=True):
        staged[at.description] = at.described
        staged[at.numbers] = leaf.tobytes()
    transaction.commit_sync()


def _database(folder: Path, options: Mapping[str, Any]) -> Any:
    """Opens the database of names and numbers in a folder that no one else uses."""
    import tensorstore as ts

    # `write` syncs all files itself, and no one reads them before that.
    base = {"driver": "file", "path": f"{folder}/", "file_io_locking": {"mode": "non_atomic"}}
    spec = {"driver": "ocdbt", "base": base, **options}
    return ts.KvStore.open(spec, context=ts.Context({"file_io_sync": False})).result()


def remove(directory: Path, step: int) -> None:
    """Removes a checkpoint; whenever the process is killed, no one sees a part of it."""
    draft = directory / f".{step}-old{_DRAFT}"
    os.rename(directory / str(step), draft)
    shutil.rmtree(draft)


def remove_drafts(directory: Path) -> None:
    """Removes what a killed process left of checkpoints that it was writing or removing."""
    for draft in directory.glob(f".*{_DRAFT}"):
        shutil.rmtree(draft, ignore_errors=True)
