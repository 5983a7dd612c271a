"""What training minimises, and what evaluation measures."""

from __future__ import annotations

from jaxdl.objectives.counting import broadcast_mask, masked_mean
from jaxdl.objectives.losses import (
    absolute_error,
    aligned,
    huber,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    squared_error,
)
from jaxdl.objectives.metrics import REPORT_SECTIONS
from jaxdl.objectives.objectives import (
    OBJECTIVES,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    Objective,
    Reconstruction,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from jaxdl.objectives.own import OwnMetric, loss, metric

__all__ = [
    "OBJECTIVES",
    "REPORT_SECTIONS",
    "Huber",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Objective",
    "OwnMetric",
    "Reconstruction",
    "SigmoidCrossEntropy",
    "SoftmaxCrossEntropy",
    "absolute_error",
    "aligned",
    "broadcast_mask",
    "huber",
    "loss",
    "masked_mean",
    "metric",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "squared_error",
]
