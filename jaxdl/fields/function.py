"""Kinds of parts made from functions: the keyword arguments of a function become the fields of a frozen dataclass.

The first arguments of the function are what it is called with, such as outputs and targets; the others, which have
defaults, are its fields. A whole float is traced and anything else is static, unless the default is written with
`static` or `traced`.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import hashlib
import inspect
import textwrap
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, ParamSpec, Protocol, TypeVar

from jaxdl.errors import UserError, unknown
from jaxdl.fields.declare import KEY, Declaration, static, traced

Fields = ParamSpec("Fields")
Part = TypeVar("Part", covariant=True)
_PLAIN = (bool, int, float, str)
LAMBDA = "<lambda>"
"""The name of each function that has none."""


class Kind(Protocol[Fields, Part]):
    """What a decorator makes of a function: calling it with keyword arguments gives a part.

    Attributes:
        function: the function itself, to be called with arrays.
    """

    function: Callable[..., Any]

    def __call__(self, *args: Fields.args, **kwargs: Fields.kwargs) -> Part: ...


class FromFunction:
    """Base of the classes that `kind_of` makes.

    Attributes:
        function: the function itself; defaults written with `static` or `traced` stand for their values.
        place: its name with its file and line, for messages.
        code: digest of its source without comments, docstring and layout; see `code_digest`.
        own_names: names of the fields that are its keyword arguments.
    """

    function: ClassVar[Callable[..., Any]]
    place: ClassVar[str]
    code: ClassVar[str]
    own_names: ClassVar[tuple[str, ...]]

    def __new__(cls, *args: Any, **values: Any) -> Any:
        names = [field.name for field in dataclasses.fields(cls) if field.init]  # type: ignore[arg-type]
        for name in values:
            if name not in names:
                raise unknown(f"keyword argument of {cls.place}:", name, names)
        if args:
            raise UserError(
                f"{cls.__name__}(...) makes a part and takes keyword arguments only ({', '.join(names) or 'none'}); "
                f"the plain function is {cls.__name__}.function."
            )
        return super().__new__(cls)

    @property
    def own_values(self) -> dict[str, Any]:
        """The keyword arguments for the function; some may be traced."""
        return {name: getattr(self, name) for name in self.own_names}


def kind_of(
    function: Callable[..., Any],
    base: type,
    arguments: Sequence[str],
    *,
    namespace: Mapping[str, Any] = types.MappingProxyType({}),
    fields: Sequence[tuple[str, Any, Any]] = (),
    traces: bool = True,
) -> type:
    """Returns a frozen dataclass whose fields are the keyword arguments of a function.

    Args:
        function: the function.
        base: base of the class, which calls ``self.function``.
        arguments: what the function is called with by position.
        namespace: further attributes of the class.
        fields: further fields as for `dataclasses.make_dataclass`, which the function does not take.
        traces: whether numbers of its own are traced; otherwise all are static.

    Raises:
        UserError: the function does not take `arguments` by position and all others with a default.
    """
    name, place = getattr(function, "__name__", type(function).__name__), place_of(function)
    signature = signature_of(function)
    parameters = list(signature.parameters.values())
    first, others = parameters[: len(arguments)], parameters[len(arguments) :]
    if len(first) < len(arguments) or any(p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in first):
        raise UserError(f"{place} must take ({', '.join(arguments)}) and keyword arguments, not {signature}.")
    for parameter in others:
        if parameter.default is parameter.empty:
            raise UserError(
                f"{place}: the argument {parameter.name} needs a default, which is the default of its field; it is "
                f"called with ({', '.join(arguments)})."
            )
    own = list(fields_of(others, name, traces))
    made = dataclasses.make_dataclass(
        name,
        [*fields, *own],
        bases=(base,) if issubclass(base, FromFunction) else (FromFunction, base),
        frozen=True,
        eq=not issubclass(base, str),
        namespace={**about(function, others, own), **namespace},
    )
    # `make_dataclass` of Python 3.11 ignores the module given above, which pickling needs.
    made.__module__ = getattr(function, "__module__", __name__)
    return made


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Returns the signature of a function, with its annotations as types where that is possible."""
    try:
        return inspect.signature(function, eval_str=True)
    except (NameError, AttributeError, TypeError):  # of a name that is only imported for type checkers
        return inspect.signature(function)


def about(
    function: Callable[..., Any], parameters: Sequence[inspect.Parameter], own: Sequence[tuple[str, Any, Any]]
) -> dict[str, Any]:
    """Returns the attributes of a class that is made from a function, see `FromFunction`.

    Args:
        function: the function.
        parameters: its keyword arguments.
        own: their fields, see `fields_of`.
    """
    name = getattr(function, "__name__", type(function).__name__)
    defaults = {
        name: field.default for name, _, field in own if KEY in getattr(_default(parameters, name), "metadata", {})
    }
    plain = functools.wraps(function)(functools.partial(function, **defaults)) if defaults else function
    return {
        "__doc__": inspect.getdoc(function),
        "__module__": getattr(function, "__module__", __name__),
        "__qualname__": getattr(function, "__qualname__", name),
        "function": staticmethod(plain),
        "place": place_of(function),
        "code": code_digest(function),
        "own_names": tuple(name for name, *_ in own),
    }


def fields_of(
    parameters: Sequence[inspect.Parameter], name: str, traces: bool
) -> Iterator[tuple[str, Any, dataclasses.Field[Any]]]:
    """Yields name, type and declaration of the field of each keyword argument that a config can hold.

    Args:
        parameters: the arguments, with defaults.
        name: that of the function, for the help.
        traces: whether floats are traced.
    """
    for parameter in parameters:
        declared = _field(parameter, name, traces)
        if declared is not None:
            yield parameter.name, *declared


