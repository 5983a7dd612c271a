"""Models of one's own: what `jaxdl.model` makes of a function that calls Flax's layers."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any, ClassVar

from flax import linen as nn

from jaxdl.errors import UserError
from jaxdl.fields.declare import static
from jaxdl.fields.function import FromFunction, Kind, about, fields_of, place_of, signature_of

# What a model is called with beside its inputs, and what that is where there is none; a function takes what it reads.
_TOLD = {"train": False, "lengths": None, "targets": None}
# Fields that may have no default: their values follow from the data.
_FROM_DATA = ("outputs", "vocabulary", "output_length")


class FromModel(FromFunction, nn.Module):
    """Base of the classes that `model` makes.

    Attributes:
        told: which of ``train``, ``lengths`` and ``targets`` the function reads.
        reads_targets: whether it reads the true targets in training.
    """

    told: ClassVar[tuple[str, ...]] = ()
    reads_targets: ClassVar[bool] = False

    @nn.compact
    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Returns what the function returns for inputs, which are named where there are several.

        Raises:
            UserError: the data have other inputs than the function takes.
            ValueError: the examples have lengths, and the function does not read them.
        """
        if named.get("lengths") is not None and "lengths" not in self.told:
            raise ValueError(f"{self.place} does not take lengths, so padding would count: give it that argument")
        of_inputs = {name: value for name, value in named.items() if name not in _TOLD}
        given = of_inputs | {name: named.get(name, _TOLD[name]) for name in self.told} | self.own_values
        try:
            inspect.signature(self.function).bind(*inputs, **given)
        except TypeError as error:
            names = ", ".join(of_inputs) or "a single one"
            raise UserError(f"{self.place} does not take the inputs of these data ({names}): {error}.") from None
        return self.function(*inputs, **given)


def model(function: Callable[..., Any]) -> Kind[..., nn.Module]:
    """Makes a Linen module of a function of the inputs, in which Flax's layers are made and called.

    ``network(width=32)`` is then a model, as one that is written as a class with ``@nn.compact``. The arguments before
    the ``*`` are the inputs, of several by their names; ``train`` and ``lengths`` are given where the function takes
    them. All other keyword arguments are fields, static unless their default is written with `jaxdl.traced`. Without a
    default, ``outputs``, ``outputs_NAME``, ``vocabulary`` and ``output_length`` follow from the data.

    Args:
        function: takes arrays (batch, ...), and returns (batch, ...), or a dictionary of such for several targets.

    Raises:
        UserError: another argument has no default.
    """
    made: Any = _model(function)
    return made  # type: ignore[no-any-return]


@functools.cache
def _model(function: Callable[..., Any]) -> type:
    parameters = list(signature_of(function).parameters.values())
    told = tuple(each.name for each in parameters if each.name in _TOLD)
    named = [each for each in parameters if each.kind is each.KEYWORD_ONLY and each.name not in _TOLD]
    given = [_with_default(each, function) for each in named]
    own = list(fields_of(given, function.__name__, traces=False))
    namespace = {
        **about(function, given, own),
        "__annotations__": {name: kind for name, kind, _ in own},
        **{name: field for name, _, field in own},
        "told": told,
        "reads_targets": "targets" in told,
    }
    return types.new_class(function.__name__, (FromModel,), exec_body=lambda body: body.update(namespace))


def _with_default(parameter: inspect.Parameter, function: Callable[..., Any]) -> inspect.Parameter:
    """Returns a keyword argument with None as its default, where its value may follow from the data."""
    if parameter.default is not parameter.empty:
        return parameter
    if not parameter.name.startswith(_FROM_DATA):
        raise UserError(
            f"{place_of(function)}: the argument {parameter.name} needs a default, which is the default of its field."
        )
    return parameter.replace(default=static(None, "none: follows from the data"), annotation=int | None)
