"""Experiments as JSON and back. Reading executes nothing: types are looked up by name, never imported."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxdl.errors import UserError, brief, unknown
from jaxdl.experiment import Experiment
from jaxdl.experiment.hooks import Hook, of_config
from jaxdl.experiment.taking import start_of_several
from jaxdl.experiment.versions import migrated
from jaxdl.fields import Family, Field, check_value, own_fields, replace, show, standard, walk
from jaxdl.fields.declare import KEY
from jaxdl.fields.function import LAMBDA, FromFunction, code_digest, place_of
from jaxdl.fields.named import SEVERAL
from jaxdl.objectives.own import OwnMetric
from jaxdl.objectives.several import Several, with_kinds
from jaxdl.record.trackers.tracker import OwnTracker

_TYPE = "type"
_CODE, _UNNAMED = "code", "unnamed"
_LIBRARIES = ("jaxdl", "flax", "optax")


def to_config(value: Any) -> dict[str, Any]:
    """Returns a dataclass tree as JSON values; each part has its name in its family under ``"type"``.

    Parts that are functions and classes of the user's have, at the top under ``"code"``, a digest of their source.
    Those without a name, which are lambdas and transformations of optax, are listed under ``"unnamed"``.

    Raises:
        UserError: a field holds what has no JSON form, such as an array or a function.
    """
    config: dict[str, Any] = {}
    for field in own_fields(value):
        if field.is_part:
            family = field.declaration.family
            name = family.name_of(field.value) if family else None
            named = {_TYPE: name} if family and name != family.unnamed else {}
            config[field.path] = named | to_config(field.value)
        else:
            config[field.path] = _plain(field.value, f"{type(value).__name__}.{field.path}")
    if isinstance(value, Experiment) and (code := _own_code(value)):
        config[_CODE] = code
        if unnamed := _unnamed(value):
            config[_UNNAMED] = unnamed
    return config


def _unnamed(experiment: Experiment) -> list[str]:
    """Returns what are lambdas and transformations of optax: only the script that made them has them."""
    parts: dict[str, Any] = {f.path: f.value for f in walk(experiment) if isinstance(f.value, FromFunction)}
    parts |= {f"metrics.{each}": each for each in experiment.measured if isinstance(each, OwnMetric)}
    return [path for path, each in parts.items() if type(each).__name__ == LAMBDA or not each.code]


def own_parts(experiment: Experiment) -> dict[str, str]:
    """Returns the parts, metrics and hooks that are the user's own functions and classes, by what they are for.

    Each is named with its file and line, such as ``focal (own.py:12)``.
    """
    parts = {field.path: field.value for field in walk(experiment) if _is_own(field.value)}
    parts |= {f"metrics.{each}": each for each in experiment.measured if isinstance(each, OwnMetric)}
    parts |= {f"hooks.{each.name}": each for each in experiment.hooks if isinstance(each, Hook) and _is_own_hook(each)}
    return {path: _place(part) for path, part in parts.items()}


def _is_own_hook(hook: Hook) -> bool:
    return getattr(hook.function, "__module__", "").partition(".")[0] not in _LIBRARIES


def _place(part: Any) -> str:
    place: str = part.place if isinstance(part, FromFunction | OwnMetric | Hook) else place_of(type(part))
    return place


def _is_own(value: Any) -> bool:
    """Returns whether a part is a function or a class of the user's, and of no library's."""
    if isinstance(value, FromFunction) or not dataclasses.is_dataclass(value) or isinstance(value, type):
        return isinstance(value, FromFunction)
    return type(value).__module__.partition(".")[0] not in _LIBRARIES


def _own_code(experiment: Experiment) -> dict[str, str]:
    """Returns the digests of the source of the parts that are the user's own, by what they are for."""
    parts = {field.path: field.value for field in walk(experiment) if _is_own(field.value)}
    code = {
        path: each.code if isinstance(each, FromFunction) else code_digest(type(each)) for path, each in parts.items()
    }
    return code | {f"metrics.{each}": each.code for each in experiment.measured if isinstance(each, OwnMetric)}


def changed_code(config: Mapping[str, Any], experiment: Experiment) -> list[str]:
    """Returns, with their places, the own parts of an experiment whose source is not that of the run of a config."""
    before, now = config.get(_CODE), _own_code(experiment)
    if not isinstance(before, Mapping):
        return []
    parts = {field.path: field.value for field in walk(experiment)}
    parts |= {f"metrics.{each}": each for each in experiment.measured}
    return [_place(parts[path]) for path in now if path in before and before[path] != now[path]]


