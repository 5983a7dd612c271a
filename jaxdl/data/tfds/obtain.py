"""Prepares a TFDS set in the data folder, from original archives there or from the network."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from jaxdl.data.source import Notify, default_data_dir
from jaxdl.data.tfds import prepare
from jaxdl.data.tfds.archives import Archive, find, manual_dir, places
from jaxdl.data.tfds.arrays import keep
from jaxdl.data.tfds.choice import Choice
from jaxdl.data.tfds.decode import declared
from jaxdl.data.tfds.download import Limits, Unreachable, download, reach, url_of
from jaxdl.data.tfds.idx import is_idx, prepare_idx
from jaxdl.data.tfds.names import parsed
from jaxdl.data.tfds.originals import preparation
from jaxdl.data.tfds.prepared import prepared_folder, prepared_versions
from jaxdl.data.tfds.workspace import workspace, writing_problem
from jaxdl.errors import UserError
from jaxdl.files.atomic import named_cause

_T = TypeVar("_T")


class Unavailable(Exception):
    """A set is not on this machine and cannot be downloaded, and the user made no mistake.

    Attributes:
        reasons: what was tried and why it failed, one phrase each.
        way_out: what the user can do, as a phrase that begins in lower case.
    """

    def __init__(self, reasons: Sequence[str], way_out: str):
        super().__init__("; ".join(reasons))
        self.reasons, self.way_out = tuple(reasons), way_out


@dataclasses.dataclass(frozen=True)
class Request:
    """A requested set, and how to get it.

    Attributes:
        name: TFDS's name of the set, with its config after a slash and its version after a colon.
        data_dir: the folder of all sets.
        mirror: base URL to fetch archives from instead of the registered URLs, or an empty string.
        notify: called with progress messages.
        limits: how long to wait for a server.
        choice: what will be trained on: what cannot be is refused before anything is downloaded; None: not to train.
    """

    name: str
    data_dir: Path
    mirror: str = ""
    notify: Notify = print
    limits: Limits = dataclasses.field(default_factory=Limits)
    choice: Choice | None = None


def obtain(request: Request) -> Path:
    """Returns the folder of a prepared set; prepares it first, with downloads, if necessary.

    If a set is prepared here from archives of MNIST's format, its arrays are stored too (see `arrays.keep`), so that
    its files need no decoding. If the arrays are missing, as after a kill between the two, its files are decoded.

    Raises:
        UserError: the name is unknown, an archive is not the original, the folder cannot be read or written, or the
            set is none that can be read.
        Unavailable: the set is not on this machine, and cannot be downloaded or prepared.
    """
    with named_cause(request.data_dir, "read"):
        _check_folder(request.data_dir)
        folder = prepared_folder(request.data_dir, request.name)
        if folder is not None:
            return folder
        builder = _builder(request)
        _check_choice(request, builder)
        archives = prepare.archives(builder, request.name)
        if not is_idx(builder) and preparation(builder) is None:
            return _through_tfds(request, builder, archives)
        found = find(archives, request.data_dir, builder.name, prepare.is_registered)

    def prepared(found: dict[Archive, Path], folder: Path) -> Path:
        earlier = prepared_folder(request.data_dir, request.name)  # by another process, while this one waited
        return earlier or _prepare(request, builder, found, folder)

    return _with_all(request, builder, archives, found, prepared)


def obtain_archives(request: Request) -> dict[Archive, Path]:
    """Returns the original archives of a set, each with its place; downloads the missing ones first.

    Raises:
        UserError: the name is unknown, an archive is not the original, or the folder cannot be read or written.
        Unavailable: they are not on this machine, and cannot be downloaded.
    """
    with named_cause(request.data_dir, "read"):
        _check_folder(request.data_dir)
        builder = _builder(request)
        archives = prepare.archives(builder, request.name)
        found = find(archives, request.data_dir, builder.name, prepare.is_registered)
    if len(found) == len(archives):
        return found
    return _with_all(request, builder, archives, found, lambda all_of_them, folder: all_of_them)


def _with_all(
    request: Request,
    builder: Any,
    archives: Sequence[Archive],
    found: dict[Archive, Path],
    use: Callable[[dict[Archive, Path], Path], _T],
) -> _T:
    """Downloads the archives that are not found, and returns what `use` makes of all and an empty folder to work in."""
    _check_writable(request, archives, expected=bool(found))
    missing = [archive for archive in archives if archive not in found]
    try:
        if missing:
            reach(url_of(missing[0], request.mirror), request.limits)  # before creating a folder that would stay empty
        with named_cause(request.data_dir, "write"), workspace(request.data_dir, request.notify) as folder:
            return use({**found, **_downloaded(request, builder, missing, folder)}, folder)
    except Unreachable as problem:
        if not found:
            raise _unavailable(request, archives, f"not downloaded: {problem}") from problem
        listed, manual = ", ".join(archive.file for archive in missing), manual_dir(request.data_dir)
        raise UserError(
            f"{manual} holds some archives of {request.name} but not {listed}, which could not be downloaded: "
            f"{problem}. Put the missing ones there."
        ) from problem


def _builder(request: Request) -> Any:
    """Returns TFDS's builder of the set; for a version that it does not prepare, says which are prepared here."""
    try:
        return prepare.builder_class(request.name)
    except UserError as problem:
        there = prepared_versions(request.data_dir, request.name) if parsed(request.name).version else []
        if not there:
            raise
        raise UserError(
            f"{request.name} is not prepared in {request.data_dir}, which has {' and '.join(there)} of it; and it "
            f"cannot be prepared: {problem}"
        ) from problem


