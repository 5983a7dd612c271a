"""What an experiment takes in the place of a part: a name, a kind of part, or a bare function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import optax

from jaxdl import objectives, optim
from jaxdl.augment.own import augmentation
from jaxdl.augment.several import augmentations
from jaxdl.data import Arrays
from jaxdl.data.own import source
from jaxdl.errors import UserError, brief
from jaxdl.fields import Family
from jaxdl.fields.function import FromFunction
from jaxdl.models.own import model
from jaxdl.objectives.own import OwnOfOutput
from jaxdl.objectives.several import losses

_MAKERS: Mapping[str, Callable[[Any], Any]] = {
    "data": source,
    "augmentation": augmentation,
    "objective": objectives.loss,
    "optimizer": optim.optimizer,
    "optimizer.schedule": optim.schedule,
    "model": model,
}

_SEVERAL: Mapping[str, Callable[[Any], Any]] = {"objective": losses, "augmentation": augmentations}
_SCHEDULES = (
    "give its form as schedule=f, a function f(step, steps) that returns a factor of learning_rate, or a name: "
    'schedule="cosine".'
)
_SPLITS = {"train", "validation", "test"}
# Of which kind each is before its own is read.
_FIRST = {"objective": "softmax_cross_entropy", "augmentation": "images"}


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
    if isinstance(value, Mapping) and value and name in _SEVERAL:
        return _SEVERAL[name](value)
    if name == "data" and isinstance(value, Mapping) and {"train", "test"} <= value.keys() <= _SPLITS:
        own = value.get("validation", "")
        return Arrays(train=value["train"], test=value["test"], validate_on=own)
    if isinstance(value, str) and family is not None:
        return family.make(value)
    if isinstance(value, type) and issubclass(value, kind):
        try:
            return value()
        except TypeError as error:
            raise UserError(f"Experiment({name}={value.__name__}): {error}.") from None
    if name == "optimizer" and isinstance(value, optax.GradientTransformation):
        return optim.of_transformation(value)
    if name == "optimizer" and _is_schedule(value):
        raise UserError(f"Experiment(optimizer=...) was given a schedule: {_SCHEDULES}")
    maker = _MAKERS.get(name)
    if maker is not None and callable(value) and not isinstance(value, type | FromFunction):
        return maker(value)()
    raise UserError(f"Experiment({name}=...) must be a part such as {example}, not {brief(value)}.")


def check_rate(optimizer: Any) -> None:
    """Raises `UserError` for a learning rate that is a function, as a schedule of optax is."""
    rate = getattr(optimizer, "learning_rate", None)
    if callable(rate):
        raise UserError(f"{type(optimizer).__name__}(learning_rate=...) must be a number, not a function: {_SCHEDULES}")


def _is_schedule(value: Any) -> bool:
    """Returns whether a function is a schedule of optax, which takes the number of steps, and no optimizer."""
    if not callable(value) or isinstance(value, type):
        return False
    try:
        return next(iter(inspect.signature(value).parameters), "") in ("count", "step")
    except ValueError:  # of a function of C
        return False


def start_of_several(path: str, raw: Mapping[str, Any], present: Any = None) -> Any:
    """Returns losses of several outputs, or augmentations of several inputs, with the names of those in a config.

    Args:
        path: of the field, which ends with ``objective`` or ``augmentation``.
        raw: the part in the config.
        present: what the field holds; that is returned where it has the same names.

    Raises:
        UserError: the field holds none of them.
    """
    field, names = path.rpartition(".")[2], [name for name, value in raw.items() if isinstance(value, Mapping)]
    if getattr(present, "names", None) == tuple(names):
        return present
    if field not in _SEVERAL or not names:
        raise UserError(f"config: {path} cannot be several: the file is damaged.")
    return _SEVERAL[field](dict.fromkeys(names, _FIRST[field]))


def taken_metrics(value: Any) -> Any:
    """Returns metrics as a tuple of names and metrics of one's own; what is no sequence of such stays as it is.

    Those of several outputs may be a dictionary of the metrics of each.

    Raises:
        UserError: a function takes other arguments than outputs and targets.
    """
    if isinstance(value, Mapping):
        return tuple(_of_output(output, each) for output, given in value.items() for each in taken_metrics(given))
    if isinstance(value, str) or callable(value):
        value = (value,)
    if not isinstance(value, list | tuple):
        return value
    return tuple(_metric(each) for each in value)


def _of_output(output: str, metric: Any) -> str:
    if isinstance(metric, objectives.OwnMetric):
        return OwnOfOutput(output, metric)
    return f"{output}/{metric}"


def _metric(value: Any) -> Any:
    if isinstance(value, type) and issubclass(value, objectives.OwnMetric):
        return value()
    if callable(value):
        made: Any = objectives.metric(value)
        return made()
    return value
