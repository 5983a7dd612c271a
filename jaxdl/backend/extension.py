"""Builds C++ operations for XLA on the machine that runs them, once, and loads them.

They are built at their first use, not at installation: for the instructions of the very processor, against the headers
of the installed jaxlib, and nobody who has no compiler notices. What was built lies in the user's cache folder.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import jax
import jaxlib.version

from jaxdl.backend.cores import processor_identity
from jaxdl.files.paths import cache_folder

_FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fopenmp", "-shared", "-fPIC")
_LIBRARY, _HEADERS = "onednn-cpu-gomp", "onednn-devel-cpu-gomp"
_TIME_LIMIT = 300.0
# Threads of OpenMP, if an operation has any, sleep between two calls: XLA's own threads compute then.
_QUIET = {"OMP_WAIT_POLICY": "passive"}


# Names of operations that XLA knows in this process.
_known: set[str] = set()


class NotBuilt(Exception):
    """Native operations cannot be had here; the message says why, and what would help."""


def wanted(source: Path) -> Path:
    """Returns the file that a source and the headers beside it are built into, whether or not it is there yet.

    Raises:
        NotBuilt: something that building needs is not installed.
    """
    if sys.platform != "linux":
        raise NotBuilt("native operations are built on Linux only")
    parts = source, *sorted(source.parent.glob("*.h"))
    key = [*(part.read_text(encoding="utf-8") for part in parts), _compiler(), *map(str, _paths()), *_FLAGS]
    key += [processor_identity(), jaxlib.version.__version__]
    try:
        folder = cache_folder() / "native"
    except RuntimeError:
        raise NotBuilt("the user has no home folder to keep them in") from None
    return folder / f"{source.stem}-{hashlib.sha256(chr(0).join(key).encode()).hexdigest()[:32]}.so"


def is_built(source: Path) -> bool:
    """Returns whether a source was built for this machine before."""
    try:
        return _is_ours(wanted(source))
    except NotBuilt:
        return False


def build(source: Path) -> Path:
    """Builds a source, which takes some seconds, unless that was done before; returns the library's file.

    Two processes may do so at the same time: each puts its whole file in the place.

    Raises:
        NotBuilt: it cannot be; the message has the compiler's first complaint.
    """
    file = wanted(source)
    if _is_ours(file):
        return file
    include, library = _paths()
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            made = Path(folder) / file.name
            command = [_compiler(), *_FLAGS, f"-I{jax.ffi.include_dir()}", f"-I{include}", str(source), "-o", str(made)]
            _run([*command, f"-L{library.parent}", f"-l:{library.name}", f"-Wl,-rpath,{library.parent}"])
            made.chmod(0o500)
            made.replace(file)
    except OSError as error:
        raise NotBuilt(f"{file.parent}: {error.strerror}") from None
    if not _is_ours(file):
        raise NotBuilt(f"{file.parent} belongs to another user, or others may write to it")
    return file


@functools.cache
def load(file: Path, names: Sequence[str]) -> None:
    """Loads a built library and makes its operations known to XLA, once in a process.

    Args:
        file: of `build`.
        names: of its handlers, which are also the names of the calls' targets.

    Raises:
        NotBuilt: the library cannot be loaded.
    """
    with _environment(_QUIET):
        try:
            library = ctypes.CDLL(str(file))
        except OSError as error:
            with contextlib.suppress(OSError):
                file.unlink()  # it is built anew the next time
            raise NotBuilt(f"{file.name} cannot be loaded: {error}") from None
    for name in names:
        if name not in _known:  # a process whose cache folder changes builds them again, but XLA keeps the first
            jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(getattr(library, name)), platform="cpu")
            _known.add(name)


def _compiler() -> str:
    found = shutil.which(os.environ.get("CXX") or "g++")
    if found is None:
        raise NotBuilt("there is no C++ compiler (g++, or the one that CXX names)")
    return found


def _paths() -> tuple[Path, Path]:
    """Returns the folder of oneDNN's headers, and its library."""
    header, library = _file_of(_HEADERS, "oneapi/dnnl/dnnl.hpp"), _file_of(_LIBRARY, "libdnnl.so.3")
    return header.parents[2], library


def _file_of(package: str, ending: str) -> Path:
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        raise NotBuilt(
            f"{package} is not installed: pip install {_LIBRARY} {_HEADERS} (jaxdl's extra 'native')"
        ) from None
    for file in files:
        if str(file).endswith(ending):
            return Path(str(file.locate())).resolve()
    raise NotBuilt(f"{package} has no {ending}")


def _run(command: Sequence[str]) -> None:
    try:
        # In a session of its own: Ctrl-C stops the training, and must not fail the compiler.
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIME_LIMIT, start_new_session=True)
    except subprocess.TimeoutExpired:
        raise NotBuilt(f"{command[0]} took longer than {_TIME_LIMIT:.0f} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines() or [""]
        raise NotBuilt(f"{command[0]} ended with status {done.returncode}: {lines[0]}")


def _is_ours(file: Path) -> bool:
    """Returns whether a library and its folder can only have been written by this user: it will be executed."""
    try:
        kept = [path.stat() for path in (file, file.parent)]
    except OSError:
        return False
    return all(each.st_uid == os.getuid() and not each.st_mode & 0o022 for each in kept)


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Sets variables that the user has not set, for what reads them while it is loaded."""
    missing = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            del os.environ[name]
