"""The fields of a dataclass value and of its parts: listed, read and replaced by dotted path."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from jaxdl.fields.declare import KEY, Affects, Declaration, enabled

T = TypeVar("T")

# Fields that Linen itself adds to every module: plumbing, never part of a recipe.
_LINEN_FIELDS = frozenset({"parent", "name"})
_PROGRAMS: frozenset[Affects] = frozenset({"programs"})


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of one value: where it is, what it may hold, and what it holds.

    Attributes:
        path: dotted path from the root, such as ``"optimizer.learning_rate"``.
        type: resolved annotation.
        value: present value.
        declaration: what the author declared.
        affects: what depends on the field, see `jaxdl.fields.declare.Affects`.
        default: its default, or `dataclasses.MISSING`.
    """

    path: str
    type: Any
    value: Any
    declaration: Declaration
    affects: frozenset[Affects] = _PROGRAMS
    default: Any = None

    @property
    def is_part(self) -> bool:
        return self.declaration.family is not None or dataclasses.is_dataclass(self.value)

    @property
    def enters_as_data(self) -> bool:
        """Whether the present value is an argument of the compiled program rather than a constant in it."""
        declared = self.declaration
        return declared.traced and self.value is not None and (not declared.optional or enabled(self.value))


def own_fields(value: Any, affects: frozenset[Affects] = _PROGRAMS, prefix: str = "") -> list[Field]:
    """Lists the fields of one dataclass value, without those of its parts.

    Args:
        value: the dataclass value.
        affects: what depends on the fields that do not declare it themselves.
        prefix: put before each path, which is the field's name.
    """
    return [_field(each, prefix, getattr(value, each.path), affects) for each in _of_class(value.__class__)]


@functools.cache  # a trial of a sweep looks at thousands of fields
def _of_class(cls: type) -> tuple[Field, ...]:
    """Returns the fields of a dataclass without what its values hold, and what depends on them as far as it is said."""
    module = _linen_module()
    skipped = _LINEN_FIELDS if module is not None and issubclass(cls, module) else frozenset()
    given = [field for field in dataclasses.fields(cls) if field.init and field.name not in skipped]
    annotations, found = _annotations(cls), []
    for field in given:
        declared = field.metadata.get(KEY, Declaration())
        affects = _PROGRAMS if declared.affects is None else declared.affects
        found.append(Field(field.name, annotations[field.name], None, declared, affects, field.default))
    return tuple(found)


def _field(of: Field, prefix: str, held: Any, affects: frozenset[Affects]) -> Field:
    own = affects if of.declaration.affects is None else of.affects
    return Field(prefix + of.path, of.type, held, of.declaration, own, of.default)


@functools.cache
def _annotations(cls: type) -> dict[str, Any]:
    """Returns the types of a class's fields, including inherited ones; cached, since evaluating them takes time."""
    annotations: dict[str, Any] = {}
    for each in reversed(cls.__mro__):
        if dataclasses.is_dataclass(each) and each is not _linen_module():
            annotations |= inspect.get_annotations(each, eval_str=True)
    return annotations


def _linen_module() -> type | None:
    """Returns Linen's `Module`, or None when Linen is not imported, so that ``--help`` does not import it."""
    return getattr(sys.modules.get("flax.linen"), "Module", None)


def _is_linen(value: Any) -> bool:
    module = _linen_module()
    return module is not None and isinstance(value, module)


def walk(value: Any, prefix: str = "", affects: frozenset[Affects] = _PROGRAMS) -> Iterator[Field]:
    """Yields every field of a tree of dataclasses, each part before its own fields.

    Args:
        value: the root of the tree.
        prefix: put before each path.
        affects: what depends on the fields of the root that do not declare it themselves.
    """
    for field in own_fields(value, affects, prefix):
        yield field
        if dataclasses.is_dataclass(field.value):
            yield from walk(field.value, field.path + ".", field.affects)


def walk_given(value: Any, prefix: str = "", affects: frozenset[Affects] = _PROGRAMS) -> Iterator[Field]:
    """Yields those fields of `walk` that do not have their defaults; fast enough to be called at each construction."""
    for declared in _of_class(value.__class__):
        held = getattr(value, declared.path)
        if held is not declared.default:
            field = _field(declared, prefix, held, affects)
            yield field
            if dataclasses.is_dataclass(held):
                yield from walk_given(held, field.path + ".", field.affects)


def replace(value: T, changes: Mapping[str, Any]) -> T:
    """Returns `value` with the fields at the given dotted paths replaced; Linen modules are cloned.

    Raises:
        KeyError: a path does not name a field.
    """
    here: dict[str, Any] = {}
    below: dict[str, dict[str, Any]] = {}
    for path, new in changes.items():
        name, _, rest = path.partition(".")
        if rest:
            below.setdefault(name, {})[rest] = new
        else:
            here[name] = new
    names = {field.path for field in own_fields(value)}
    for name in here.keys() | below.keys():
        if name not in names:
            raise KeyError(name)
    for name, inner in below.items():
        here[name] = replace(here.get(name, getattr(value, name)), inner)
    original: Any = value  # no bound of `T` says "a dataclass", and only Linen's have `clone`
    changed: T = original.clone(**here) if _is_linen(original) else dataclasses.replace(original, **here)
    return changed


def traced_values(value: Any) -> dict[str, Any]:
    """Returns the present values of all fields that enter the compiled program as data, by path."""
    return {field.path: field.value for field in walk(value) if field.enters_as_data}
