"""Several ranges of one field, each under its own condition: that no two of the conditions hold at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from jaxdl.sweeps.space.axis import Axis, Choices
from jaxdl.sweeps.space.space import both_hold

_MOST_COMBINATIONS = 20_000
_MOST_VALUES, _FEW_VALUES = 64, 8


def check_apart(axes: Sequence[Axis], others: Sequence[Axis], is_part: Callable[[str], bool]) -> None:
    """Raises `UserError` where two axes of a field hold at once.

    Conditions are computed for every combination of the values that they name; of ranges and very long lists, for
    values that are spread over them. What this does not find is refused when it is drawn, see `Space.made_of`.

    Args:
        axes: the axes of one field.
        others: all axes of the space.
        is_part: whether a path is that of a part, which decides about values that the sweep does not name.

    Raises:
        UserError: it names a combination.
    """
    if len(axes) < 2:
        return
    named = {path for axis in axes if axis.only_if is not None for path in axis.only_if.fields}
    decide = [axis for axis in others if axis.only_if is None and (axis.path in named or is_part(axis.path))]
    lists = [_spread(axis, _MOST_VALUES) for axis in decide]
    if math.prod(map(len, lists)) > _MOST_COMBINATIONS:
        lists = [_spread(axis, _FEW_VALUES) for axis in decide]
    for combination in itertools.islice(itertools.product(*lists), _MOST_COMBINATIONS):
        values = {axis.path: value for axis, value in zip(decide, combination, strict=True)}
        holding = [axis for axis in axes if axis.only_if is not None and axis.only_if.allows(values)]
        if len(holding) > 1:
            raise both_hold(holding[0], holding[1], values)


def _spread(axis: Axis, most: int) -> list[Any]:
    """Returns all values of an axis, or some that are spread over it, with both ends."""
    if axis.count <= most:
        return [axis.at(place) for place in range(int(axis.count))]
    if isinstance(axis.values, Choices) or math.isfinite(axis.count):
        places = {round(n * (axis.count - 1) / (most - 1)) for n in range(most)}
        return [axis.at(place) for place in sorted(places)]
    low, high = axis.values.low, axis.values.high
    if axis.values.log:
        return [axis.value(low * (high / low) ** (n / (most - 1))) for n in range(most)]
    return [axis.value(low + (high - low) * n / (most - 1)) for n in range(most)]