def _check_choice(request: Request, builder: Any) -> None:
    """Checks that the set can be trained on, by TFDS's description of it."""
    if request.choice is None:
        return
    with contextlib.suppress(ImportError), prepare.quiet():  # some descriptions cannot be made without TensorFlow
        declared(builder, request.name, request.choice)


def _downloaded(request: Request, builder: Any, missing: Sequence[Archive], folder: Path) -> dict[Archive, Path]:
    """Downloads archives to their places; `folder` is one to work in."""
    if not missing or prepared_folder(request.data_dir, request.name):
        return {}
    downloaded = folder / "downloaded"
    downloaded.mkdir()
    download(missing, downloaded, mirror=request.mirror, notify=request.notify, limits=request.limits)
    found = {}
    for archive in missing:
        # The file in the preferred place is another set's archive of the same name: `find` refuses anything else.
        common, own = places(archive, request.data_dir, builder.name)
        found[archive] = own if common.exists() else common
        found[archive].parent.mkdir(parents=True, exist_ok=True)
        os.replace(downloaded / archive.file, found[archive])
    return found


def _prepare(request: Request, builder: Any, files: dict[Archive, Path], folder: Path) -> Path:
    """Prepares a set from its archives, without TensorFlow; `folder` is an empty one to work in."""
    request.notify(f"Preparing {request.name} from its original archives: some seconds, only this once.")
    with_python = preparation(builder)
    try:
        if with_python is not None:
            return prepare.publish(with_python(builder, request.name, files, folder), request.data_dir)
        prepared, dataset = prepare_idx(builder, request.name, files, folder)
    except (UserError, OSError):
        raise
    except Exception as problem:  # TFDS's builders may raise anything
        raise prepare.not_prepared(request.name, problem) from problem
    published = prepare.publish(prepared, request.data_dir)
    keep(dataset, published, folder)
    return published


def _through_tfds(request: Request, builder: Any, archives: Sequence[Archive]) -> Path:
    prepare.check_tensorflow(request.name)
    _check_writable(request, archives, expected=True)
    there = (place.exists() for archive in archives for place in places(archive, request.data_dir, builder.name))
    try:
        if archives and not any(there):
            reach(archives[0].url, request.limits)  # TFDS itself would notice a missing network only after minutes
    except Unreachable as problem:
        raise _unavailable(request, archives, f"not downloaded: {problem}") from problem
    prepare.prepare_with_tensorflow(builder, request.name, request.data_dir)
    folder = prepared_folder(request.data_dir, request.name)
    if folder is None:
        raise UserError(f"{request.name} was prepared by TFDS, but is not in {request.data_dir}.")
    return folder


def _check_folder(data_dir: Path) -> None:
    """Checks that the data folder, if it exists yet, is a folder."""
    if data_dir.exists() and not data_dir.is_dir():
        raise UserError(f"data_dir={data_dir} is not a folder: choose another with --data_dir=DIR.")


def _check_writable(request: Request, archives: Sequence[Archive], *, expected: bool) -> None:
    """Checks that a set can be prepared in the data folder.

    Raises:
        UserError: it cannot, and the user has chosen the folder or put archives there.
        Unavailable: it cannot, and the user has not chosen a folder for data.
    """
    problem = writing_problem(request.data_dir)
    if problem is None:
        return
    if not expected and request.data_dir == default_data_dir():
        raise _unavailable(request, archives, f"not downloaded: {problem}")
    raise UserError(f"{request.name} cannot be prepared: {problem}. Choose another folder with --data_dir=DIR.")


def _unavailable(request: Request, archives: Sequence[Archive], last_reason: str) -> Unavailable:
    manual = manual_dir(request.data_dir)
    reasons = (f"not prepared in {request.data_dir}", f"no original archives in {manual}", last_reason)
    listed = ", ".join(archive.file for archive in archives)
    return Unavailable(reasons, f"put {listed} into {manual}, or connect to the network")
