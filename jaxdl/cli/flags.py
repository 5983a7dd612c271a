"""Dataclass fields as absl flags: every field of an experiment, its model's included, by path or last name."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from jaxdl.cli.options import SWEEP_OBJECTIVE, Options
from jaxdl.errors import UserError, did_you_mean
from jaxdl.fields import Field, check_value, own_fields, parse, replace, show, type_name, walk

if TYPE_CHECKING:
    from jaxdl.experiment import Experiment

# Options that may be given several times; each time adds to what was given.
_REPEATABLE = frozenset({"sweep"})


class _FieldParser(flags.ArgumentParser[Any]):
    """Reads and checks one field's value; what absl reports as an illegal value is our own one-line message."""

    def __init__(self, field: Field):
        super().__init__()
        self.field = field

    def parse(self, argument: Any) -> Any:
        if not isinstance(argument, str):
            return argument
        try:
            value = parse(argument, self.field.type)
        except ValueError:
            kind = type_name(self.field.type)
            raise UserError(f"--{self.field.path}={argument}: must be {kind}.") from None
        check_value(self.field, value)
        return value

    def flag_type(self) -> str:
        return type_name(self.field.type)


class _PartParser(flags.ArgumentParser[Any]):
    """Reads the name of a family's member and makes that member."""

    def __init__(self, field: Field):
        super().__init__()
        assert field.declaration.family is not None
        self.family = field.declaration.family

    def parse(self, argument: Any) -> Any:
        return self.family.make(argument) if isinstance(argument, str) else argument

    def flag_type(self) -> str:
        return "|".join(self.family.members)


class _ShowSerializer(flags.ArgumentSerializer[Any]):
    def serialize(self, value: Any) -> str:
        return show(value)


def settable(experiment: Experiment) -> list[Field]:
    """Lists the fields that are flags: all but the name, and parts that have no family to choose from."""
    return [
        field
        for field in walk(experiment)
        if field.path != "name" and (field.declaration.family is not None or not field.is_part)
    ]


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """Returns the last names that stand for just one of the dotted paths."""
    options = {field.path for field in own_fields(Options())}
    counts = Counter(path.rpartition(".")[2] for path in paths)
    shorts = {path.rpartition(".")[2]: path for path in paths}
    return {name: path for name, path in shorts.items() if counts[name] == 1 and name not in options}


def _define(values: flags.FlagValues, name: str, field: Field) -> None:
    """Defines the flag `name` for `field`; its default is a mark that tells "not given" from any given value."""
    help_text = field.declaration.help
    if field.type is bool:
        flags.DEFINE_boolean(name, None, help_text, flag_values=values)
        return
    if name in _REPEATABLE:
        flags.DEFINE_multi_string(name, None, help_text, flag_values=values)
        return
    parser = _PartParser(field) if field.declaration.family else _FieldParser(field)
    flags.DEFINE(parser, name, None, help_text, values, _ShowSerializer())


def _given(values: flags.FlagValues, names: Mapping[str, str]) -> dict[str, Any]:
    """Returns the values given on the command line by dotted path; `names` maps flag names to paths.

    A flag counts as given by absl's own mark, not by its value, since ``none`` is a value.
    """
    given: dict[str, Any] = {}
    for name, path in names.items():
        if values[name].present:
            if path in given and given[path] != values[name].value:
                raise UserError(f"--{path} is given twice, as --{name} too; give it once.")
            given[path] = tuple(values[name].value or ()) if name in _REPEATABLE else values[name].value
    return given


def _flag_names(fields: Sequence[Field]) -> dict[str, str]:
    paths = [field.path for field in fields]
    return {path: path for path in paths} | short_names(paths)


