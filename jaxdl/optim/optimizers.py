"""Optimizers as values: their hyperparameters, and the optax transformation that they define.

Every number of a step is traced, so that one compiled program works for all its values; what changes the program's
structure (Nesterov's form, the kind of schedule, whether there is momentum) is static. The parts of a step, in
order: clipping of the gradients by value, then by norm; the optimizer's own direction; weight decay; learning rate
times schedule.

Weight decay is decoupled (Loshchilov & Hutter 2019, arXiv:1711.05101) in every optimizer, not only in AdamW: a step
subtracts learning rate x schedule x weight decay x parameter, independent of past gradients. (The paper multiplies only
by the schedule; with the learning rate in it, values from optax, Keras and PyTorch can be used unchanged.) In Lamb the
decay comes before the trust ratio, as in its paper.
"""

from __future__ import annotations

import abc
from dataclasses import KW_ONLY, dataclass
from typing import Any

import jax
import optax

from jaxdl import fields
from jaxdl.optim.groups import as_items, by_group, chosen, expression, factors, held, moved
from jaxdl.optim.schedules import SCHEDULES, Constant, Schedule
from jaxdl.optim.transforms import scale_by_adam, scale_by_deviation, with_momentum

_B1 = "share of the running mean of gradients that is kept"
_B2 = "share of the running mean of squared gradients that is kept"
_STEP = "size of a step, before the schedule's factor"
_DECAY = "fraction of each weight subtracted in a step, times its learning rate (see weight_decay_on for which ones)"