def _default(parameters: Sequence[inspect.Parameter], name: str) -> Any:
    return next(parameter.default for parameter in parameters if parameter.name == name)


def _field(parameter: inspect.Parameter, function: str, traces: bool) -> tuple[Any, Any] | None:
    """Returns the type and the declaration of a keyword argument; None for one that no config can hold."""
    default, help = parameter.default, f"keyword argument of {function}"
    declared = None
    if isinstance(default, dataclasses.Field) and KEY in default.metadata:
        declared, default = default.metadata[KEY], default.default
    annotation = parameter.annotation if _is_plain(parameter.annotation) else _type_of(default)
    if annotation is None:
        return None
    if declared is None:
        new = traced(default, help) if traces and annotation is float else static(default, help)
    else:
        declaration: Declaration = dataclasses.replace(declared, help=declared.help or help)
        new = dataclasses.field(default=default, metadata={KEY: declaration})
    return annotation, new


def _type_of(value: Any) -> Any:
    if isinstance(value, tuple):
        kinds = {_type_of(each) for each in value}
        return tuple[kinds.pop(), ...] if len(kinds) == 1 and kinds <= set(_PLAIN) else None  # type: ignore[misc]
    return type(value) if type(value) in _PLAIN else None


def _is_plain(annotation: Any) -> bool:
    """Returns whether values of a type are numbers, texts, tuples of them, or None."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return True
    if origin is tuple or origin in (typing.Union, types.UnionType):
        return all(each in (Ellipsis, types.NoneType) or _is_plain(each) for each in arguments)
    return annotation in _PLAIN


def place_of(function: Any) -> str:
    """Returns the name of a function or class with its file and line, such as ``focal (own.py:12)``."""
    name = getattr(function, "__name__", type(function).__name__)
    try:
        where = _a_method(function) if inspect.isclass(function) else function
        file, line = inspect.getsourcefile(where), inspect.getsourcelines(where)[1]
        line = _definition(function).lineno if inspect.isclass(function) else line
    except (OSError, TypeError, SyntaxError):
        return str(name)
    return f"{name} ({Path(file).name}:{line})" if file else str(name)


def _a_method(kind: type) -> Any:
    """Returns a function that a class defines.

    By it the class is found in its file; Python itself looks for the module, which a recipe's file is not.

    Raises:
        TypeError: it defines none.
    """
    for value in vars(kind).values():
        function = inspect.unwrap(value.fget if isinstance(value, property) and value.fget else value)
        if inspect.isfunction(function) and function.__qualname__.startswith(f"{kind.__qualname__}."):
            return function
    raise TypeError(f"{kind.__name__} defines no function")


def _definition(function: Any) -> Any:
    """Returns the syntax tree of a function or class.

    Raises:
        OSError: the source is not known.
        SyntaxError: it is a lambda, or its lines are only a piece of a statement.
        TypeError: it is neither, or a class without functions.
    """
    if getattr(function, "__name__", "") == LAMBDA:
        raise SyntaxError("the lines of a lambda are those of the whole statement that it is in")
    if not inspect.isclass(function):
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    method = _a_method(function)
    lines, _ = inspect.findsource(method)
    at = method.__code__.co_firstlineno
    for node in ast.walk(ast.parse("".join(lines))):
        if isinstance(node, ast.ClassDef) and node.name == function.__name__ and node.lineno <= at <= node.end_lineno:
            return node
    raise OSError(f"{function.__name__} is not in its file")


def code_digest(function: Any) -> str:
    """Returns a digest of the source of a function or class; comments, docstrings and layout do not count.

    Functions, classes and constants of the same module that it names count, too, and what these name. Where there is no
    source, as at Python's prompt, it is empty.
    """
    sources: dict[str, str] = {}
    try:
        _add_sources(function, sources)
    except (OSError, TypeError, SyntaxError):
        return _code_object_digest(function)
    own, *others = sources.values()
    return hashlib.sha256("\n".join([own, *sorted(others)]).encode()).hexdigest()[:16]


def _add_sources(function: Any, sources: dict[str, str]) -> None:
    """Adds the source of a function or class and of what it names, by name."""
    tree = _definition(function)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            if node.body and isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant):
                node.body = node.body[1:]
            node.decorator_list = []
    sources[getattr(function, "__name__", "")] = ast.unparse(tree)
    module = getattr(function, "__module__", None)
    known = getattr(_a_method(function) if inspect.isclass(function) else function, "__globals__", {})
    for name in sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & known.keys()):
        part = inspect.isclass(known[name]) and issubclass(known[name], FromFunction)
        value = inspect.unwrap(known[name].function if part else known[name])
        if name in sources:
            continue
        if _is_plain(type(value)) or (isinstance(value, tuple) and _type_of(value)):
            sources[name] = f"{name} = {value!r}"
        elif (inspect.isroutine(value) or inspect.isclass(value)) and getattr(value, "__module__", None) == module:
            with contextlib.suppress(OSError, TypeError, SyntaxError):
                _add_sources(value, sources)


def _code_object_digest(function: Any) -> str:
    code = getattr(function, "__code__", None)
    return hashlib.sha256(repr(_content(code)).encode()).hexdigest()[:16] if code is not None else ""


def _content(code: types.CodeType) -> tuple[Any, ...]:
    """Returns what code does, without the place where it stands."""
    constants = [_content(each) if isinstance(each, types.CodeType) else each for each in code.co_consts]
    return code.co_code, code.co_names, code.co_varnames, constants
