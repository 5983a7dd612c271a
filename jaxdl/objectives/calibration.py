"""How far predicted probabilities are from how often they come true."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxdl.objectives import counting, losses
from jaxdl.objectives.classes import as_classes
from jaxdl.objectives.measures import Metric

_BINS = 15


@dataclass(frozen=True)
class CalibrationError(Metric):
    """The expected calibration error, from 15 bins of equal width (Naeini et al. 2015; Guo et al. 2017).

    The mean over all predictions of the difference between the mean probability and the share of right ones in each
    bin: of classes the probability of the predicted one, of questions that of yes. NaN is sure and wrong.
    """

    def partial(self, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
        if self.objective.kind == "questions":
            logits, targets = losses.aligned(outputs, targets)
            sure, right = jax.nn.sigmoid(logits), targets
            sure = jnp.where(jnp.isnan(sure), 1 - right, sure)
        else:
            logits, labels = as_classes(outputs, targets)
            sure, right = jnp.max(jax.nn.softmax(logits), -1), jnp.argmax(logits, -1) == labels
            right, sure = right & ~jnp.isnan(sure), jnp.where(jnp.isnan(sure), 1, sure)
        mask = counting.broadcast_mask(mask, sure.shape)
        cells = jnp.clip(jnp.ceil(sure * _BINS) - 1, 0, _BINS - 1)[..., None] == jnp.arange(_BINS)

        def sums(values: jax.Array) -> jax.Array:
            chosen = jnp.where(cells, values[..., None], 0).astype(jnp.float32)
            return counting.total(chosen, mask[..., None], tuple(range(cells.ndim - 1)))

        return {"bin_sure": sums(sure), "bin_right": sums(right), "bin_count": sums(jnp.ones_like(sure))}

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        sure, right, count = (partials[f"bin_{key}"].sum(0, dtype=np.float64) for key in ("sure", "right", "count"))
        return {self.name: float(np.abs(sure - right).sum() / count.sum()) if count.sum() else math.nan}
