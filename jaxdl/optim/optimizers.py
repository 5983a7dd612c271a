"""The optimizers, by name; what all have in common is in `jaxdl.optim.base`."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxdl import fields
from jaxdl.ops.adam import Numbers, adam
from jaxdl.ops.library import chosen
from jaxdl.optim.base import B1, B2, EPS, STEP, Optimizer, decay_field
from jaxdl.optim.further import Adafactor, Adamax, AMSGrad, Muon, RAdam
from jaxdl.optim.transforms import scale_by_adam, scale_by_deviation, with_momentum

_MOMENTUM = "fraction of the last step's velocity that is kept"


@fields.described
@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent: v = momentum v + g; step along v, or along g + momentum v in Nesterov's form.

    Polyak 1964; Nesterov 1983 as in Sutskever et al. 2013, "On the importance of initialization and momentum in deep
    learning". Learning rate as in Keras.
    """

    learning_rate: float = fields.traced(1e-2, STEP, check=fields.above_zero)
    momentum: float = fields.traced(0.0, _MOMENTUM, optional=True, check=fields.fraction)
    nesterov: bool = fields.static(False, "step along the velocity expected in the next step; needs momentum")

    def descent(self, decay: optax.GradientTransformation) -> optax.GradientTransformation:
        return optax.chain(with_momentum(self.momentum, self.nesterov), decay)


@fields.described
@dataclass(frozen=True)
class Adagrad(Optimizer):
    """g / sqrt(s + eps), s the sum of all squared gradients (Duchi et al. 2011, JMLR 12).

    Learning rate as in PyTorch: Keras's 0.001 hardly moves, because the sum only grows. The rest as in Keras and optax.
    """

    learning_rate: float = fields.traced(1e-2, STEP, check=fields.above_zero)
    # Static, because it is used in the first state and not in the step.
    initial_sum: float = fields.static(0.1, "what the sum of squared gradients starts from", check=fields.at_least(0))
    eps: float = fields.traced(1e-7, EPS, check=fields.above_zero)

    def descent(self, decay: optax.GradientTransformation) -> optax.GradientTransformation:
        return optax.chain(optax.scale_by_rss(self.initial_sum, self.eps), decay)


@fields.described
@dataclass(frozen=True)
class Adadelta(Optimizer):
    """g sqrt(x + eps) / sqrt(s + eps), s and x running means of squared gradients and squared steps.

    Zeiler 2012, arXiv:1212.5701: its rho and eps, and its learning rate of 1 (the method finds its own step size).
    """

    learning_rate: float = fields.traced(1.0, STEP, check=fields.above_zero)
    rho: float = fields.traced(0.95, "fraction of the running means that is kept", check=fields.fraction)
    eps: float = fields.traced(1e-6, "added to both running means", check=fields.above_zero)

    def descent(self, decay: optax.GradientTransformation) -> optax.GradientTransformation:
        return optax.chain(optax.scale_by_adadelta(self.rho, self.eps), decay)


@fields.described
@dataclass(frozen=True)
class RMSprop(Optimizer):
    """g / sqrt(s + eps), s the running mean of squared gradients, or their running variance if `centered` is set.

    Tieleman & Hinton 2012, lecture 6.5; centred: Graves 2013, arXiv:1308.0850. Defaults as in Keras, eps inside the
    root as in Keras and optax. Momentum acts before the learning rate, as in PyTorch.
    """

    decay: float = fields.traced(0.9, "fraction of the running mean that is kept", check=fields.fraction)
    eps: float = fields.traced(1e-7, EPS, check=fields.above_zero)
    momentum: float = fields.traced(0.0, _MOMENTUM, optional=True, check=fields.fraction)
    centered: bool = fields.static(
        False, "divide by the running standard deviation of the gradients instead of the root of their mean square"
    )

    def descent(self, decay: optax.GradientTransformation) -> optax.GradientTransformation:
        own = scale_by_deviation if self.centered else optax.scale_by_rms
        return optax.chain(own(self.decay, self.eps), with_momentum(self.momentum), decay)