def about_changed_code(path: Path, config: Mapping[str, Any], experiment: Experiment) -> str:
    """Returns a line on the own parts whose source is not that of the run of a config; empty where there is none.

    Args:
        path: the run directory, for the line.
        config: its ``config.json``.
        experiment: the recipe as it is now.
    """
    own = changed_code(config, experiment)
    if not own:
        return ""
    return f"the code of {', '.join(own)} has changed since {path} was trained: what follows is of the present code."


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, tuple):
        return [_plain(item, name) for item in value]
    if isinstance(value, str):
        return str(value)  # its text, without what a type of its own may add
    if value is None or isinstance(value, bool | int | float):
        return value
    raise UserError(
        f"{name} holds {brief(value)}, which config.json cannot hold: give a number, a text, a tuple of them, or a "
        "frozen dataclass of such fields."
    )


def from_config(config: Mapping[str, Any], default: Experiment | None = None) -> Experiment:
    """Rebuilds an experiment from its JSON form.

    Args:
        config: the result of `to_config`, or the content of a ``config.json`` of this or an earlier jaxdl.
        default: the experiment as its file defines it; types that are not in a family are taken from it, so that a
            user's own module can be read without importing names from a file. A field that the config lacks, since an
            earlier version wrote it, gets the default of its type. None: all parts must be jaxdl's own.

    Raises:
        UserError: the experiment has no such field or type, or a value is not allowed; or a newer jaxdl wrote the
            config; or, without `default`, a part is not jaxdl's own.
    """
    steps: Sequence[Callable[[Experiment], Experiment]] = ()
    if isinstance(config, Mapping):
        config, steps = migrated(config)
    code = config.get(_CODE) if isinstance(config, Mapping) else None
    config = {name: value for name, value in config.items() if name not in (_CODE, _UNNAMED)} if code else config
    if default is None and isinstance(code, Mapping):
        for path in code:  # one of the user's own may have the name of one of jaxdl's
            place, _, metric = str(path).partition("metrics.")
            raise _not_jaxdls("metric", metric) if metric else _not_jaxdls(place, _type_at(config, place))
    if default is None:
        experiment: Experiment = _read(config, _built_in(config), None, "")
    else:
        own_types = {type(f.value).__name__: f.value for f in walk(default) if f.is_part and not _is_member(f)}
        experiment = _read(config, default, own_types, "")
    for step in steps:
        experiment = step(experiment)
    return experiment


def _type_at(config: Any, path: str) -> str:
    for name in path.split("."):
        config = config.get(name) if isinstance(config, Mapping) else None
    return str(config.get(_TYPE)) if isinstance(config, Mapping) else path


def _is_member(field: Field) -> bool:
    family = field.declaration.family
    return family is not None and type(field.value) in family.members.values()


def _built_in(config: Mapping[str, Any]) -> Experiment:
    """Returns an experiment whose parts have the types that the config names, all of them jaxdl's own."""
    name = config.get("name") if isinstance(config, Mapping) else None
    if not isinstance(name, str):
        raise UserError("config: name must be a text: the file is damaged; give the experiment, or train again.")
    parts: dict[str, Any] = {}
    for field in dataclasses.fields(Experiment):
        family = field.metadata[KEY].family
        if family is not None:
            raw = config.get(field.name, {} if family.unnamed else None)
            kind = raw.get(_TYPE, family.unnamed) if isinstance(raw, Mapping) else None
            if not isinstance(kind, str):
                raise UserError(f"config: {field.name} must be an object with its type: the file is damaged.")
            if kind == SEVERAL:
                parts[field.name] = start_of_several(field.name, raw)
                continue
            if kind not in family.members:
                raise _not_built_in(family, kind)
            parts[field.name] = family.members[kind]()
    return Experiment(name=name, **parts)


def _not_built_in(family: Family, kind: str) -> UserError:
    return _not_jaxdls(family.noun, kind)


def _not_jaxdls(noun: str, kind: str) -> UserError:
    return UserError(
        f"the {noun} {kind!r} is not a part of jaxdl, so config.json alone does not say what it computes: give "
        "the experiment that has it, from Python as experiment=, for the command line as a file in experiments/, or "
        "any with --experiment=FILE.py."
    )


