"""Optimizers and their learning-rate schedules."""

from __future__ import annotations

from jaxdl.optim.base import Optimizer, decayed
from jaxdl.optim.further import Adafactor, Adamax, AMSGrad, Muon, RAdam
from jaxdl.optim.optimizers import OPTIMIZERS, SGD, Adadelta, Adagrad, Adam, AdamW, Lamb, Lion, RMSprop
from jaxdl.optim.own import FromOptimizer, of_transformation, optimizer, schedule

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "AMSGrad",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "FromOptimizer",
    "Lamb",
    "Lion",
    "Muon",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "decayed",
    "of_transformation",
    "optimizer",
    "schedule",
]
