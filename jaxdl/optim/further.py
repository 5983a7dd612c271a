"""Optimizers that optax has whole: their fields, and its transformations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import optax

from jaxdl import fields
from jaxdl.optim.base import B1, B2, EPS, STEP, Optimizer


@fields.described
@dataclass(frozen=True)
class AMSGrad(Optimizer):
    """Adam that divides by the largest root of the running means so far (Reddi et al. 2018, arXiv:1904.09237).

    The maximum is over bias-corrected means, as in optax; in PyTorch and Keras it is over the others.
    """

    b1: float = fields.traced(0.9, B1, check=fields.fraction)
    b2: float = fields.traced(0.999, B2, check=fields.fraction)
    eps: float = fields.traced(1e-8, EPS, check=fields.above_zero)

    def descent(self, decay: optax.GradientTransformation) -> optax.GradientTransformation:
        return optax.chain(optax.scale_by_amsgrad(self.b1, self.b2, self.eps), decay)


@fields.described
@dataclass(frozen=True)
class Adamax(Optimizer):
    """m / u, m the bias-corrected running mean of gradients, u = max(b2 u, abs(g) + eps).

    Kingma & Ba 2015, arXiv:1412.6980, section 7.1; as in optax and PyTorch.
    """

    b1: float = fields.traced(0.9, B1, check=fields.fraction)
    b2: float = fields.traced(0.999, "share of the largest gradient that is kept", check=fields.fraction)
    eps: float = fields.traced(1e-8, "added to the size of each gradient", check=fields.above_zero)

    def descent(self, decay: optax.GradientTransformation) -> optax.GradientTransformation:
        return optax.chain(optax.scale_by_adamax(self.b1, self.b2, self.eps), decay)


@fields.described
@dataclass(frozen=True)
class RAdam(Optimizer):
    """Adam without its denominator while that is too uncertain, and with a factor for its variance after.

    Liu et al. 2020, arXiv:1908.03265; as in optax, with its threshold of 5.
    """

    b1: float = fields.traced(0.9, B1, check=fields.fraction)
    b2: float = fields.traced(0.999, B2, check=fields.fraction)
    eps: float = fields.traced(1e-8, EPS, check=fields.above_zero)

    def descent(self, decay: optax.GradientTransformation) -> optax.GradientTransformation:
        return optax.chain(optax.scale_by_radam(self.b1, self.b2, self.eps), decay)


@fields.described
@dataclass(frozen=True)
class Adafactor(Optimizer):
    """g / sqrt(s), s of a large matrix being the product of the means of its rows and columns, which saves memory.

    Shazeer & Stern 2018, arXiv:1804.04235; as in optax. The running mean of squared gradients keeps 1 - t**-decay_rate
    at step t. A step is that share of the weights which `learning_rate` says, if it is `relative`.
    """

    learning_rate: float = fields.traced(1e-2, STEP, check=fields.above_zero)
    decay_rate: float = fields.traced(0.8, "how fast old gradients are forgotten, see above", check=fields.fraction)
    clip_update: float = fields.traced(
        1.0,
        "largest root mean square of the step of an array, before the learning rate; 0: none",
        optional=True,
        check=fields.at_least(0),
    )
    relative: bool = fields.static(True, "scale each array's step by the root mean square of its weights")
    factored_from: int = fields.static(
        128, "both sides of a matrix from which on it has means of rows and columns only", check=fields.at_least(2)
    )
    momentum: float = fields.traced(0.0, "share of the last step that is kept", optional=True, check=fields.fraction)

    def descent(self, decay: optax.GradientTransformation) -> optax.GradientTransformation:
        return optax.chain(
            optax.scale_by_factored_rms(True, self.decay_rate, 0, self.factored_from),
            optax.clip_by_block_rms(self.clip_update) if fields.enabled(self.clip_update) else optax.identity(),
            optax.scale_by_param_block_rms() if self.relative else optax.identity(),
            optax.ema(self.momentum, debias=False) if fields.enabled(self.momentum) else optax.identity(),
            decay,
        )


@fields.described
@dataclass(frozen=True)
class Muon(Optimizer):
    """The nearest orthogonal matrix to the momentum, for kernels; Adam for all else.

    Jordan 2024, "Muon: an optimizer for hidden layers in neural networks"; as in `optax.contrib`, by five steps of
    Newton and Schulz. Kernels are those of dense, recurrent and convolutional layers, except of a layer named
    ``output``: its kernel, embeddings, biases and scales get Adam's steps. A kernel's step has a root mean square of
    `rms`, as Adam's have about, so that one learning rate serves both (Liu et al. 2025, arXiv:2502.16982).
    """

    beta: float = fields.traced(0.95, "share of the running mean of gradients of kernels", check=fields.fraction)
    nesterov: bool = fields.static(True, "use the running mean expected after the next gradient, for all parameters")
    rms: float = fields.traced(
        0.2,
        "root mean square of a kernel's step, before the learning rate; 0: an orthogonal matrix times "
        "the root of outputs / inputs where this is above 1",
        optional=True,
        check=fields.at_least(0),
    )
    b1: float = fields.traced(0.9, B1 + ", of other parameters", check=fields.fraction)
    b2: float = fields.traced(0.999, B2 + ", of other parameters", check=fields.fraction)
    eps: float = fields.traced(1e-8, EPS, check=fields.above_zero)

    def descent(self, decay: optax.GradientTransformation) -> optax.GradientTransformation:
        from optax import contrib  # which is large, and only this needs it

        muon = contrib.muon(
            -1.0,  # its updates point down already
            beta=self.beta,
            eps=self.eps,
            nesterov=self.nesterov,
            adam_b1=self.b1,
            adam_b2=self.b2,
            muon_weight_dimension_numbers=_kernels,
            consistent_rms=self.rms if fields.enabled(self.rms) else None,
        )
        return optax.chain(muon, decay)


def _kernels(params: Any) -> Any:
    """Returns which axes of a parameter are inputs and outputs of a linear map, None for one that is no kernel."""

    from optax import contrib

    def axes(path: tuple[Any, ...], leaf: Any) -> Any:
        names = [entry.key for entry in path if isinstance(entry, jax.tree_util.DictKey)]
        if leaf.ndim < 2 or not names[-1:] or not names[-1].endswith("kernel") or "output" in names:
            return None
        return contrib.MuonDimensionNumbers(tuple(range(leaf.ndim - 1)), leaf.ndim - 1)

    return jax.tree_util.tree_map_with_path(axes, params)
