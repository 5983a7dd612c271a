"""Saves training states on the disk and restores them."""

from __future__ import annotations

from jaxdl.checkpoint.checkpoints import Checkpoints
from jaxdl.checkpoint.reading import Saved
from jaxdl.checkpoint.shared import SharedCheckpoints

__all__ = [
    "Checkpoints",
    "Saved",
    "SharedCheckpoints",
]
