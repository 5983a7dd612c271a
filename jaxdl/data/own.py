"""Data sources of one's own: what `jaxdl.source` makes of a function."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxdl.data.source import Data, Notify
from jaxdl.data.sources.arrays import OfArrays, split_of
from jaxdl.data.spec import Dataset, Spec
from jaxdl.errors import UserError, brief
from jaxdl.fields.function import Fields, FromFunction, Kind, kind_of, place_of

_SPLITS = ("train", "validation", "test")


class FromSource(FromFunction, OfArrays):
    """Base of the classes that `source` makes; it has the fields of every source of arrays, such as ``validation``."""

    @property
    def requested(self) -> str:
        return type(self).__name__

    def spec(self, data_dir: Path) -> Spec:
        return self.read(data_dir, lambda line: None).spec

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        """Returns the arrays of the function.

        Raises:
            UserError: it returns something else than splits, or these do not fit each other.
        """
        given = _called(self.function, tuple(sorted(self.own_values.items())))
        if not isinstance(given, Mapping) or not {"train", "test"} <= given.keys() <= set(_SPLITS):
            raise UserError(
                f'{self.place} must return {{"train": (inputs, targets), "test": (inputs, targets)}}, and "validation" '
                f"if it has one, not {brief(given if not isinstance(given, Mapping) else sorted(given))}."
            )
        names = [name for name in _SPLITS if name in given]
        return self.joined({name: split_of(f"{name} of {self.place}", name, given[name]) for name in names})


@functools.lru_cache(maxsize=2)  # a recipe asks what an example is before it loads them
def _called(function: Callable[..., Any], values: tuple[tuple[str, Any], ...]) -> Any:
    return function(**dict(values))


def source(function: Callable[Fields, Any]) -> Kind[Fields, Data]:
    """Makes a data source of a function ``f(*, ...)`` that returns ``{"train": (inputs, targets), "test": ...}``.

    ``spiral(noise=0.2)`` is then a part for ``Experiment(data=...)``, and ``spiral.function`` the plain function. Its
    keyword arguments are fields, all static, and stand in ``config.json``, which has none of the arrays. The function
    must give the same ones each time: seed its random numbers.

    Args:
        function: returns splits by name, ``train``, ``test`` and optionally ``validation``: pairs or mappings as
            `jaxdl.Arrays` takes them.

    Raises:
        UserError: an argument has no default, or the name of a field that every source has.
    """
    made: Any = _source(function)
    return made  # type: ignore[no-any-return]


@functools.cache
def _source(function: Callable[..., Any]) -> type:
    made = kind_of(function, FromSource, (), traces=False)
    taken = sorted(set(made.own_names) & {field.name for field in dataclasses.fields(OfArrays)})  # type: ignore[attr-defined]
    if taken:
        raise UserError(f"{place_of(function)}: {taken[0]} is a field of every source; give the argument another name.")
    return made
