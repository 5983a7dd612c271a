"""Reads one checkpoint and compares it with the digests that were written with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdl.backend.keys import with_keys
from jaxdl.checkpoint.arrays import check_fits, shape_in_file
from jaxdl.checkpoint.digest import params_sha256
from jaxdl.checkpoint.faults import Damaged, damage_named, unless_it_passes

# The parts of a checkpoint, each a folder in it.
STATE, ROWS, ABOUT = "state", "rows", "about"


class Saved(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        step: train steps done.
        state: the training state.
        rows: the metrics of each step of the current epoch, (steps of an epoch,) by name; None at an epoch's start.
        about: the content of its ``about/``: ``step``, ``digests``, ``shapes``, ``rank``, ``best_step``, the argument
            `about` of `Checkpoints.save`, and a ``digest`` of all this.
    """

    step: int
    state: Any
    rows: dict[str, np.ndarray] | None
    about: dict[str, Any]


def read_about(manager: Any, directory: Path, step: int) -> dict[str, Any]:
    """Returns the JSON values stored with a checkpoint: see `Saved.about`.

    Args:
        manager: Orbax's manager of the directory.
        directory: the folder of the checkpoints.
        step: which one.

    Raises:
        Damaged: it cannot be read, or differs from what was written.
        OSError: the machine does not let it be read.
    """
    return unless_it_passes(directory / str(step), lambda: _read_about(manager, directory, step))


def _read_about(manager: Any, directory: Path, step: int) -> dict[str, Any]:
    import orbax.checkpoint as ocp

    with damage_named(directory / str(step), step):
        about: dict[str, Any] = manager.restore(step, args=ocp.args.Composite(**{ABOUT: ocp.args.JsonRestore()}))[ABOUT]
        said = {name: value for name, value in about.items() if name != "digest"}
        if about["step"] != step or about["digest"] != about_digest(said):
            raise ValueError("the digest of its JSON values is not the one that was written with it")
    return about


def about_digest(said: Mapping[str, Any]) -> str:
    """Returns the SHA-256 hex digest of the JSON values stored with a checkpoint."""
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def read_checkpoint(
    manager: Any, directory: Path, step: int, like: Any, rows_like: Mapping[str, Any] | None = None
) -> Saved:
    """Reads one checkpoint and compares its digests.

    Args:
        manager: Orbax's manager of the directory.
        directory: the folder of the checkpoints.
        step: which one.
        like: the structure, shapes and dtypes of the state, or a function that returns them from `Saved.about`; None:
            the state as it lies in the file, NumPy arrays in dictionaries and lists, keys as their words.
        rows_like: shapes and dtypes of the rows; None leaves them out.

    Raises:
        UserError: it does not fit `like`.
        Damaged: it cannot be read, or differs from what was written.
        OSError: the machine does not let it be read.
    """
    return unless_it_passes(directory / str(step), lambda: _read_checkpoint(manager, directory, step, like, rows_like))


def _read_checkpoint(manager: Any, directory: Path, step: int, like: Any, rows_like: Mapping[str, Any] | None) -> Saved:
    import orbax.checkpoint as ocp

    path = directory / str(step)
    about = read_about(manager, directory, step)
    digests = about["digests"]
    if callable(like):
        like = like(about)
    if like is not None:
        check_fits(about["shapes"], like, path)
    wanted = {STATE: like}
    if rows_like is not None and ROWS in digests:
        wanted[ROWS] = dict(rows_like)
    in_file = jax.tree.map(shape_in_file, wanted)
    items = {name: ocp.args.StandardRestore(tree) for name, tree in in_file.items()}  # None: as it is in the file
    with damage_named(path, step):
        restored = manager.restore(step, args=ocp.args.Composite(**items))
    for name in wanted:
        if params_sha256(restored[name]) != digests[name]:
            raise Damaged(path, step, f"the digest of its {name} is not the one that was written with it")
    state = restored[STATE] if like is None else jax.tree.map(with_keys, like, restored[STATE])
    rows = {name: np.asarray(row) for name, row in restored[ROWS].items()} if ROWS in wanted else None
    return Saved(step, state, rows, about)


def check_best(manager: Any, directory: Path, saved: Saved, like: Any) -> None:
    """Reads the checkpoint that was the best when another one was saved, to check it.

    Args:
        manager: Orbax's manager of the directory.
        directory: the folder of the checkpoints.
        saved: the other checkpoint.
        like: what the state looks like.

    Raises:
        Damaged: it is missing or damaged; the message names the other checkpoint.
    """
    best = saved.about["best_step"]
    if best is None or best == saved.step:
        return
    path = directory / str(saved.step)
    if best not in manager.all_steps():
        raise Damaged(path, saved.step, f"the best checkpoint when it was saved, of step {best:,}, is missing")
    try:
        read_checkpoint(manager, directory, best, like)
    except Damaged as error:
        raise Damaged(path, saved.step, f"the best checkpoint when it was saved: {error}") from error
