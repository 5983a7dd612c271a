"""Which experiment a command means: one of a folder, of a file, of a run directory, or one that comes with jaxdl."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxdl.errors import UserError

if TYPE_CHECKING:
    from jaxdl.cli.options import Options
    from jaxdl.experiment import Experiment

_OWN = Path("experiments")


def shipped_folder() -> Path:
    """Returns the folder of the experiments that come with jaxdl: in an installed package, or beside it in a clone."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "experiments"


def folders_of(shipped: Path) -> list[Path]:
    """Returns the folders to search: ``experiments`` in the working folder, if there is one, and then `shipped`."""
    if not _OWN.is_dir() or (shipped.is_dir() and _OWN.samefile(shipped)):
        return [shipped]
    return [_OWN, shipped]


def find_experiment(asked: Options, folders: Sequence[Path]) -> Experiment | None:
    """Returns the experiment from the command or from its run directory; None if it needs none.

    Args:
        asked: the options that decide, see `jaxdl.cli.flags.peek`.
        folders: where experiments are searched by name, in this order.

    Raises:
        UserError: there is no such experiment or run.
    """
    from jaxdl.cli.commands import COMMANDS

    if asked.list or asked.version or asked.new or (asked.help and not (asked.experiment or asked.config)):
        return None
    from jaxdl.record import CONFIG  # here, so that --list and --help import less

    if asked.mode in COMMANDS and COMMANDS[asked.mode].of_runs:
        return None
    of_a_run = asked.mode in COMMANDS and COMMANDS[asked.mode].of_a_run
    resumed = asked.mode == "train" and not asked.experiment and (Path(asked.run_dir) / CONFIG).exists()
    if asked.run_dir and (of_a_run or resumed):
        return _experiment_of_run(Path(asked.run_dir), asked, folders)
    if of_a_run and not (asked.experiment or asked.config):
        raise UserError(f"--mode={asked.mode} needs --run_dir=DIR of a finished run.")
    if asked.config:
        experiment = _experiment_of_run(Path(asked.config), asked, folders)
        _tell_changed_code(Path(asked.config), experiment)
        return _without_tuning(experiment, Path(asked.config))
    if not asked.experiment and asked.mode in COMMANDS and COMMANDS[asked.mode].of_the_machine:
        return None
    if not asked.experiment:
        raise UserError("no experiment given: use --experiment=NAME; --list prints the names.")
    return _named(asked.experiment, folders, asked.quiet)


def docstring(name: str, folders: Sequence[Path]) -> str:
    """Returns the docstring of the file of an experiment; empty where it has none. The file is parsed, not executed.

    Args:
        name: the value of ``--experiment``.
        folders: where experiments are searched by name, in this order.
    """
    from jaxdl.experiment.registry import docstring_of

    if _is_file(name):
        return docstring_of(Path(f"{name.partition('.py')[0]}.py"))
    return next((docstring_of(path) for folder in folders if (path := folder / f"{name}.py").is_file()), "")


def _named(name: str, folders: Sequence[Path], quiet: bool) -> Experiment:
    from jaxdl.errors import unknown
    from jaxdl.experiment.registry import has_experiment, list_experiments, load_experiment, load_experiment_file

    if _is_file(name):
        path, _, function = name.partition(".py:")
        return load_experiment_file(Path(path if path.endswith(".py") else f"{path}.py"), function or None)
    having = [folder for folder in folders if has_experiment(name, folder)]
    if having:
        if len(having) > 1 and not quiet:
            from jaxdl.report.terminal import announce

            announce(f"{having[0] / name}.py is used; it hides the experiment of that name in {having[1]}.")
        return load_experiment(name, having[0])
    known = [each for folder in folders if folder.is_dir() for each in list_experiments(folder)]
    searched = ", ".join(str(folder) for folder in folders)
    raise UserError(f"{unknown('experiment', name, known)} Searched: {searched}; --experiment=FILE.py names a file.")


def _is_file(name: str) -> bool:
    return name.endswith(".py") or ".py:" in name


def _experiment_of_run(run_dir: Path, asked: Options, folders: Sequence[Path]) -> Experiment:
    """Returns the experiment of a run; one that was made from Python, with parts of jaxdl, needs no file for it."""
    from jaxdl.experiment.config import from_config
    from jaxdl.experiment.registry import has_experiment
    from jaxdl.record import CONFIG, read_config

    config = read_config(run_dir.parent if run_dir.name == CONFIG else run_dir)
    name = str(config.get("name", ""))
    if _is_file(asked.experiment):
        found = _named(asked.experiment, folders, asked.quiet)
        if found.name != name:
            raise UserError(f"{run_dir} has a run of {name!r}, and {asked.experiment} defines {found.name!r}.")
        return from_config(config, found)
    if asked.experiment not in ("", name):
        raise UserError(f"{run_dir} has a run of {name!r}, not of {asked.experiment!r}.")
    in_a_folder = any(has_experiment(name, folder) for folder in folders)
    return from_config(config, _named(name, folders, asked.quiet) if in_a_folder else None)


def _tell_changed_code(run_dir: Path, experiment: Experiment) -> None:
    from jaxdl.experiment.config import about_changed_code
    from jaxdl.record import CONFIG, read_config
    from jaxdl.report.terminal import announce

    folder = run_dir.parent if run_dir.name == CONFIG else run_dir
    changed = about_changed_code(folder, read_config(folder), experiment)
    if changed:
        announce(changed)


def _without_tuning(experiment: Experiment, run_dir: Path) -> Experiment:
    """Returns the recipe of a run without what was measured on the run's machine: its devices and library."""
    from jaxdl.fields import replace
    from jaxdl.record import CONFIG, RECORD, read_record

    folder = run_dir.parent if run_dir.name == CONFIG else run_dir
    tuned = (folder / RECORD).exists() and "tuning" in read_record(folder)
    return replace(experiment, {"training.devices": None, "training.library": "xla"}) if tuned else experiment


def list_text(folders: Sequence[Path]) -> str:
    """Returns the experiments of folders, one per line, and a heading for each folder where there are several.

    Raises:
        UserError: there is no such folder.
    """
    from jaxdl.experiment.registry import list_experiments

    by_folder = {folder: list_experiments(folder) for folder in folders}
    width = max((len(name) for found in by_folder.values() for name in found), default=0)
    parts = []
    for folder, found in by_folder.items():
        heading = [f"{folder}:"] if len(folders) > 1 else []
        parts.append("\n".join([*heading, *(f"{name:{width}}  {line}" for name, line in found.items())]))
    return "\n\n".join(parts)
