"""A command line as options and an experiment: every field is an absl flag, by its path or its last name."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from jaxdl.cli.argv import Token, spelled_out, tokens
from jaxdl.cli.hydra import refuse_hydra
from jaxdl.cli.options import Options, make_options, option_fields, option_switches, reserved_names
from jaxdl.errors import UserError, nearest
from jaxdl.fields import (
    Field,
    check_value,
    choose,
    needed,
    no_field,
    parse,
    replace,
    settable,
    short_names,
    show,
    standard,
    type_name,
    walk,
)
from jaxdl.files.paths import expanded

if TYPE_CHECKING:
    from jaxdl.experiment import Experiment

# Options that may be given several times; the values are collected.
_REPEATABLE = frozenset({"sweep", "sweep_if", "enqueue"})
# Options that decide which experiment is used, and whether one is needed.
_DECIDE = ("experiment", "config", "mode", "run_dir", "list", "new", "version", "help", "quiet")


class _FieldParser(flags.ArgumentParser[Any]):
    """Reads and checks one field's value; instead of absl's error for an illegal value, our own one-line message."""

    def __init__(self, field: Field, name: str):
        super().__init__()
        self.field = field
        self.name = name

    def parse(self, argument: Any) -> Any:
        if not isinstance(argument, str) or self.field.declaration.family:  # parts were chosen before
            return argument
        try:
            return self._value(argument)
        except UserError as error:
            raise _several(self.field, self.name, argument) or error from None

    def _value(self, argument: str) -> Any:
        try:
            value = standard(self.field, parse(argument, self.field.type))
        except ValueError:
            kind = needed(self.field.type)
            raise UserError(f"--{self.field.path}={argument}: must be {kind}.") from None
        if self.field.declaration.path and value:
            value = str(expanded(value))
        if isinstance(value, tuple) and self.field.value:  # perhaps with the user's own metrics or hooks
            from jaxdl.experiment.config import with_own  # here, so that --list and --help import no JAX

            value = with_own(value, self.field.value)
        check_value(self.field, value)
        return value

    def flag_type(self) -> str:
        return type_name(self.field.type)


def _several(field: Field, name: str, argument: str) -> UserError | None:
    """Returns the error for several values where one is needed, which a sweep would take; None for anything else."""
    if field.path in option_fields():
        return None
    from jaxdl.sweeps.space.axis import Choices, parse_axis  # here, since few commands go wrong

    try:
        values = parse_axis(field, argument).values
    except UserError:
        return None
    if isinstance(values, Choices) and len(values.values) < 2:
        return None
    flag = shlex.quote(f"--sweep={name}={argument}")
    drawn = "" if isinstance(values, Choices) else " --trials=N"
    return UserError(f"--{name}={argument}: a training takes one value; to train with each, write {flag}{drawn}.")


class _ShowSerializer(flags.ArgumentSerializer[Any]):
    def serialize(self, value: Any) -> str:
        return show(value)


def peek(arguments: Sequence[str]) -> Options:
    """Returns only the options that decide which experiment a command uses; nothing is checked.

    Raises:
        UserError: a file of flags cannot be read.
    """
    given: dict[str, Any] = {}
    switches, fields = option_switches(), option_fields()
    for token in tokens(spelled_out(arguments), switches):
        name = token.name
        if name.removeprefix("no") in switches and name not in switches:
            given[name.removeprefix("no")] = False
        elif name in switches:
            given[name] = token.value is None or token.value.lower() in ("true", "1", "t")
        elif token.value is not None:
            path = name in fields and fields[name].declaration.path
            given[name] = str(expanded(token.value)) if path and token.value else token.value
    return dataclasses.replace(Options(), **{name: value for name, value in given.items() if name in _DECIDE})


def parse_command_line(arguments: Sequence[str], experiment: Experiment | None) -> tuple[Options, Experiment | None]:
    """Reads a command line into options and an experiment with the given fields replaced.

    Args:
        arguments: the command line without the program's name.
        experiment: the experiment that the command line names, as its file defines it; None if there is none.

    Raises:
        UserError: a wrong flag, field, type or choice.
    """
    spelled = spelled_out(arguments)
    found = tokens(spelled, option_switches())
    refuse_hydra(found)
    options, mode = option_fields(), peek(arguments).mode
    fields: dict[str, Field] = {}
    chosen: dict[str, str] = {}
    if experiment is not None:
        _refuse_objective_of_a_sweep(found)
        experiment, chosen = _choose_parts(experiment, found)
        fields = {field.path: field for field in settable(experiment)}
        taken = {path.rpartition(".")[2] for path in fields} - reserved_names(mode)
        options = {name: field for name, field in options.items() if name not in taken}
    fields = {name: dataclasses.replace(field, path=name) for name, field in options.items()} | fields
    given = _parse(fields, spelled, mode)
    given_options = _with_sweep_file({name: given[name] for name in given if name in options})
    if experiment is not None and mode == "train":
        given_options |= _all_folds(given, experiment, given_options)
    values = make_options(given_options)
    _check_decided(values, peek(arguments))
    changes = {path: value for path, value in given.items() if path not in options}
    if experiment is None:
        return values, None
    for path in [path for path in changes if fields[path].declaration.family]:
        if chosen.get(path) != changes.pop(path):
            raise _read_as_value(path)
    for path in chosen:
        if path in fields and path not in given:
            raise _read_as_value(path)
    for path, value in changes.items():
        check_value(fields[path], value)
    return values, replace(experiment, changes)


def _all_folds(given: Mapping[str, Any], experiment: Experiment, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the option that trains every fold, where a recipe has folds and names none, and is not swept anyway."""
    folds, fold = (given.get(f"data.{name}", getattr(experiment.data, name)) for name in ("folds", "fold"))
    swept = any(options.get(name) for name in ("sweep", "sweep_file", "sweep_pairs"))
    return {"sweep": (f"data.fold=0:{folds}",)} if folds and fold is None and not swept else {}


