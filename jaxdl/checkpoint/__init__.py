"""Training states on the disk."""

from __future__ import annotations

from jaxdl.checkpoint.checkpoints import Checkpoints, Saved

__all__ = [
    "Checkpoints",
    "Saved",
]
