"""What training minimises, by name."""

from __future__ import annotations

from jaxdl import fields
from jaxdl.objectives.classification import (
    CTC,
    Focal,
    Hinge,
    KLDivergence,
    MulticlassHinge,
    SigmoidCrossEntropy,
    SigmoidFocal,
    SoftmaxCrossEntropy,
)
from jaxdl.objectives.objective import Kind, Objective
from jaxdl.objectives.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanSquaredError,
    Poisson,
    Reconstruction,
)

__all__ = [
    "CTC",
    "OBJECTIVES",
    "CosineSimilarity",
    "Focal",
    "Hinge",
    "Huber",
    "KLDivergence",
    "Kind",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "MulticlassHinge",
    "Objective",
    "Poisson",
    "Reconstruction",
    "SigmoidCrossEntropy",
    "SigmoidFocal",
    "SoftmaxCrossEntropy",
]

OBJECTIVES = fields.Family(
    "objective",
    {
        "softmax_cross_entropy": SoftmaxCrossEntropy,
        "sigmoid_cross_entropy": SigmoidCrossEntropy,
        "focal": Focal,
        "sigmoid_focal": SigmoidFocal,
        "hinge": Hinge,
        "multiclass_hinge": MulticlassHinge,
        "kl_divergence": KLDivergence,
        "ctc": CTC,
        "mean_squared_error": MeanSquaredError,
        "mean_absolute_error": MeanAbsoluteError,
        "huber": Huber,
        "log_cosh": LogCosh,
        "poisson": Poisson,
        "cosine_similarity": CosineSimilarity,
        "reconstruction": Reconstruction,
    },
)
