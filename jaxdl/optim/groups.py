"""Groups of parameters: which ones a regular expression chooses, and what an optimizer does otherwise with them.

A parameter is named by its path, such as ``dense_1/kernel``. An expression chooses it where it matches the whole path,
or the whole path of a module that holds it: ``dense_1`` chooses ``dense_1/kernel`` and not ``dense_10/kernel``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import optax

from jaxdl import fields
from jaxdl.checkpoint.digest import named_leaves
from jaxdl.errors import UserError, nearest

# How many parameters a message names.
_NAMED = 40


def matches(pattern: str, path: str) -> bool:
    """Returns whether a regular expression chooses the parameter of a path."""
    parts = path.split("/")
    return any(re.fullmatch(pattern, "/".join(parts[:count])) for count in range(1, len(parts) + 1))


def chosen(params: Any, pattern: str) -> Any:
    """Returns a tree of bool in the structure of `params`: which ones a regular expression chooses."""

    def is_chosen(path: Any, leaf: Any) -> bool:
        return matches(pattern, jax.tree_util.keystr(path, simple=True, separator="/"))

    return jax.tree_util.tree_map_with_path(is_chosen, params)


def expression(value: str) -> str | None:
    """Returns what is wrong with a regular expression, or None."""
    try:
        re.compile(value)
    except re.error as error:
        return f"must be a regular expression ({error})"
    return None


def factors(value: tuple[str, ...]) -> str | None:
    """Returns what is wrong with a list of ``REGEX=FACTOR``, or None."""
    for item in value:
        pattern, equals, factor = item.rpartition("=")
        try:
            positive = 0 < float(factor) < float("inf")
        except ValueError:
            positive = False
        if not (pattern and equals and positive):
            return f"{item!r} must be REGEX=FACTOR with a factor above 0, such as dense_1=0.1 (freeze leaves as it is)"
        if expression(pattern):
            return f"{pattern!r} {expression(pattern)}"
    return None


def as_items(groups: Any) -> Any:
    """Returns ``{"dense_1": 0.1}`` as ``("dense_1=0.1",)``; what is no mapping stays as it is."""
    if not isinstance(groups, Mapping):
        return groups
    return tuple(f"{pattern}={fields.show(factor)}" for pattern, factor in groups.items())


def by_group(
    whole: optax.GradientTransformation, freeze: str, groups: Sequence[str], decays: str
) -> optax.GradientTransformation:
    """Returns a transformation that leaves some parameters as they are, and scales the updates of others.

    Frozen ones have no state, and their gradients do not enter a norm; where nothing is chosen, it is `whole` itself.

    Args:
        whole: from gradients to updates.
        freeze: a regular expression, or empty.
        groups: ``REGEX=FACTOR``; of several that choose a parameter the first counts.
        decays: the expression for weight decay, which is only checked here; or empty.

    Raises:
        UserError: (by ``init``) an expression chooses no parameter, or `freeze` all of them.
    """
    if not (freeze or groups or decays):
        return whole
    patterns = [item.rpartition("=")[0] for item in groups]
    inner = optax.chain(whole, _scaled(groups)) if groups else whole
    if freeze:
        inner = optax.partition(
            {"trained": inner, "frozen": optax.set_to_zero()}, lambda params: _labels(params, freeze)
        )

    def init(params: Any) -> Any:
        names = list(named_leaves(params))
        for field, pattern in [
            ("freeze", freeze),
            ("weight_decay_on", decays),
            *(("groups", each) for each in patterns),
        ]:
            if pattern:
                check_chooses(f"optimizer.{field}", pattern, names)
        if freeze and all(matches(freeze, name) for name in names):
            raise UserError(f"optimizer.freeze={freeze}: this chooses every parameter, so nothing is left to train.")
        return inner.init(params)

    return optax.GradientTransformation(init, inner.update)


def check_chooses(field: str, pattern: str, names: Sequence[str]) -> None:
    """Raises `UserError`, which names the parameters, for an expression that chooses none of them."""
    if any(matches(pattern, name) for name in names):
        return
    near = nearest(pattern, [part for name in names for part in (name.partition("/")[0], name)])
    meant = "" if near is None else f" Did you mean {near!r}?"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    listed = ", ".join(names[:_NAMED])
    raise UserError(f"{field}={pattern}: this chooses none of the parameters.{meant} They are: {listed}{more}.")


def held(params: Any, freeze: str) -> Any:
    """Returns parameters of which those that `freeze` chooses get no gradient, so that none is computed."""
    if not freeze:
        return params
    return jax.tree.map(lambda frozen, p: jax.lax.stop_gradient(p) if frozen else p, chosen(params, freeze), params)


def moved(params: Any, updates: Any, freeze: str) -> Any:
    """Returns the parameters after an update; those that `freeze` chooses are the same bits, even if they are -0.0."""

    def after(param: Any, update: Any) -> Any:
        return param + update.astype(param.dtype)

    if not freeze:
        return jax.tree.map(after, params, updates)
    return jax.tree.map(lambda frozen, p, u: p if frozen else after(p, u), chosen(params, freeze), params, updates)


def _labels(params: Any, freeze: str) -> Any:
    return jax.tree.map(lambda frozen: "frozen" if frozen else "trained", chosen(params, freeze))


def _scaled(groups: Sequence[str]) -> optax.GradientTransformation:
    """Multiplies the updates of each group by its factor."""
    parted = [(pattern, float(factor)) for pattern, _, factor in (item.rpartition("=") for item in groups)]

    def update(path: Any, update: Any) -> Any:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        factor = next((factor for pattern, factor in parted if matches(pattern, name)), None)
        return update if factor is None else update * factor

    return optax.stateless(lambda updates, params: jax.tree_util.tree_map_with_path(update, updates))
