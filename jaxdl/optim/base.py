"""Optimizers as values: their hyperparameters, and the optax transformation that they define.

Every number of a step is traced, so that one compiled program works for all its values; what changes the program's
structure (Nesterov's form, the kind of schedule, whether there is momentum) is static. The parts of a step, in
order: clipping of the gradients by value, then by norms; the optimizer's own direction; weight decay; learning rate
times schedule.

Weight decay is decoupled (Loshchilov & Hutter 2019, arXiv:1711.05101) in every optimizer, not only in AdamW: a step
subtracts learning rate x schedule x weight decay x parameter, independent of past gradients. (The paper multiplies only
by the schedule; with the learning rate in it, values from optax, Keras and PyTorch can be used unchanged.) In Lamb the
decay comes before the trust ratio, as in its paper.
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import functools
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import optax

from jaxdl import fields
from jaxdl.optim.groups import as_items, by_group, chosen, expression, factors, held, moved
from jaxdl.optim.schedules import SCHEDULES, Constant, Schedule
from jaxdl.optim.transforms import clip_each_norm

B1 = "share of the running mean of gradients that is kept"
B2 = "share of the running mean of squared gradients that is kept"
EPS = "added to the denominator"
STEP = "size of a step, before the schedule's factor"
_DECAY = "fraction of each weight subtracted in a step, times its learning rate (see weight_decay_on for which ones)"


def decay_field(default: float) -> Any:
    """Returns the field of an optimizer that decays weights by default."""
    return fields.traced(default, _DECAY, optional=True, check=fields.at_least(0))


@fields.described
@dataclass(frozen=True)
class Optimizer(abc.ABC):
    """How gradients update parameters."""

    learning_rate: float = fields.traced(1e-3, STEP, check=fields.above_zero)
    schedule: Schedule = fields.part(
        SCHEDULES, "how the learning rate changes over training, as a factor of it", default=Constant()
    )
    weight_decay: float = decay_field(0.0)
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
    _: dataclasses.KW_ONLY
    clip_each: float = fields.traced(
        0.0,
        "largest Euclidean norm of the gradient of each array, as Keras's clipnorm; before clip_norm; 0: none",
        optional=True,
        check=fields.at_least(0),
        since="0.3.0",
    )
    clip_adaptive: float = fields.traced(
        0.0,
        "largest norm of the gradient of each unit as a share of that of its weights, such as 0.01 (Brock et al. 2021, "
        "arXiv:2102.06171); applied last; 0: none",
        optional=True,
        check=fields.at_least(0),
        since="0.3.0",
    )
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
            *self.clipping(),
            self.descent(optax.add_decayed_weights(self.weight_decay, self.decays) if decay else optax.identity()),
            optax.scale_by_schedule(lambda count: -self.learning_rate * factor(count)),
        )

    def clipping(self, but: Collection[str] = ()) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
        """Returns the clipping by value, and that by norms; identities where there is none.

        Args:
            but: names of fields that are left out.
        """
        by = {name: getattr(self, name) for name in ("clip_value", "clip_each", "clip_norm", "clip_adaptive")}
        by = {name: most for name, most in by.items() if fields.enabled(most) and name not in but}
        value = optax.clip(by.pop("clip_value")) if "clip_value" in by else optax.identity()
        norms = [_CLIPS[name](most) for name, most in by.items()]
        # One norm alone is no chain, as it was before there were several: checkpoints name states by their place.
        return value, optax.chain(*norms) if len(norms) > 1 else norms[0] if norms else optax.identity()

    def decays(self, params: Any) -> Any:
        """Returns a tree of bool in the structure of `params`: to which ones weight decay applies."""
        return chosen(params, self.weight_decay_on) if self.weight_decay_on else decayed(params)

    def held(self, params: Any) -> Any:
        """Returns parameters of which the frozen ones get no gradient."""
        return held(params, self.freeze)

    def moved(self, params: Any, updates: Any) -> Any:
        """Returns the parameters after an update; frozen ones are the same bits."""
        return moved(params, updates, self.freeze)

    def updated(self, gradients: Any, state: Any, params: Any, total_steps: int) -> tuple[Any, Any, Any]:
        """Returns the parameters and the state after a step, and the updates; None where they were not computed apart.

        Values and the structure of the state are those of `transformation`, up to rounding.

        Args:
            gradients: in the structure of `params`.
            state: that of `transformation`.
            params: the parameters.
            total_steps: as there.
        """
        updates, state = self.transformation(total_steps).update(gradients, state, params)
        return self.moved(params, updates), state, updates

    def updates_in_place(self, params: Any) -> bool:
        """Returns whether a native operation can do the whole step of such parameters, see `jaxdl.ops.adam`."""
        return False

    def learning_rate_at(self, count: Any, total_steps: int) -> Any:
        """Returns the learning rate of the step that follows `count` steps, for logs; `count` may be traced."""
        return self.learning_rate * _factor(self.schedule, total_steps, count)

    @abc.abstractmethod
    def descent(self, decay: optax.GradientTransformation) -> optax.GradientTransformation:
        """Returns the part between clipping and learning rate: from gradients to a direction, including `decay`."""


_CLIPS = {
    "clip_each": clip_each_norm,
    "clip_norm": optax.clip_by_global_norm,
    "clip_adaptive": optax.adaptive_grad_clip,
}


def _factor(schedule: Schedule, total_steps: int, count: Any) -> Any:
    """Returns a schedule's factor of the learning rate after `count` steps."""
    if type(count) is int:
        with contextlib.suppress(TypeError):  # a schedule of one's own may be no key
            return _known_factor(schedule, total_steps, count)
    return schedule.factor(total_steps)(count)


# The trials of a sweep ask for the same ones, and each takes longer than writing all figures of a short epoch. They are
# kept on the host: the product with an array on the device would run one more program after each epoch.
@functools.lru_cache(maxsize=1024)
def _known_factor(schedule: Schedule, total_steps: int, count: int) -> Any:
    with jax.ensure_compile_time_eval():  # a tracer must not be kept
        factor = schedule.factor(total_steps)(count)
    return np.asarray(factor)[()] if isinstance(factor, jax.Array) else factor


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
