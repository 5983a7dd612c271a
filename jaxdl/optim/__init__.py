"""Optimizers and their learning-rate schedules."""

from __future__ import annotations

from jaxdl.optim.optimizers import (
    OPTIMIZERS,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    Lamb,
    Lion,
    Optimizer,
    RMSprop,
    decayed,
)

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Lamb",
    "Lion",
    "Optimizer",
    "RMSprop",
    "decayed",
]
