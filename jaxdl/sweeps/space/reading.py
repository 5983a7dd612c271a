"""Reads a search space: names of fields, their values, conditions and pairs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields import Field, no_field, settable, short_names, show
from jaxdl.sweeps.space.apart import check_apart
from jaxdl.sweeps.space.axis import Axis, Choices, axis_of, value_of
from jaxdl.sweeps.space.limits import Limit, Settings, condition_limit, function_limit, missing_function
from jaxdl.sweeps.space.pairs import checked_rows
from jaxdl.sweeps.space.space import Space, apply

SEED, FOLD = "seed", "data.fold"
REPEATED = (SEED, FOLD)
_CONDITION = re.compile(r"(.*?\S)\s+if\s+(.+)", re.DOTALL)


def make_space(
    experiment: Experiment,
    fields: Mapping[str, Any] | Sequence[tuple[str, Any]],
    limits: Sequence[str | Callable[[Experiment], bool]] = (),
    pairs: Sequence[Mapping[str, Any]] = (),
) -> Space:
    """Reads a search space.

    Args:
        experiment: the recipe that is varied.
        fields: values of each field, by its dotted path, or by its last name if only one field has it: a text as after
            ``--sweep=FIELD=`` (see `jaxdl.sweeps.space.axis.parse_axis`), which may end in ``if CONDITION``, or an
            iterable of values. Where the recipe has folds, these are added.
        limits: conditions (see `jaxdl.sweeps.space.conditions`), and functions that return for a trial's experiment
            whether it may be tried.
        pairs: combinations of fields that are tried as they stand: values, or their texts, by name.

    Raises:
        UserError: a name or a value is wrong, a field is given twice, or does not change any result.
    """
    given = list(fields.items() if isinstance(fields, Mapping) else fields)
    if experiment.data.folds and experiment.data.fold is None and not {"fold", FOLD} & {name for name, _ in given}:
        given.append((FOLD, f"0:{experiment.data.folds}"))
    if not given and not pairs:
        raise UserError("a sweep needs a field to vary: give --sweep=FIELD=VALUES.")
    for name, _ in given:
        if not isinstance(name, str):
            raise UserError(f"a sweep varies fields by their names, not {name!r}.")
    return _Reader(experiment).space(given, limits, checked_rows(pairs) if pairs else [])


class _Reader:
    """Reads one space; it knows the fields of all parts that were chosen so far."""

    def __init__(self, experiment: Experiment):
        self._experiment = experiment
        self._known = _fields(experiment)
        self._settings = Settings(experiment)

    def space(
        self,
        given: Sequence[tuple[str, Any]],
        limits: Sequence[str | Callable[[Experiment], bool]],
        rows: Sequence[Mapping[str, Any]],
    ) -> Space:
        names = list(dict.fromkeys(name for row in rows for name in row))
        columns = {name: [row[name] for row in rows if name in row] for name in names}
        axes: dict[str, list[Axis]] = {}
        conditions: dict[str, list[str]] = {}  # of each axis, where its field has any
        # Parts first: the fields of a part are known only after it is chosen.
        for name, values, paired in sorted(
            [*((name, values, True) for name, values in columns.items()), *((name, v, False) for name, v in given)],
            key=lambda item: not self._is_part(item[0]),
        ):
            field = self._field(name)
            for each, condition in _alternatives(field, values):
                if field.path in axes and not (condition and conditions.get(field.path) and field.path not in REPEATED):
                    raise UserError(
                        f"--sweep={name}: {field.path} is given twice; give all its values at once, or a condition for "
                        "each, as in 'VALUES if PART=NAME'."
                    )
                axis = _column(field, each) if paired else axis_of(field, each)
                axes.setdefault(field.path, []).append(axis)
                if condition:
                    conditions.setdefault(field.path, []).append(condition)
                self._learn(field, axis)
        for path, texts in conditions.items():
            axes[path] = self._conditional(path, axes[path], texts, conditions)
        for path in conditions:
            check_apart(axes[path], [axis for each in axes.values() for axis in each], self._is_part)
        order = dict.fromkeys(self._named(name).path for name in (*names, *(name for name, _ in given)))
        read = tuple(dict.fromkeys(self._row(row) for row in rows))
        return Space(tuple(axis for path in order for axis in axes[path]), tuple(map(self._limit, limits)), read)

    def _is_part(self, name: str) -> bool:
        return name in self._known and self._known[name].declaration.family is not None

    def _learn(self, field: Field, axis: Axis) -> None:
        """Takes note of the fields of parts that an axis chooses."""
        if field.declaration.family is not None and isinstance(axis.values, Choices):
            for choice in axis.values.values:
                self._known |= _fields(apply(self._experiment, {axis.path: choice}))

    def _conditional(
        self, path: str, axes: Sequence[Axis], texts: Sequence[str], conditions: Mapping[str, Sequence[str]]
    ) -> list[Axis]:
        """Returns the axes of a field with their conditions."""
        made: list[Axis] = []
        for axis, text in zip(axes, texts, strict=True):
            only_if = self._condition(path, text, conditions)
            key = f"{path} if {text}" if made else ""
            made.append(dataclasses.replace(axis, spec=f"{axis.spec} if {text}", only_if=only_if, key=key))
        return made

    def _field(self, name: str) -> Field:
        """Returns the field of a name that is to be varied."""
        field = self._named(name)
        if not field.affects & {"programs", "data", "result"}:  # each trial would be the same training again and again
            raise UserError(f"--sweep={name}: no result depends on {field.path}, so there is nothing to compare.")
        return field

    def _named(self, name: str) -> Field:
        paths = list(self._known)
        names = short_names(paths) | {path: path for path in paths}
        if name not in names:
            raise no_field(name, names)
        return self._known[names[name]]

    def _row(self, row: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
        fields = {name: self._named(name) for name in row}
        return tuple((fields[name].path, value_of(fields[name], value)) for name, value in row.items())

    def _resolve(self, name: str) -> str | None:
        path = short_names(list(self._known)).get(name, name)
        if path in self._known:
            return path
        if "." in name or any(each.rpartition(".")[2] == name for each in self._known):
            self._named(name)  # says which fields there are
        return None

    def _condition(self, path: str, text: str, conditions: Mapping[str, Sequence[str]]) -> Limit:
        flag = f"--sweep={path}=... if {text}"
        limit = condition_limit(text, flag, self._settings, self._known, self._resolve)
        for named in limit.fields:
            if named in conditions:
                raise UserError(f"{flag}: {named} has a condition itself; give the whole condition here.")
        return self._without_seed(flag, limit)

    def _limit(self, given: str | Callable[[Experiment], bool]) -> Limit:
        if not isinstance(given, str):
            if not callable(given):
                raise UserError(f"sweep_if takes conditions as text, and functions of an experiment, not {given!r}.")
            return function_limit(given, lambda values: apply(self._experiment, values))
        missing = missing_function(given)
        flag = f"--sweep_if={given}"
        return missing or self._without_seed(
            flag, condition_limit(given, flag, self._settings, self._known, self._resolve)
        )

    def _without_seed(self, flag: str, limit: Limit) -> Limit:
        """Returns the limit; each combination runs with every seed, so none may depend on it."""
        if SEED in limit.fields:
            raise UserError(f"{flag}: each combination runs with every seed; leave the seed out of the condition.")
        return limit


def _fields(experiment: Experiment) -> dict[str, Field]:
    return {field.path: field for field in settable(experiment)}


def _alternatives(field: Field, values: Any) -> list[tuple[Any, str]]:
    """Returns the values of a field with the condition of each; a text may have several, with semicolons between."""
    if not isinstance(values, str) or field.type is str:
        return [(values, "")]
    parts = [part for part in values.split(";") if part.strip()] or [values]
    read = [_CONDITION.fullmatch(part) for part in parts]
    if len(parts) > 1 and not all(read):
        raise UserError(
            f"--sweep={field.path}={values}: of several ranges each needs a condition, as in 'VALUES if PART=NAME'."
        )
    return [
        (found[1].strip(), found[2].strip()) if found else (part, "") for part, found in zip(parts, read, strict=True)
    ]


def _column(field: Field, values: Iterable[Any]) -> Axis:
    """Returns the axis of a column of the pairs, with each value once."""
    return axis_of(field, list(dict.fromkeys(value_of(field, value) for value in values)))


def enqueued_values(space: Space, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of a known setting by dotted path.

    Args:
        space: what the sweep varies.
        given: values, or their texts, of some of its fields by dotted path or last name.

    Raises:
        UserError: a field is not varied, or not with that value.
    """
    axes: dict[str, list[Axis]] = {}
    for each in space.axes:
        if each.path not in space.paired:
            axes.setdefault(each.path, []).append(each)
    short = short_names(list(axes))
    found = {}
    for name, value in given.items():
        path = short.get(name, name)
        if path not in axes or path == SEED:
            raise UserError(f"--enqueue: {name} is no field that the sweep draws: {', '.join(axes)}.")
        holding = [(axis, axis.read(value)) for axis in axes[path]]
        fitting = [read for axis, read in holding if axis.holds(read)]
        if not fitting:
            shown = "; ".join(axis.spec for axis, _ in holding)
            raise UserError(f"--enqueue: {path}={show(holding[0][1])} is not among {shown}.")
        found[path] = fitting[0]
    if not found:
        raise UserError("--enqueue: write the values of fields, such as --enqueue='learning_rate=1e-3 batch_size=32'.")
    return found


def parse_setting(text: str) -> dict[str, str]:
    """Returns the texts of ``learning_rate=1e-3 batch_size=32`` by name.

    Raises:
        UserError: there is a word without ``=``.
    """
    words = [word.partition("=") for word in text.split()]
    if not words or not all(name and equals and value for name, equals, value in words):
        raise UserError(f"--enqueue={text}: write --enqueue='learning_rate=1e-3 batch_size=32'.")
    return {name: value for name, _, value in words}
