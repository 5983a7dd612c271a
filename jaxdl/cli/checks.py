"""Options that do not go together."""

from __future__ import annotations

from jaxdl.cli.commands import COMMANDS
from jaxdl.cli.options import Options
from jaxdl.errors import UserError


def check_options(options: Options) -> None:
    """Raises `UserError` for options that do not apply to the command, and for missing ones that it needs."""
    for name in ("resume", "max_time", "hang_after", "on_end"):
        if getattr(options, name) and options.mode != "train":
            raise UserError(f"--{name} is for trainings: it does not work with --mode={options.mode}.")
    if options.resume and (options.run_dir or options.is_sweep):
        other = "--run_dir names the run" if options.run_dir else "the same command continues a sweep"
        raise UserError(f"--resume looks for the newest unfinished run, but {other}; leave out --resume.")
    if options.profile and options.mode != "train":
        raise UserError(f"--profile traces a training: it does not work with --mode={options.mode}.")
    owners: dict[str, list[str]] = {}
    for mode, command in COMMANDS.items():
        for name in command.own_options:
            owners.setdefault(name, []).append(mode)
    for name, modes in owners.items():
        if options.mode not in modes and getattr(options, name) != getattr(Options(), name):
            raise UserError(f"--{name} only applies to --mode={_or(modes)}.")
    if options.is_sweep and options.mode != "train":
        raise UserError(f"--sweep trains: it does not work with --mode={options.mode}.")
    if options.is_sweep and options.hang_after:
        raise UserError("--hang_after ends a process that has one run; a sweep has many: leave it out.")
    if options.is_sweep and (options.profile or options.run_dir or options.debug):
        name = next(name for name in ("profile", "run_dir", "debug") if getattr(options, name))
        raise UserError(f"--{name} is for one run; a sweep has many: give --sweep_dir, or leave out --sweep.")
    for name in COMMANDS[options.mode].needs:
        if not getattr(options, name):
            raise UserError(f"--mode={options.mode} needs --{name} (see --help).")


def _or(modes: list[str]) -> str:
    *others, last = modes
    return f"{', '.join(others)} or {last}" if others else last
