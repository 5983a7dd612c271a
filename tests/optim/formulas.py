"""The published formulas of the optimizers, in NumPy in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import assume

from jaxdl.optim import SGD, Adadelta, Adagrad, Adam, AdamW, Lamb, Lion, RMSprop
from jaxdl.optim.schedules import Cosine
from tests.optim.updates import STEPS


def direction_of(h: Any) -> Callable[[np.ndarray], np.ndarray]:
    """The published formula of one optimizer for one array: a function from each gradient to the way down."""
    memory: dict[str, Any] = {"t": 0, "m": 0.0, "s": getattr(h, "initial_sum", 0.0), "x": 0.0, "v": 0.0, "p": 1.0}

    def running(name: str, value: np.ndarray, kept: float) -> np.ndarray:
        memory[name] = kept * memory[name] + (1 - kept) * value
        return memory[name]

    def with_momentum(direction: np.ndarray, nesterov: bool = False) -> np.ndarray:
        memory["v"] = h.momentum * memory["v"] + direction
        return direction + h.momentum * memory["v"] if nesterov else memory["v"]

    def adam(g: np.ndarray) -> np.ndarray:
        memory["t"] += 1
        t = memory["t"]
        m, s = running("m", g, h.b1), running("s", g**2, h.b2)
        if getattr(h, "nesterov", False) and h.momentum_decay:  # as in PyTorch's NAdam
            now, following = (h.b1 * (1 - 0.5 * 0.96 ** (i * h.momentum_decay)) for i in (t, t + 1))
            memory["p"] *= now
            m = following * m / (1 - memory["p"] * following) + (1 - now) * g / (1 - memory["p"])
        elif getattr(h, "nesterov", False):
            m = h.b1 * m / (1 - h.b1 ** (t + 1)) + (1 - h.b1) * g / (1 - h.b1**t)
        else:
            m = m / (1 - h.b1**t)
        return m / (np.sqrt(s / (1 - h.b2**t)) + h.eps)

    def rmsprop(g: np.ndarray) -> np.ndarray:
        s = running("s", g**2, h.decay)
        mean = running("m", g, h.decay) if h.centered else 0.0
        return with_momentum(g / np.sqrt(s - mean**2 + h.eps))

    def adagrad(g: np.ndarray) -> np.ndarray:
        memory["s"] = memory["s"] + g**2
        return g / np.sqrt(memory["s"] + h.eps)

    def adadelta(g: np.ndarray) -> np.ndarray:
        direction = g * np.sqrt(memory["x"] + h.eps) / np.sqrt(running("s", g**2, h.rho) + h.eps)
        running("x", direction**2, h.rho)
        return direction

    def lion(g: np.ndarray) -> np.ndarray:
        mixed = h.b1 * memory["m"] + (1 - h.b1) * g
        assume(np.min(np.abs(mixed)) > 1e-5)  # a sign so near to 0 is a matter of rounding
        running("m", g, h.b2)
        return np.sign(mixed)

    return {
        SGD: lambda g: with_momentum(g, h.nesterov),
        Adagrad: adagrad,
        Adadelta: adadelta,
        RMSprop: rmsprop,
        Adam: adam,
        AdamW: adam,
        Lamb: adam,
        Lion: lion,
    }[type(h)]


def factor_of(schedule: Any, step: int) -> float:
    if not isinstance(schedule, Cosine):
        return 1.0
    warmup = round(schedule.warmup * STEPS)
    if step < warmup:
        return step / warmup
    return schedule.final + (1 - schedule.final) * (1 + np.cos(np.pi * (step - warmup) / (STEPS - warmup))) / 2


def reference_updates(h: Any, params: np.ndarray, gradients: np.ndarray, decays: bool) -> np.ndarray:
    """The updates of one array over all steps, in float64."""
    direction, updates = direction_of(h), []
    for step, gradient in enumerate(gradients.astype(np.float64)):
        descent = direction(gradient) + (h.weight_decay * params if decays else 0)
        if isinstance(h, Lamb):
            descent = descent * np.linalg.norm(params) / np.linalg.norm(descent)
        updates.append(-h.learning_rate * factor_of(h.schedule, step) * descent)
        params = params + updates[-1]
    return np.array(updates)