def _read(config: Any, default: Any, own_types: Mapping[str, Any] | None, prefix: str) -> Any:
    if not isinstance(config, Mapping):
        raise UserError(f"config: {prefix.rstrip('.') or 'experiment'} must be an object, not {brief(config)}.")
    declared = {field.path: field for field in own_fields(default)}
    fields = {field.name: field for field in dataclasses.fields(default)}
    absent = [fields[name] for name in declared if name not in config]
    changes = {field.name: field.default for field in absent if field.default is not dataclasses.MISSING}
    for name, raw in config.items():
        if name == _TYPE:
            continue
        if name not in declared:
            raise unknown("field in config:", prefix + name, (prefix + known for known in declared))
        field = dataclasses.replace(declared[name], path=prefix + name)
        if field.is_part:
            start = _start(raw, field, own_types)
            changes[name] = _read(raw, start, own_types, field.path + ".")
        else:
            changes[name] = with_own(standard(field, _typed(raw, field.type)), field.value)
            changes[name] = of_config(changes[name]) if field.path == "hooks" else changes[name]
            check_value(field, changes[name])
            if isinstance(field.value, str) and changes[name] == field.value:
                changes[name] = field.value  # it may have more than its text: the arrays of `jaxdl.Arrays`
    return replace(default, changes)


def with_own(names: Any, default: Any) -> Any:
    """Returns a tuple of names in which those of the user's own metrics, hooks and trackers are these themselves.

    Args:
        names: the names, of a config or a flag; anything else is returned as it is.
        default: what the recipe has in this field.
    """
    if not isinstance(names, tuple) or not isinstance(default, tuple):
        return names
    own = {str(each): each for each in default if isinstance(each, OwnMetric | Hook | OwnTracker)}
    return tuple(own.get(each, each) if isinstance(each, str) else each for each in names)


def _start(raw: Any, field: Field, own_types: Mapping[str, Any] | None) -> Any:
    """Returns a part of the type that the config names; its fields are then filled from the config.

    Args:
        raw: the part in the config.
        field: the field that holds it.
        own_types: parts of types that are not in a family, by the names of the types; None: there must be none.
    """
    family = field.declaration.family
    if family is None or not isinstance(raw, Mapping):
        return field.value
    name = str(raw.get(_TYPE, family.unnamed))
    if name == SEVERAL:
        return start_of_several(field.path, raw, field.value)
    if name == family.name_of(field.value):
        return field.value
    if name in family.members:
        return family.members[name]()
    if own_types is None:
        raise _not_built_in(family, name)
    if name in own_types:
        return own_types[name]
    raise unknown(f"{family.noun} in config:", name, [*family.members, *own_types])


def _typed(raw: Any, annotation: Any) -> Any:
    """Turns JSON lists into tuples and whole numbers into floats, as the annotation requires."""
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        if raw is None:
            return None
        arguments = tuple(a for a in arguments if a is not types.NoneType)
        lists = [a for a in arguments if typing.get_origin(a) is tuple]
        if len(arguments) == 1 or (isinstance(raw, list) and lists):
            return _typed(raw, (lists or arguments)[0])
        return raw
    if isinstance(raw, list) and typing.get_origin(annotation) is tuple:
        return tuple(_typed(item, arguments[0]) for item in raw)
    if annotation is float and isinstance(raw, int) and not isinstance(raw, bool):
        try:
            return float(raw)
        except OverflowError:
            return raw  # the check of the field's type reports it
    return raw


def differences(
    one: Experiment, other: Experiment, compared: Callable[[Field], bool] = lambda field: True
) -> list[str]:
    """Lists the fields in which two experiments differ, as ``path=value (not other value)``.

    Args:
        one: the experiment whose values are listed first.
        other: the experiment that it is compared with.
        compared: returns whether a field counts.
    """
    left, right = _leaves(_of_kind(one, other), compared), _leaves(_of_kind(other, one), compared)
    return [
        f"{path}={left.get(path, 'absent')} (not {right.get(path, 'absent')})"
        for path in {**left, **right}
        if left.get(path) != right.get(path)
    ]


def _of_kind(experiment: Experiment, other: Experiment) -> Experiment:
    """Returns an experiment whose own loss has the kind of the other's, where it follows from the data."""
    objective, before = experiment.objective, other.objective
    if type(objective) is not type(before):
        return experiment
    parts = before.parts if isinstance(before, Several) else {"": before}
    objective = with_kinds(objective, {name: each.kind for name, each in parts.items()})
    return dataclasses.replace(experiment, objective=objective)


def _leaves(experiment: Experiment, compared: Callable[[Field], bool]) -> dict[str, str]:
    leaves = {}
    # An earlier run's config names the metrics that followed from the objective.
    for field in walk(dataclasses.replace(experiment, metrics=experiment.measured)):
        family = field.declaration.family
        if not compared(field):
            continue
        if family:
            leaves[field.path] = family.name_of(field.value)
        elif not field.is_part:
            leaves[field.path] = show(field.value)
    return leaves
