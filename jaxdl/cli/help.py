"""What ``--help`` prints."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING

from jaxdl.cli.commands import COMMANDS, STATUSES
from jaxdl.cli.flags import flag_names
from jaxdl.cli.options import option_fields
from jaxdl.fields import Field, settable, show, type_name

if TYPE_CHECKING:
    from jaxdl.experiment import Experiment


def help_text(experiment: Experiment | None, program: str, width: int | None = None) -> str:
    """Returns the options and modes, and the experiment's fields with type, default and meaning.

    Args:
        experiment: whose fields to list; None: none.
        program: how the program is started.
        width: width of a line in characters; None: the terminal's.
    """
    width = width or shutil.get_terminal_size().columns
    lines = [f"usage: python {program} --experiment=NAME [--FIELD=VALUE ...]", "", "options:"]
    for name, field in option_fields().items():
        lines += _described(field, name, width)
        if name == "mode":
            for mode, command in COMMANDS.items():
                lines += _wrapped(f"{mode}: {command.help}", width, " " * 8, " " * 10)
    lines += ["", "exit status:", *(line for status in STATUSES.items() for line in _status(*status, width))]
    if experiment is None:
        return "\n".join(
            [*lines, "", "--experiment=NAME --help lists that experiment's fields; --list prints the experiments."]
        )
    fields = {field.path: field for field in settable(experiment)}
    shorts = {path: name for name, path in flag_names(fields).items() if name != path}
    lines += [
        "",
        f"fields of {experiment.name} (a last name such as --epochs is enough if only one field has it):",
    ]
    for path, field in fields.items():
        lines += _described(field, path, width, shorts.get(path))
    return "\n".join(lines)


def _status(number: str, meaning: str, width: int) -> list[str]:
    return _wrapped(f"{number}: {meaning}", width, " " * 2, " " * 4)


def _described(field: Field, name: str, width: int, short: str | None = None) -> list[str]:
    family = field.declaration.family
    kind = "|".join(family.members) if family else type_name(field.type)
    default = family.name_of(field.value) if family else show(field.value)
    note = ", traced" if field.declaration.traced else ""
    alias = f" (--{short})" if short else ""
    text = f"{field.declaration.help} [{default or 'not set'}{note}]"
    return [f"  --{name}={kind or 'TEXT'}{alias}", *_wrapped(text, width, " " * 6, " " * 6)]


def _wrapped(text: str, width: int, first: str, other: str) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=other, break_long_words=False, break_on_hyphens=False
    )
