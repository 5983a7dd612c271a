"""The published formulas of the optimizers, in NumPy in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import assume

from jaxdl.optim import (
    SGD,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    AMSGrad,
    Lamb,
    Lion,
    Muon,
    RAdam,
    RMSprop,
)
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

    def amsgrad(g: np.ndarray) -> np.ndarray:
        memory["t"] += 1
        m, s = running("m", g, h.b1), running("s", g**2, h.b2)
        memory["x"] = np.maximum(memory["x"], s / (1 - h.b2 ** memory["t"]))
        return m / (1 - h.b1 ** memory["t"]) / (np.sqrt(memory["x"]) + h.eps)

    def adamax(g: np.ndarray) -> np.ndarray:
        memory["t"] += 1
        memory["x"] = np.maximum(h.b2 * memory["x"], np.abs(g) + h.eps)
        return running("m", g, h.b1) / (1 - h.b1 ** memory["t"]) / memory["x"]

    def radam(g: np.ndarray) -> np.ndarray:
        memory["t"] += 1
        t = memory["t"]
        m = running("m", g, h.b1) / (1 - h.b1**t)
        s = running("s", g**2, h.b2) / (1 - h.b2**t)
        most = 2 / (1 - h.b2) - 1
        now = most - 2 * t * h.b2**t / (1 - h.b2**t)
        assume(abs(now - 5) > 0.01)  # there, it is a matter of rounding which of the two it is
        if now < 5:
            return m
        factor = np.sqrt((now - 4) * (now - 2) * most / ((most - 4) * (most - 2) * now))
        return factor * m / (np.sqrt(s) + h.eps)

    def adafactor(g: np.ndarray) -> np.ndarray:
        memory["t"] += 1
        kept = 1 - memory["t"] ** -h.decay_rate
        s = running("s", g**2 + 1e-30, kept)
        if g.ndim == 2 and min(g.shape) >= h.factored_from:
            rows, columns = s.mean(1, keepdims=True), s.mean(0, keepdims=True)
            s = rows * columns / rows.mean()
        step = g / np.sqrt(s)
        return step / max(1, np.sqrt(np.mean(step**2)) / h.clip_update) if h.clip_update else step

    def muon(g: np.ndarray) -> np.ndarray:
        if g.ndim < 2:
            return _nadam_of_optax(g)
        memory["t"] += 1
        t, m = memory["t"], running("m", g, h.beta)
        m = h.beta * m / (1 - h.beta ** (t + 1)) + (1 - h.beta) * g / (1 - h.beta**t)
        x = m / (np.linalg.norm(m) + h.eps)
        for _ in range(5):
            a = x @ x.T
            x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
        inputs, outputs = g.shape
        return x * (h.rms * np.sqrt(max(g.shape)) if h.rms else np.sqrt(max(1, outputs / inputs)))

    def _nadam_of_optax(g: np.ndarray) -> np.ndarray:
        memory["t"] += 1
        t = memory["t"]
        m, s = running("m", g, h.b1), running("s", g**2, h.b2)
        m = h.b1 * m / (1 - h.b1 ** (t + 1)) + (1 - h.b1) * g / (1 - h.b1**t)
        return m / (np.sqrt(s / (1 - h.b2**t)) + h.eps)

    formulas: dict[type, Callable[[np.ndarray], np.ndarray]] = {
        AMSGrad: amsgrad,
        Adamax: adamax,
        RAdam: radam,
        Adafactor: adafactor,
        Muon: muon,
        SGD: lambda g: with_momentum(g, h.nesterov),
        Adagrad: adagrad,
        Adadelta: adadelta,
        RMSprop: rmsprop,
        Adam: adam,
        AdamW: adam,
        Lamb: adam,
        Lion: lion,
    }
    return formulas[type(h)]


def factor_of(schedule: Any, step: int) -> float:
    if not isinstance(schedule, Cosine):
        return 1.0
    warmup = round(schedule.warmup * STEPS)
    if step < warmup:
        return step / warmup
    return schedule.final + (1 - schedule.final) * (1 + np.cos(np.pi * (step - warmup) / (STEPS - warmup))) / 2


def reference_updates(h: Any, params: np.ndarray, gradients: np.ndarray, decays: bool) -> np.ndarray:
    """The updates of one array over all steps, in float64."""
    direction, updates, velocity = direction_of(h), [], np.zeros_like(params)
    for step, gradient in enumerate(gradients.astype(np.float64)):
        along = direction(gradient)
        if isinstance(h, Adafactor):
            along = along * max(1e-3, np.sqrt(np.mean(params**2))) if h.relative else along
            velocity = h.momentum * velocity + (1 - h.momentum) * along
            along = velocity if h.momentum else along
        descent = along + (h.weight_decay * params if decays else 0)
        if isinstance(h, Lamb):
            descent = descent * np.linalg.norm(params) / np.linalg.norm(descent)
        updates.append(-h.learning_rate * factor_of(h.schedule, step) * descent)
        params = params + updates[-1]
    return np.array(updates)
