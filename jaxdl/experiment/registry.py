"""Finds experiments by name: each is a file with its name that contains a function with its name."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
from pathlib import Path
from typing import TYPE_CHECKING

from jaxdl.errors import UserError, unknown
from jaxdl.files.paths import expanded

if TYPE_CHECKING:
    from jaxdl.experiment import Experiment


def list_experiments(directory: str | os.PathLike[str]) -> dict[str, str]:
    """Returns the first line of each experiment's docstring by name, sorted; the files are parsed, not executed.

    Raises:
        UserError: there is no such folder.
    """
    directory = expanded(directory)
    if not directory.is_dir():
        raise UserError(f"there is no folder {directory} to take experiments from.")
    return {path.stem: _first_line(path) for path in _files(directory)}


def _files(directory: Path) -> list[Path]:
    return [path for path in sorted(directory.glob("*.py")) if not path.stem.startswith("_")]


def has_experiment(name: str, directory: Path) -> bool:
    """Returns whether the folder `directory` exists and has a file for the experiment `name`; nothing is executed."""
    return directory.is_dir() and name in (path.stem for path in _files(directory))


def _first_line(path: Path) -> str:
    try:
        return docstring_of(path).partition("\n")[0]
    except (SyntaxError, UnicodeDecodeError):
        return "(does not parse)"


def docstring_of(path: Path) -> str:
    """Returns the docstring of a file of Python, empty where it has none; the file is parsed, not executed.

    Raises:
        SyntaxError, UnicodeDecodeError: it does not parse.
    """
    return ast.get_docstring(ast.parse(expanded(path).read_text(encoding="utf-8"))) or ""


def load_experiment(name: str, directory: str | os.PathLike[str]) -> Experiment:
    """Returns the experiment `name` of the folder `directory`, with the values from its file.

    Raises:
        UserError: there is no such experiment, or its file has no function of that name without arguments that returns
            an `Experiment` of that name.
    """
    names = list_experiments(directory)
    if name not in names:
        raise UserError(f"{unknown('experiment', name, names)} Searched: {expanded(directory)}.")
    return load_experiment_file(expanded(directory) / f"{name}.py", name)


def load_experiment_file(path: Path, name: str | None = None) -> Experiment:
    """Returns the experiment that a file of Python defines; the file is executed.

    Args:
        path: the file.
        name: name of its function that returns the experiment; None: the name of the file.

    Raises:
        UserError: there is no such file, or it has no function of that name without arguments that returns an
            `Experiment` of that name.
    """
    from jaxdl.experiment import Experiment  # here, so that listing imports no JAX

    path, name = expanded(path), name or path.stem
    if not path.is_file():
        raise UserError(f"{path}: there is no such file.")
    spec = importlib.util.spec_from_file_location(f"experiments.{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function) or inspect.signature(function).parameters:
        raise UserError(f"{path} must define the function {name}() without arguments.")
    experiment = function()
    if not isinstance(experiment, Experiment) or experiment.name != name:
        raise UserError(f"{name}() in {path} must return an Experiment with name={name!r}.")
    return experiment
