"""A search space as a function of a trial, as Optuna's objectives have it, read into lists, ranges and conditions.

The function is called once for each combination of its listed values (`suggest_categorical`, and `suggest_int` with few
numbers), with stand-ins for the numbers of ranges. What it returns says which fields are varied, how, and where. So a
sweep of a function is one of a space like any other: it is repeatable, and goes on after a stop without the function.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from jaxdl.errors import UserError, brief
from jaxdl.fields import show

_MOST_LISTED = 16  # a longer range of whole numbers is not tried number by number
_MOST_LEAVES = 10_000
_REFUSED = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lt", "le", "gt", "ge", "eq", "ne", "bool", "neg")
_REFUSED_RIGHT = (
    "radd",
    "rsub",
    "rmul",
    "rtruediv",
    "rfloordiv",
    "rmod",
    "rpow",
    "index",
    "round",
    "abs",
    "int",
    "float",
)


class _Float(float):
    """Stands for a number of a range, which is to be returned as it is."""

    name: str
    spec: str


class _Int(int):
    """The same, of whole numbers."""

    name: str
    spec: str


def _refuse(self: Any, *others: Any) -> NoReturn:
    raise UserError(
        f"space: return what suggest of {self.name!r} gives as it is; what is computed or decided from a number "
        f"needs a list of values (suggest_categorical), or at most {_MOST_LISTED} whole numbers."
    )


for _kind, _name in itertools.product((_Float, _Int), (*_REFUSED, *_REFUSED_RIGHT)):
    setattr(_kind, f"__{_name}__", _refuse)
    _kind.__hash__ = object.__hash__  # type: ignore[assignment]


class Suggestions:
    """What the function is given: the methods of Optuna's trials that suggest a value.

    Args:
        chosen: the places of the values of the first lists that are asked for; of later ones it is the first value.
    """

    def __init__(self, chosen: Sequence[int]):
        self._chosen = chosen
        self.asked: dict[str, tuple[str, Any]] = {}  # by name the values as text, and the one that was given
        self.counts: list[int] = []  # how many values each list has, in the order in which they were asked for

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Suggests a number of a range, as `optuna.Trial.suggest_float`."""
        steps = "" if step is None else f",step={step!r}"
        number: float = self._of_range(name, _Float(low), f"{'log' if log else 'uniform'}({low!r},{high!r}{steps})")
        return number

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Suggests a whole number of a range, with its end, as `optuna.Trial.suggest_int`."""
        more = ",log=true" if log else f",step={step}" if step != 1 else ""
        spec = f"int({low},{high}{more})"
        numbers = range(low, high + 1, step)
        if low < high and len(numbers) > _MOST_LISTED:
            number: int = self._of_range(name, _Int(low), spec)
            return number
        return int(self._of_list(name, numbers, spec if low < high else str(low)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Suggests one of some values, as `optuna.Trial.suggest_categorical`."""
        return self._of_list(name, list(choices), f"choice({','.join(map(_written, choices))})")

    def _of_range(self, name: str, number: Any, spec: str) -> Any:
        number.name, number.spec = name, spec
        return self._noted(name, spec, number)

    def _of_list(self, name: str, values: Sequence[Any], spec: str) -> Any:
        if name in self.asked and self.asked[name][0] == spec:
            return self.asked[name][1]
        if not values:
            raise UserError(f"space: {name!r} is suggested from no values.")
        place = self._chosen[len(self.counts)] if len(self.counts) < len(self._chosen) else 0
        self.counts.append(len(values))
        return self._noted(name, spec, values[place])

    def _noted(self, name: str, spec: str, value: Any) -> Any:
        if name in self.asked and self.asked[name][0] != spec:
            raise UserError(f"space: {name!r} is suggested twice, as {self.asked[name][0]} and {spec}; give two names.")
        return self.asked.setdefault(name, (spec, value))[1]


@dataclasses.dataclass(frozen=True)
class _Leaf:
    """One call of the function: what it asked for, and what it returned."""

    asked: Mapping[str, tuple[str, Any]]
    values: Mapping[str, Any]

    def number(self, field: str) -> _Float | _Int | None:
        """Returns the number of a range that a field is, also as a list of one; None for anything else."""
        value = self.values.get(field)
        value = value[0] if isinstance(value, list | tuple) and len(value) == 1 else value
        return value if isinstance(value, _Float | _Int) else None


SpaceFunction = Callable[[Any], Mapping[str, Any]]


def read_function(function: SpaceFunction) -> tuple[list[tuple[str, Any]], list[dict[str, Any]]]:
    """Returns the fields with their values, and pairs, as `jaxdl.sweeps.space.reading.make_space` takes them.

    Args:
        function: takes a trial with `suggest_float`, `suggest_int` and `suggest_categorical`, and returns the values of
            fields by name.

    Raises:
        UserError: it returns something else, computes with numbers of ranges, or has too many combinations.
    """
    leaves = list(_leaves(function))
    fields = list(dict.fromkeys(name for leaf in leaves for name in leaf.values))
    ranged = {field for field in fields if any(leaf.number(field) is not None for leaf in leaves)}
    direct = {field: _source(field, leaves) for field in fields if field not in ranged}
    if all(source is not None for source in direct.values()):
        always = [field for field in direct if _is_everywhere(field, leaves, direct)]
        found = [_written_field(field, leaves, direct, always) for field in fields]
        if all(text is not None for text in found):
            return list(zip(fields, found, strict=True)), []
    # Values that are computed, or decide about others in turn, are tried together as they stand.
    joint = [field for field in fields if field in direct]
    rows = [{field: leaf.values[field] for field in joint if field in leaf.values} for leaf in leaves]
    made = [(field, _written_field(field, leaves, direct, joint)) for field in fields if field in ranged]
    for field, text in made:
        if text is None:
            raise UserError(f"space: where {field} has which range is too involved; return a field that says it.")
    return made, list({repr(row): row for row in rows}.values())