def _parse(fields: Sequence[Field], arguments: Sequence[str], *, all_known: bool) -> tuple[dict[str, Any], list[str]]:
    """Parses arguments as flags for `fields`.

    Returns:
        The given values by path, and the arguments that are none of these flags.

    Raises:
        UserError: a wrong value, or an unknown flag where `all_known`.
    """
    values = flags.FlagValues()
    by_path = {field.path: field for field in fields}
    names = _flag_names(fields)
    for name, path in names.items():
        _define(values, name, by_path[path])
    try:
        rest = values(["launch.py", *arguments], known_only=not all_known)
    except flags.UnrecognizedFlagError as error:
        raise _unknown_flag(error.flagname, fields) from None
    except flags.IllegalFlagValueError as error:
        # Only booleans come here: all else is read by our own parsers.
        flag, _, text = str(error).removeprefix("flag --").partition("=")
        raise UserError(f"--{flag}={text.partition(':')[0]}: must be true or false.") from None
    except flags.Error as error:
        raise UserError(" ".join(str(error).split())) from None
    return _given(values, names), list(rest[1:])


def _unknown_flag(name: str, fields: Sequence[Field]) -> UserError:
    paths = [field.path for field in fields]
    same = [path for path in paths if path.rpartition(".")[2] == name]
    if same:
        return UserError(f"--{name} is ambiguous: write {' or '.join('--' + path for path in same)}.")
    nearest = did_you_mean(name, _flag_names(fields))
    return UserError(f"unknown flag --{name}.{nearest.replace(chr(39), '').replace('mean ', 'mean --')} See --help.")


def parse_command_line(
    arguments: Sequence[str],
    find_experiment: Callable[[Options], Experiment | None],
) -> tuple[Options, Experiment | None]:
    """Reads a command line into options and an experiment with the given fields replaced.

    Args:
        arguments: the command line without the program's name.
        find_experiment: returns the experiment that the options name, or None where none is needed.

    Raises:
        UserError: a wrong flag, field, type or choice.
    """
    option_fields = own_fields(Options())
    arguments = _spelled_out(arguments)
    if any(argument.lstrip("-").startswith("undefok") for argument in arguments):
        raise UserError("--undefok is not supported: an unknown flag is always an error.")
    given, rest = _parse(option_fields, arguments, all_known=False)
    options = dataclasses.replace(Options(), **_with_sweep_file(given))
    if not options.experiment:
        _reject_rest([argument for argument in rest if _is_nearly_experiment(argument)], option_fields)
    experiment = find_experiment(options)
    if experiment is None:
        _reject_rest(rest, option_fields)
        return options, None
    experiment = _choose_parts(experiment, rest)
    fields = settable(experiment)
    given, rest = _parse([*option_fields, *fields], arguments, all_known=True)
    if rest:
        raise UserError(f"unexpected argument {rest[0]!r}; flags are written --name=value (see --help).")
    changes = {f.path: given[f.path] for f in fields if f.path in given and not f.declaration.family}
    for field in fields:
        if field.path in changes:
            check_value(field, changes[field.path])
    return options, replace(experiment, changes)


def _spelled_out(arguments: Sequence[str]) -> list[str]:
    """Returns a command line with each argument under the name of its flag.

    ``--objective`` names the loss, and in a sweep the figure to compare by, which alone has a slash.
    """
    spelled: list[str] = []
    for number, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        following = arguments[number + 1] if number + 1 < len(arguments) else ""
        if name in ("-objective", "--objective") and "/" in (value if equals else following):
            argument = f"--{SWEEP_OBJECTIVE}{equals}{value}"
        spelled.append("--help" if argument == "-h" else argument)
    return spelled


