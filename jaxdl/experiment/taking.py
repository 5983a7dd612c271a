"""What an experiment takes in the place of a part: a name, a kind of part, or a bare function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import optax

from jaxdl import objectives, optim
from jaxdl.augment.own import augmentation
from jaxdl.data.own import source
from jaxdl.errors import UserError, brief
from jaxdl.fields import Family
from jaxdl.fields.function import FromFunction

_MAKERS: Mapping[str, Callable[[Any], Any]] = {
    "data": source,
    "augmentation": augmentation,
    "objective": objectives.loss,
    "optimizer": optim.optimizer,
    "optimizer.schedule": optim.schedule,
}


def taken(name: str, value: Any, kind: type, family: Family | None, example: str) -> Any:
    """Returns the part that is meant by a value.

    Args:
        name: the field of the experiment.
        value: a part; its name in `family`; a class whose fields all have defaults; or a function of the user's.
        kind: the type of such parts.
        family: the parts with a name.
        example: a part, for the message.

    Raises:
        UserError: it is not clear what is meant.
    """
    if isinstance(value, kind) and not isinstance(value, type):
        return value
    if isinstance(value, str) and family is not None:
        return family.make(value)
    if isinstance(value, type) and issubclass(value, kind):
        try:
            return value()
        except TypeError as error:
            raise UserError(f"Experiment({name}={value.__name__}): {error}.") from None
    if name == "optimizer" and isinstance(value, optax.GradientTransformation):
        return optim.of_transformation(value)
    maker = _MAKERS.get(name)
    if maker is not None and callable(value) and not isinstance(value, type | FromFunction):
        return maker(value)()
    raise UserError(f"Experiment({name}=...) must be a part such as {example}, not {brief(value)}.")


def taken_metrics(value: Any) -> Any:
    """Returns metrics as a tuple of names and metrics of one's own; what is no sequence of such stays as it is.

    Raises:
        UserError: a function takes other arguments than outputs and targets.
    """
    if isinstance(value, str) or callable(value):
        value = (value,)
    if not isinstance(value, list | tuple):
        return value
    return tuple(_metric(each) for each in value)


def _metric(value: Any) -> Any:
    if isinstance(value, type) and issubclass(value, objectives.OwnMetric):
        return value()
    if callable(value):
        made: Any = objectives.metric(value)
        return made()
    return value
