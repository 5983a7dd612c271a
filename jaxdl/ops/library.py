"""Which library computes an operation on the CPU: XLA itself, or oneDNN through native operations."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal, get_args

import jax

from jaxdl.backend import extension
from jaxdl.backend.cores import usable_cores
from jaxdl.backend.mesh import DATA
from jaxdl.errors import UserError
from jaxdl.ops import onednn

Library = Literal["xla", "onednn"]
LIBRARIES: tuple[Library, ...] = get_args(Library)


def library_of(name: object) -> Library:
    """Returns a library by its name.

    Raises:
        ValueError: there is none of that name.
    """
    for library in LIBRARIES:
        if name == library:
            return library
    raise ValueError(f"{name!r} is none of {', '.join(LIBRARIES)}")


# Part of the key under which JAX keeps traced functions.
_chosen = jax.make_user_context("xla")


@contextlib.contextmanager
def computed_by(library: Library) -> Iterator[None]:
    """Lets a library compute what is traced within and is meant for the CPU, where that library has the operation.

    Raises:
        UserError: it cannot be had here, see `why_not`.
    """
    if library == "onednn" and (problem := why_not()) is not None:
        raise UserError(f"--library=onednn: {problem}. --library=xla computes the same, up to rounding.")
    with _chosen(library):
        yield


def chosen() -> Library:
    """Returns the library that computes what is traced now."""
    mesh = jax.sharding.get_abstract_mesh()
    # XLA cannot divide a native operation: it may only be called for whole examples.
    divided = not mesh.empty and any(size > 1 for axis, size in mesh.shape.items() if axis != DATA)
    return "xla" if divided or _chosen.value != "onednn" else "onednn"


def threads() -> int:
    """Returns how many threads a native operation may use: all cores, or the share of one device among several."""
    mesh = jax.sharding.get_abstract_mesh()
    ways = 1 if mesh.empty else mesh.shape.get(DATA, 1)
    return max(1, len(usable_cores()) // ways)


def is_built() -> bool:
    """Returns whether the native operations were built for this machine before."""
    return extension.is_built(onednn.SOURCE)


def can_be_built() -> bool:
    """Returns whether what building the native operations needs is installed."""
    try:
        extension.wanted(onednn.SOURCE)
    except extension.NotBuilt:
        return False
    return True


def why_not() -> str | None:
    """Builds the native operations, which takes some seconds once; returns why they cannot be used here, or None."""
    try:
        onednn.load()
    except extension.NotBuilt as problem:
        return str(problem)
    return None
