"""Along which axes of a mesh the parameters of a model lie, as its layers declare it.

A module, of jaxdl or a user's own, declares it by a class attribute:

    class Own(nn.Module):
        sharding_axes: ClassVar = {"table": ("model", None), "dense_1/kernel": (None, "model")}

For a parameter of its own, or one of a layer in it, it gives an axis of the mesh, or None, for each dimension. The
outermost module that names a parameter decides. Of parameters that none names, those called ``kernel``,
``recurrent_kernel`` and ``embedding`` lie along their last dimension, which for the layers of jaxdl and Flax is that of
the outputs, and with them their ``bias``; others are whole on each device, and so is what cannot be divided evenly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
from flax import linen as nn

from jaxdl.backend.mesh import DATA, MODEL
from jaxdl.errors import UserError

Path = tuple[str, ...]
Rule = tuple[str | None, ...]
DECLARED = "sharding_axes"
_ALONG_OUTPUTS = ("kernel", "recurrent_kernel", "embedding")


def rules_of(init: Callable[[], Any], small: int) -> dict[Path, Rule]:
    """Returns the axes of a model's parameters by their paths; those that are not named here are whole.

    Args:
        init: makes the parameters of a state, such as ``init_state`` of `jaxdl.steps.functions.Steps`; only traced.
        small: parameters with fewer numbers stay whole, unless a module names them.

    Raises:
        UserError: a module declares what is no axis.
    """
    declared: list[tuple[Path, Path, Rule]] = []

    def note(method: Any, arguments: Any, keywords: Any, context: nn.module.InterceptorContext) -> Any:
        module = context.module
        for name, rule in _declared(module).items():
            declared.append((tuple(module.path), (*module.path, *name.split("/")), rule))
        return method(*arguments, **keywords)

    with nn.intercept_methods(note):
        params = jax.eval_shape(init).params
    shapes = {names_of(path): leaf.shape for path, leaf in jax.tree_util.tree_leaves_with_path(params)}
    found = {
        path: (*[None] * (len(shape) - 1), MODEL)
        for path, shape in shapes.items()
        if path[-1] in _ALONG_OUTPUTS and len(shape) > 1 and math.prod(shape) >= small
    }
    for path in [(*path[:-1], "bias") for path in found]:
        if len(shapes.get(path, ())) == 1:
            found[path] = (MODEL,)
    # Of an outer module and a layer in it, the outer one comes last, and so decides.
    inner_first = sorted(declared, key=lambda each: -len(each[0]))
    return found | {path: rule for _, path, rule in inner_first if path in shapes}


def _declared(module: nn.Module) -> Mapping[str, Rule]:
    rules: Mapping[str, Rule] = getattr(type(module), DECLARED, {})
    for name, rule in rules.items():
        for axis in rule:
            if axis not in (None, DATA, MODEL):
                raise UserError(
                    f"{type(module).__name__}.{DECLARED}[{name!r}] has the axis {axis!r}: give None or {MODEL!r} for "
                    "each dimension."
                )
    return rules


def names_of(path: tuple[Any, ...]) -> Path:
    """Returns the names along a path of `jax.tree_util`; places in a tuple have none."""
    names = (getattr(key, "key", getattr(key, "name", None)) for key in path)
    return tuple(str(name) for name in names if name is not None)
