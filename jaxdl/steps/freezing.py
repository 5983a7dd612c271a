"""Batch normalisation of frozen parameters: it normalises by its statistics, as in evaluation, and keeps them.

Keras does so for a layer that is not trainable. The statistics of the new data would otherwise move activations that
the frozen parameters were trained with.
"""

from __future__ import annotations

import contextlib
from typing import Any

from flax import linen as nn

from jaxdl.models.layers import BatchNorm
from jaxdl.optim.groups import matches


def frozen_statistics(freeze: str) -> contextlib.AbstractContextManager[Any]:
    """Returns the context in which a model is applied for training.

    Args:
        freeze: the optimizer's regular expression of frozen parameters; empty: there are none.
    """
    if not freeze:
        return contextlib.nullcontext()

    def call(method: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        module = context.module
        if context.method_name != "__call__" or not matches(freeze, "/".join(module.path)):
            return method(*args, **kwargs)
        if isinstance(module, BatchNorm):
            return method(args[0] if args else kwargs["inputs"], train=False)
        if not isinstance(module, nn.BatchNorm):
            return method(*args, **kwargs)
        given = module.use_running_average
        if given is None:
            return method(*args[:1], **{**kwargs, "use_running_average": True})
        # Flax refuses one that is given in both places.
        object.__setattr__(module, "use_running_average", True)
        try:
            return method(*args, **kwargs)
        finally:
            object.__setattr__(module, "use_running_average", given)

    return nn.intercept_methods(call)