def _with_sweep_file(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the given options, with those that the sweep file says where the command line does not say otherwise."""
    if not given.get("sweep_file"):
        return dict(given)
    from jaxdl.cli.sweep_file import read_sweep_file  # here, so that --help reads no more than it must

    said = read_sweep_file(Path(given["sweep_file"]))
    here = given.get("sweep", ())
    names = [field.partition("=")[0] for field in here]
    kept = (field for field in said["sweep"] if not any(_same_field(field.partition("=")[0], name) for name in names))
    return {**said, **given, "sweep": (*kept, *here)}


def _same_field(one: str, other: str) -> bool:
    """Returns whether two names stand for one field: a last name is one only where just one field has it."""
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def _is_nearly_experiment(argument: str) -> bool:
    """Returns whether an argument is a misspelt ``--experiment``: its fields, and so other flags, are unknown then."""
    return argument.startswith("-") and bool(did_you_mean(argument.lstrip("-").partition("=")[0], ["experiment"]))


def _reject_rest(rest: Sequence[str], option_fields: Sequence[Field]) -> None:
    for argument in rest:
        name = argument.lstrip("-").partition("=")[0]
        if argument.startswith("-"):
            raise _unknown_flag(name, option_fields)
        raise UserError(f"unexpected argument {argument!r}; flags are written --name=value (see --help).")


def _choose_parts(experiment: Experiment, arguments: Sequence[str]) -> Experiment:
    """Replaces the parts that flags name (``--optimizer=sgd``), outer ones first: a part decides what it holds."""
    chosen: set[str] = set()
    while True:
        parts = [field for field in walk(experiment) if field.declaration.family and field.path not in chosen]
        given, _ = _parse(parts, arguments, all_known=False)
        if not given:
            return experiment
        depth = min(path.count(".") for path in given)
        present = {field.path: field.value for field in parts}
        changes = {path: named_part(value, present[path]) for path, value in given.items() if path.count(".") == depth}
        chosen |= changes.keys()
        experiment = replace(experiment, changes)


def named_part(part: Any, present: Any) -> Any:
    """Returns the part that a flag names; where the recipe has one of its kind, the recipe's values stay.

    So ``--data=fashion_mnist`` changes the name of a TFDS source and nothing else of it.
    """
    if type(part) is not type(present):
        return part
    from jaxdl.data import Tfds

    plain = type(part)()
    own = {field.path: field.value for field in own_fields(part) if field.value != getattr(plain, field.path)}
    if isinstance(part, Tfds):
        own["name"] = part.name
    return replace(present, own)


def without_options(arguments: Sequence[str], names: Collection[str], switches: Collection[str] = ()) -> list[str]:
    """Returns a command line without some of its flags, in whichever form they are given.

    Args:
        arguments: the command line.
        names: of the flags to leave out, without their dashes.
        switches: those among them that are boolean fields of the experiment, which take no value of their own.
    """
    switches = {field.path for field in own_fields(Options()) if field.type is bool} | set(switches)
    kept, passes_over = [], False
    for argument in _spelled_out(arguments):
        name, equals, _ = argument.lstrip("-").partition("=")
        if passes_over:
            passes_over = False
        elif argument.startswith("-") and (name in names or name.removeprefix("no") in switches & set(names)):
            passes_over = not equals and name.removeprefix("no") not in switches
        else:
            kept.append(argument)
    return kept


def help_text(experiment: Experiment | None) -> str:
    """Returns what ``--help`` prints: the options, then the experiment's fields with type, default and meaning."""
    lines = ["usage: python launch.py --experiment=NAME [--FIELD=VALUE ...]", "", "options:"]
    lines += [_help_line(field, field.path) for field in own_fields(Options())]
    if experiment is None:
        return "\n".join(
            [*lines, "", "--experiment=NAME --help lists that experiment's fields; --list the experiments."]
        )
    fields = settable(experiment)
    shorts = {path: name for name, path in short_names([field.path for field in fields]).items()}
    lines += [
        "",
        f"fields of {experiment.name} (a last name such as --epochs stands for its path where just one has it):",
    ]
    lines += [_help_line(field, field.path, shorts.get(field.path)) for field in fields]
    return "\n".join(lines)


def _help_line(field: Field, path: str, short: str | None = None) -> str:
    family = field.declaration.family
    kind = "|".join(family.members) if family else type_name(field.type)
    default = family.name_of(field.value) if family else show(field.value)
    note = ", traced" if field.declaration.traced else ""
    alias = f" (--{short})" if short and short != path else ""
    return f"  --{path}={kind or 'TEXT'}{alias}\n      {field.declaration.help} [{default or 'not set'}{note}]"