def refuse_misspelt_experiment(arguments: Sequence[str]) -> None:
    """Raises `UserError` for a misspelt ``--experiment`` if no experiment is given.

    Raises:
        UserError: there is one.
    """
    options = option_fields()
    for token in tokens(spelled_out(arguments), option_switches()):
        if token.name and token.name not in options and nearest(token.name, ["experiment"]):
            raise _unknown_flag(token.name, options)


def flag_names(fields: Mapping[str, Field], mode: str = "train") -> dict[str, str]:
    """Returns the fields by the names of their flags in a mode: the path and the last name."""
    return {path: path for path in fields} | short_names(list(fields), reserved=reserved_names(mode))


def _choose_parts(experiment: Experiment, found: Sequence[Token]) -> tuple[Experiment, dict[str, str]]:
    """Replaces the parts that flags name (``--optimizer=sgd``), outer ones first: a part decides which fields it has.

    Returns:
        The experiment, and the names of the parts that were chosen, by path.
    """
    chosen: dict[str, str] = {}
    while True:
        parts = {
            field.path: field for field in walk(experiment) if field.declaration.family and field.path not in chosen
        }
        names = flag_names(parts)
        given = {names[token.name]: token.value for token in found if token.name in names and token.value is not None}
        if not given:
            return experiment, chosen
        depth = min(path.count(".") for path in given)
        outer = {path: name for path, name in given.items() if path.count(".") == depth}
        experiment = replace(experiment, {path: _chosen(parts[path], name) for path, name in outer.items()})
        chosen |= outer


def _chosen(field: Field, name: str) -> Any:
    try:
        return choose(field, name)
    except UserError as error:
        raise _several(field, field.path, name) or error from None


def _parse(fields: Mapping[str, Field], arguments: Sequence[str], mode: str) -> dict[str, Any]:
    """Parses arguments as flags for `fields` with absl; returns the given values by path.

    Raises:
        UserError: a wrong value, or an unknown flag.
    """
    values = flags.FlagValues()
    names = flag_names(fields, mode)
    for name, path in names.items():
        _define(values, name, fields[path])
    try:
        rest = values(["launch.py", *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        raise _unknown_flag(error.flagname, fields) from None
    except flags.IllegalFlagValueError as error:
        # Only booleans come here: everything else is read by our own parser.
        flag, _, text = str(error).removeprefix("flag --").partition("=")
        value = text.partition(":")[0]
        wrong = UserError(f"--{flag}={value}: must be true or false.")
        raise _several(fields[names[flag]], flag, value) or wrong from None
    except (flags.Error, ValueError) as error:  # absl raises ValueError for --nox=true
        raise UserError(" ".join(str(error).split())) from None
    if rest:
        raise UserError(f"unexpected argument {rest[0]!r}; flags are written --name=value (see --help).")
    return _given(values, names)


def _define(values: flags.FlagValues, name: str, field: Field) -> None:
    """Defines the flag `name` for `field`, without a default: only given values count."""
    help_text = field.declaration.help
    if field.type is bool:
        flags.DEFINE_boolean(name, None, help_text, flag_values=values)
    elif name in _REPEATABLE:
        flags.DEFINE_multi_string(name, None, help_text, flag_values=values)
    else:
        flags.DEFINE(_FieldParser(field, name), name, None, help_text, values, _ShowSerializer())


def _given(values: flags.FlagValues, names: Mapping[str, str]) -> dict[str, Any]:
    """Returns the values given on the command line by dotted path; `names` maps flag names to paths.

    absl's own mark says whether a flag was given; the value does not, since ``none`` is a value.
    """
    given: dict[str, Any] = {}
    for name, path in names.items():
        if values[name].present:
            if path in given and given[path] != values[name].value:
                raise UserError(f"--{path} is given twice, as --{name} too; give it once.")
            given[path] = tuple(values[name].value or ()) if name in _REPEATABLE else values[name].value
    return given


def _unknown_flag(name: str, fields: Mapping[str, Field]) -> UserError:
    return no_field(name, flag_names(fields), "flag", "--", "See --help.")


def _check_decided(options: Options, peeked: Options) -> None:
    """Raises `UserError` if a flag that decides about the experiment is read as the value of another flag."""
    for name in _DECIDE:
        if getattr(options, name) != getattr(peeked, name):
            raise _read_as_value(name)


def _read_as_value(name: str) -> UserError:
    return UserError(f"--{name} was read as the value of the flag before it; write flags as --name=value.")


def _refuse_objective_of_a_sweep(found: Sequence[Token]) -> None:
    for token in found:
        if token.name == "objective" and token.value and "/" in token.value:
            raise UserError(
                f"--objective={token.value}: --objective names the loss; what a sweep compares trials by is "
                f"--sweep_objective={token.value}."
            )


def _with_sweep_file(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options of the sweep file, overridden by those of the command line."""
    if not given.get("sweep_file"):
        return dict(given)
    from jaxdl.cli.sweep_file import read_sweep_file  # here, so that --help imports less

    said = read_sweep_file(Path(given["sweep_file"]))
    here = given.get("sweep", ())
    names = [field.partition("=")[0] for field in here]
    kept = (field for field in said["sweep"] if not any(_same_field(field.partition("=")[0], name) for name in names))
    return {**said, **given, "sweep": (*kept, *here)}


def _same_field(one: str, other: str) -> bool:
    """Returns whether two names mean one field; a last name does so only if exactly one field has it."""
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")