@dataclass(frozen=True)
class _AdamDirection(Optimizer, abc.ABC):
    """m / (sqrt(s) + eps), m and s bias-corrected running means of gradients and squared gradients."""

    b1: float = fields.traced(0.9, B1, check=fields.fraction)
    b2: float = fields.traced(0.999, B2, check=fields.fraction)
    eps: float = fields.traced(1e-8, EPS, check=fields.above_zero)
    nesterov: bool = fields.static(False, "use the running mean expected after the next gradient (NAdam)")
    momentum_decay: float = fields.static(
        0.004,
        "with nesterov: the momentum of step t is b1 (1 - 0.96**(t momentum_decay) / 2), as in PyTorch; 1: as in "
        "Keras; 0: it is always b1, as in optax",
        check=fields.at_least(0),
        since="0.2.0",
    )

    def descent(self, decay: optax.GradientTransformation) -> optax.GradientTransformation:
        return optax.chain(scale_by_adam(self.b1, self.b2, self.eps, self.nesterov, self.momentum_decay), decay)

    def updated(self, gradients: Any, state: Any, params: Any, total_steps: int) -> tuple[Any, Any, Any]:
        if chosen() != "onednn" or not self.updates_in_place(params):
            return super().updated(gradients, state, params, total_steps)
        value, norms = self.clipping()
        of_value, of_norms, (moments, *others), schedule = state
        gradients, of_value = value.update(gradients, of_value, params)
        gradients, of_norms = norms.update(gradients, of_norms, params)
        numbers = self._numbers(moments.count, self.learning_rate * self.schedule.factor(total_steps)(schedule.count))
        structure, decay = jax.tree.structure(params), fields.enabled(self.weight_decay)
        decays = self.decays(params) if decay else jax.tree.map(lambda param: False, params)
        given = map(jax.tree.leaves, (gradients, params, moments.mu, moments.nu, decays))
        params, *means = (jax.tree.unflatten(structure, each) for each in adam(*given, numbers=numbers))
        moments = optax.ScaleByAdamState(optax.safe_increment(moments.count), *means)
        schedule = optax.ScaleByScheduleState(optax.safe_increment(schedule.count))
        return params, (of_value, of_norms, (moments, *others), schedule), None

    def updates_in_place(self, params: Any) -> bool:
        is_plain = type(self) in OPTIMIZERS.members.values() and not (self.nesterov or self.freeze or self.groups)
        leaves = jax.tree.leaves(params)
        return is_plain and bool(leaves) and all(leaf.dtype == jnp.float32 for leaf in leaves)

    def _numbers(self, count: Any, rate: Any) -> Numbers:
        """Returns the numbers of the step that follows `count` steps, in the order of `scale_by_adam`."""
        count = optax.safe_increment(count)
        root = jnp.sqrt(1 - self.b2**count)
        return Numbers(
            keep_mean=self.b1,
            take_mean=1 - self.b1,
            keep_square=self.b2,
            take_square=1 - self.b2,
            eps=self.eps * root,
            along=-rate * root / (1 - self.b1**count),
            decay=-rate * self.weight_decay,
        )


@fields.described
@dataclass(frozen=True)
class Adam(_AdamDirection):
    """m / (sqrt(s) + eps), m and s bias-corrected running means of gradients and squared gradients.

    Kingma & Ba 2015, arXiv:1412.6980; Nesterov's form: Dozat 2016, "Incorporating Nesterov momentum into Adam", with
    its schedule of the momentum. The papers' defaults; b1, b2 and eps as in optax.
    """


@fields.described
@dataclass(frozen=True)
class AdamW(_AdamDirection):
    """Adam with weight decay by default (Loshchilov & Hutter 2019, arXiv:1711.05101); 1e-4 as in optax."""

    weight_decay: float = decay_field(1e-4)


@fields.described
@dataclass(frozen=True)
class Lamb(Optimizer):
    """Adam's direction, including weight decay, rescaled to the norm of the parameters, for each array separately.

    You et al. 2020, arXiv:1904.00962; an array or a direction of norm 0 is not rescaled. Defaults as in optax,
    learning rate as in Keras.
    """

    b1: float = fields.traced(0.9, B1, check=fields.fraction)
    b2: float = fields.traced(0.999, B2, check=fields.fraction)
    eps: float = fields.traced(1e-6, EPS, check=fields.above_zero)

    def descent(self, decay: optax.GradientTransformation) -> optax.GradientTransformation:
        adam = scale_by_adam(self.b1, self.b2, self.eps)
        return optax.chain(adam, decay, optax.scale_by_trust_ratio())


@fields.described
@dataclass(frozen=True)
class Lion(Optimizer):
    """The sign of b1 m + (1 - b1) g; then m = b2 m + (1 - b2) g (Chen et al. 2023, arXiv:2302.06675).

    The paper's b1 and b2, and, as it advises, a tenth of Adam's learning rate: every parameter moves by the full
    learning rate.
    """

    learning_rate: float = fields.traced(1e-4, STEP, check=fields.above_zero)
    b1: float = fields.traced(0.9, "fraction of the running mean in the direction", check=fields.fraction)
    b2: float = fields.traced(0.99, B1, check=fields.fraction)

    @property
    def bounds_updates(self) -> bool:
        return True  # a sign is finite

    def descent(self, decay: optax.GradientTransformation) -> optax.GradientTransformation:
        return optax.chain(optax.scale_by_lion(self.b1, self.b2), decay)


OPTIMIZERS = fields.Family(
    "optimizer",
    {
        "sgd": SGD,
        "adagrad": Adagrad,
        "adadelta": Adadelta,
        "rmsprop": RMSprop,
        "adam": Adam,
        "adamw": AdamW,
        "lamb": Lamb,
        "lion": Lion,
        "amsgrad": AMSGrad,
        "adamax": Adamax,
        "radam": RAdam,
        "adafactor": Adafactor,
        "muon": Muon,
    },
)