@fields.described
@dataclass(frozen=True)
class Optimizer(abc.ABC):
    """How gradients update parameters."""

    learning_rate: float = fields.traced(1e-3, _STEP, check=fields.above_zero)
    schedule: Schedule = fields.part(
        SCHEDULES, "how the learning rate changes over training, as a factor of it", default=Constant()
    )
    weight_decay: float = fields.traced(0.0, _DECAY, optional=True, check=fields.at_least(0))
    clip_norm: float = fields.traced(
        0.0,
        "largest Euclidean norm of all gradients together (Pascanu et al. 2013, arXiv:1211.5063); 0: none",
        optional=True,
        check=fields.at_least(0),
    )
    clip_value: float = fields.traced(
        0.0,
        "largest absolute value of each gradient, applied before clip_norm; 0: none",
        optional=True,
        check=fields.at_least(0),
    )
    _: KW_ONLY
    freeze: str = fields.static(
        "",
        "regular expression of parameters that stay as they are, such as dense_1 or (?!output).*; it matches the whole "
        "path of a parameter (dense_1/kernel) or of a module that holds it; batch normalisation that it chooses keeps "
        "its statistics, and normalises by them; empty: none",
        check=expression,
        since="0.3.0",
    )
    groups: tuple[str, ...] = fields.static(
        (),
        "factors of the learning rate for some parameters, as REGEX=FACTOR with expressions as for freeze, such as "
        'dense_1=0.1,convolution_.*=0.01; the first that matches counts; from Python also {"dense_1": 0.1}',
        check=factors,
        since="0.3.0",
    )
    weight_decay_on: str = fields.static(
        "",
        "regular expression, as for freeze, of the parameters that weight_decay applies to, .* for all; empty: those "
        "of two dimensions or more, except biases and scales",
        check=expression,
        since="0.3.0",
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", as_items(self.groups))

    @property
    def bounds_updates(self) -> bool:
        """Whether an update is finite for any gradients, even infinite ones."""
        return fields.enabled(self.clip_value)

    def transformation(self, total_steps: int) -> optax.GradientTransformation:
        """Returns the transformation from gradients to the updates for `optax.apply_updates`.

        Its update needs the parameters. Its state holds no hyperparameter, and its structure depends only on static
        fields.

        Args:
            total_steps: steps of the whole training, at least 1, for the schedule.

        Raises:
            UserError: fields of the schedule contradict each other; by ``init``, an expression chooses no parameter.
        """
        return by_group(self.of_all(total_steps), self.freeze, self.groups, self.weight_decay_on)

    def of_all(self, total_steps: int) -> optax.GradientTransformation:
        """Returns the transformation as it is for all parameters: without `freeze` and `groups`."""
        factor = self.schedule.factor(total_steps)
        decay = fields.enabled(self.weight_decay)
        return optax.chain(
            optax.clip(self.clip_value) if fields.enabled(self.clip_value) else optax.identity(),
            optax.clip_by_global_norm(self.clip_norm) if fields.enabled(self.clip_norm) else optax.identity(),
            self.descent(optax.add_decayed_weights(self.weight_decay, self.decays) if decay else optax.identity()),
            optax.scale_by_schedule(lambda count: -self.learning_rate * factor(count)),
        )

    def decays(self, params: Any) -> Any:
        """Returns a tree of bool in the structure of `params`: to which ones weight decay applies."""
        return chosen(params, self.weight_decay_on) if self.weight_decay_on else decayed(params)

    def held(self, params: Any) -> Any:
        """Returns parameters of which the frozen ones get no gradient."""
        return held(params, self.freeze)

    def moved(self, params: Any, updates: Any) -> Any:
        """Returns the parameters after an update; frozen ones are the same bits."""
        return moved(params, updates, self.freeze)

    def learning_rate_at(self, count: Any, total_steps: int) -> Any:
        """Returns the learning rate of the step that follows `count` steps, for logs; `count` may be traced."""
        return self.learning_rate * self.schedule.factor(total_steps)(count)

    @abc.abstractmethod
    def descent(self, decay: optax.GradientTransformation) -> optax.GradientTransformation:
        """Returns the part between clipping and learning rate: from gradients to a direction, including `decay`."""


def decayed(params: Any) -> Any:
    """Selects the parameters for weight decay: those of two dimensions or more, except biases and scales.

    Decay of biases and of normalisation's parameters does not regularise the weights. Linen names them ``bias`` and
    ``scale``; the names also cover those of several dimensions (attention's bias, layers stacked by a scan).

    Returns:
        A tree of bool in the structure of `params`.
    """

    def decays(path: tuple[Any, ...], leaf: Any) -> bool:
        names = [entry.key for entry in path if isinstance(entry, jax.tree_util.DictKey)]
        return leaf.ndim >= 2 and names[-1:] not in (["bias"], ["scale"])

    return jax.tree_util.tree_map_with_path(decays, params)


_MOMENTUM = "fraction of the last step's velocity that is kept"
_EPS = "added to the denominator"


@fields.described
@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent: v = momentum v + g; step along v, or along g + momentum v in Nesterov's form.

    Polyak 1964; Nesterov 1983 as in Sutskever et al. 2013, "On the importance of initialization and momentum in deep
    learning". Learning rate as in Keras.
    """

    learning_rate: float = fields.traced(1e-2, _STEP, check=fields.above_zero)
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

    learning_rate: float = fields.traced(1e-2, _STEP, check=fields.above_zero)
    # Static, because it is used in the first state and not in the step.
    initial_sum: float = fields.static(0.1, "what the sum of squared gradients starts from", check=fields.at_least(0))
    eps: float = fields.traced(1e-7, _EPS, check=fields.above_zero)

    def descent(self, decay: optax.GradientTransformation) -> optax.GradientTransformation:
        return optax.chain(optax.scale_by_rss(self.initial_sum, self.eps), decay)


@fields.described
@dataclass(frozen=True)
class Adadelta(Optimizer):
    """g sqrt(x + eps) / sqrt(s + eps), s and x running means of squared gradients and squared steps.

    Zeiler 2012, arXiv:1212.5701: its rho and eps, and its learning rate of 1 (the method finds its own step size).
    """

    learning_rate: float = fields.traced(1.0, _STEP, check=fields.above_zero)
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
    eps: float = fields.traced(1e-7, _EPS, check=fields.above_zero)
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

    b1: float = fields.traced(0.9, _B1, check=fields.fraction)
    b2: float = fields.traced(0.999, _B2, check=fields.fraction)
    eps: float = fields.traced(1e-8, _EPS, check=fields.above_zero)
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

    weight_decay: float = fields.traced(1e-4, _DECAY, optional=True, check=fields.at_least(0))


@fields.described
@dataclass(frozen=True)
class Lamb(Optimizer):
    """Adam's direction, including weight decay, rescaled to the norm of the parameters, for each array separately.

    You et al. 2020, arXiv:1904.00962; an array or a direction of norm 0 is not rescaled. Defaults as in optax,
    learning rate as in Keras.
    """

    b1: float = fields.traced(0.9, _B1, check=fields.fraction)
    b2: float = fields.traced(0.999, _B2, check=fields.fraction)
    eps: float = fields.traced(1e-6, _EPS, check=fields.above_zero)

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

    learning_rate: float = fields.traced(1e-4, _STEP, check=fields.above_zero)
    b1: float = fields.traced(0.9, "fraction of the running mean in the direction", check=fields.fraction)
    b2: float = fields.traced(0.99, _B1, check=fields.fraction)

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
    },
)
