"""Environments that hold what an installation has and nothing else, made of links to the packages that are here."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
_SOURCES = ("jaxdl", "experiments", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")


def wheel(folder: Path) -> Path:
    """Builds the wheel from a copy of the sources, since a build leaves files beside them; returns its path."""
    source = folder / "source"
    source.mkdir()
    for name in _SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    _pip("wheel", "-q", "--no-deps", "-w", str(folder / "wheel"), str(source))
    (built,) = (folder / "wheel").iterdir()
    return built


def environment(folder: Path, built: Path) -> Path:
    """Makes an environment with the wheel and what it requires, without its extras; returns its Python."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    link(folder, project()["dependencies"])
    _pip("--python", str(python), "install", "-q", "--no-deps", "--no-index", str(built))
    return python


def link(folder: Path, requirements: Iterable[str]) -> None:
    """Links packages, with all that they require themselves, into an environment."""
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in sorted(_closure(requirements)):
        found = importlib.metadata.distribution(name)
        for path in found.files or ():
            if ".." in path.parts or "__pycache__" in path.parts:
                continue  # a command, or what Python writes itself
            target = packages / path
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                os.symlink(str(found.locate_file(path)), target)


def project() -> dict[str, list[str]]:
    """Returns the requirements of the project: ``dependencies``, and those of each extra by its name."""
    found = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"dependencies": found["dependencies"], **found["optional-dependencies"]}


def _closure(requirements: Iterable[str]) -> set[str]:
    """Returns the names of all packages that are needed for requirements."""
    found: set[str] = set()
    waiting = [Requirement(each) for each in requirements]
    while waiting:
        requirement = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        name = f"{requirement.name}[{','.join(sorted(requirement.extras))}]"
        if name not in found:
            found.add(name)
            waiting += _required(requirement.name, requirement.extras)
    return {name.partition("[")[0] for name in found}


def _required(name: str, extras: set[str]) -> Iterator[Requirement]:
    for text in importlib.metadata.requires(name) or ():
        each = Requirement(text)
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            each.marker = None
            yield each


def _pip(*arguments: str) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, env=clean, cwd=tempfile.gettempdir())
