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
from jaxdl.optim.own import FromOptimizer, of_transformation, optimizer, schedule

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "FromOptimizer",
    "Lamb",
    "Lion",
    "Optimizer",
    "RMSprop",
    "decayed",
    "of_transformation",
    "optimizer",
    "schedule",
]
