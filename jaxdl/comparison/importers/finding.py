"""Which tool's files lie in a folder, by their names alone."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from jaxdl.comparison.importers.values import split_named
from jaxdl.comparison.runs import Run

_EVENTS = "events.out.tfevents."


def runs_of_other_tools(folder: Path, names: Collection[str]) -> tuple[list[Run], Collection[str]]:
    """Returns the runs of other tools in a folder, and those of its subfolders that are theirs, too.

    Args:
        folder: the folder.
        names: of what is in it.
    """
    if any(_EVENTS in name for name in names):
        from jaxdl.comparison.importers.tensorboard import read_events

        return [read_events(folder, {"": folder})], ()
    splits = {name: folder / name for name in names if split_named(name) and _has_events(folder / name)}
    if splits:
        from jaxdl.comparison.importers.tensorboard import read_events

        return [read_events(folder, splits)], splits
    if "meta.yaml" in names and {"metrics", "params"} & set(names):
        from jaxdl.comparison.importers.mlflow import read_folder

        return read_folder(folder), names
    found: list[Run] = []
    for name in sorted(names):
        if name.endswith((".wandb", ".db")):
            found += runs_of_file(folder / name)
    return found, ()


def runs_of_file(file: Path) -> list[Run]:
    """Returns the runs in a file of another tool: ``.wandb``, or the database of MLflow or trackio."""
    if file.suffix == ".wandb":
        from jaxdl.comparison.importers.wandb import read_wandb

        return read_wandb(file)
    from jaxdl.comparison.importers.databases import read_database

    return read_database(file)


def _has_events(folder: Path) -> bool:
    try:
        return any(_EVENTS in entry.name for entry in folder.iterdir())
    except OSError:
        return False