def _leaves(function: SpaceFunction) -> Iterator[_Leaf]:
    """Calls the function with every combination of listed values, the last one that is asked for fastest."""
    chosen: list[int] = []
    for _ in range(_MOST_LEAVES):
        trial = Suggestions(chosen)
        values = function(trial)
        if not isinstance(values, Mapping) or not values or not all(isinstance(name, str) for name in values):
            raise UserError(
                f"space: the function returns a dictionary of values by the names of fields, not {brief(values)}."
            )
        leaf = _Leaf(trial.asked, dict(values))
        returned = {id(number) for field in values if (number := leaf.number(field)) is not None}
        for name, (_, given) in trial.asked.items():
            if isinstance(given, _Float | _Int) and id(given) not in returned:
                raise UserError(f"space: {name!r} is suggested from a range and no field is it; return it as it is.")
        yield leaf
        chosen = [*chosen, *[0] * (len(trial.counts) - len(chosen))]
        while chosen and chosen[-1] + 1 == trial.counts[len(chosen) - 1]:
            chosen.pop()
        if not chosen:
            return
        chosen[-1] += 1
    raise UserError(
        f"space: its lists have more than {_MOST_LEAVES:,} combinations; return numbers of ranges as they are."
    )


def _source(field: str, leaves: Sequence[_Leaf]) -> str | None:
    """Returns the suggestion that a listed field always is; empty if it is the same everywhere; None if computed."""
    having = [leaf for leaf in leaves if field in leaf.values]
    for name in having[0].asked:
        if all(name in leaf.asked and _same(leaf.asked[name][1], leaf.values[field]) for leaf in having):
            return name
    return "" if all(_same(leaf.values[field], having[0].values[field]) for leaf in having) else None


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and not isinstance(one, _Float | _Int) and bool(one == other)


def _specs(field: str, leaves: Sequence[_Leaf], direct: Mapping[str, str | None]) -> dict[str, list[_Leaf]]:
    """Returns the leaves by the values of a field there, as text."""
    found: dict[str, list[_Leaf]] = {}
    for leaf in leaves:
        if field in leaf.values:
            number, source = leaf.number(field), direct.get(field)
            text = (
                number.spec if number is not None else leaf.asked[source][0] if source else _written(leaf.values[field])
            )
            found.setdefault(text, []).append(leaf)
    return found


def _is_everywhere(field: str, leaves: Sequence[_Leaf], direct: Mapping[str, str | None]) -> bool:
    specs = _specs(field, leaves, direct)
    return len(specs) == 1 and len(next(iter(specs.values()))) == len(leaves)


def _written_field(
    field: str, leaves: Sequence[_Leaf], direct: Mapping[str, str | None], deciding: Sequence[str]
) -> str | None:
    """Returns the values of a field with their conditions; None where no two fields decide about them."""
    specs = _specs(field, leaves, direct)
    if len(specs) == 1 and len(next(iter(specs.values()))) == len(leaves):
        return next(iter(specs))
    texts = []
    for spec, inside in specs.items():
        here = {id(leaf) for leaf in inside}
        condition = _condition(inside, [leaf for leaf in leaves if id(leaf) not in here], deciding)
        if condition is None:
            return None
        texts.append(f"{spec} if {condition}")
    return "; ".join(texts)


def _condition(inside: Sequence[_Leaf], outside: Sequence[_Leaf], deciding: Sequence[str]) -> str | None:
    """Returns a condition on one or two fields that holds for some leaves and not for the others."""
    usable = [
        field for field in deciding if all(not isinstance(leaf.values.get(field), list | tuple) for leaf in inside)
    ]
    for names in (*((name,) for name in usable), *itertools.combinations(usable, 2)):

        def key(leaf: _Leaf, names: Sequence[str] = names) -> tuple[str, ...]:
            return tuple(_compared(name, leaf) for name in names)

        holds = dict.fromkeys(map(key, inside))
        if not holds.keys() & set(map(key, outside)) and all(all(each) for each in holds):
            return " or ".join(f"({' and '.join(each)})" if len(each) > 1 else each[0] for each in holds)
    return None


def _compared(field: str, leaf: _Leaf) -> str:
    """Returns the comparison that holds for a leaf; empty where it lacks the field."""
    if field not in leaf.values:
        return ""
    value = leaf.values[field]
    return f"{field}='{value}'" if isinstance(value, str) else f"{field}={show(value)}"


def _written(value: Any) -> str:
    value = tuple(value) if isinstance(value, list) else value
    return f"({show(value)})" if isinstance(value, tuple) else show(value)
