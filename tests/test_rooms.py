"""The house: which room imports which, where modules lie, how long files are, and where their tests are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import jaxdl

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "jaxdl"
# From the ground up: a room imports only itself and the rooms before it.
ROOMS = (
    *("errors", "fields", "files", "backend", "record", "checkpoint", "report", "comparison", "ops", "objectives"),
    *(
        "optim",
        "data",
        "models",
        "augment",
        "experiment",
        "steps",
        "inference",
        "training",
        "search",
        "sweeps",
        "profiling",
    ),
    "cli",
)
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE or path.stem in ROOMS]
SOURCES = [
    ROOT / "launch.py",
    *(path for name in ("jaxdl", "tests", "experiments", "benchmarks", "docs") for path in (ROOT / name).rglob("*.py")),
]


def room(path: Path) -> str:
    """Returns the folder of `jaxdl/` in which a module lies, or the name of one that lies flat."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> Iterator[str]:
    """Yields the full names of all that a module imports: in functions and for type checkers too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                assert not node.level, f"{path}, line {node.lineno}: modules are imported by their full names"
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name)), *_]):
                yield name


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_imports_only_itself_and_those_before_it(name: str) -> None:
    allowed = ROOMS[: ROOMS.index(name) + 1]
    imports = [(module, target) for module in MODULES if room(module) == name for target in imported(module)]
    assert imports
    found = {
        f"{module.relative_to(ROOT)} imports {target}"
        for module, target in imports
        if target.split(".")[0] == "jaxdl" and f"{target}.".split(".")[1] not in allowed
    }
    assert found == set()


def test_every_module_has_a_room() -> None:
    assert {room(module) for module in MODULES} == set(ROOMS)
    flat = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert flat <= {"__init__.py", "__main__.py", "errors.py", "py.typed"}


def test_no_room_has_a_public_name() -> None:
    """`import jaxdl.train` would put the package in the place of the function."""
    assert set(ROOMS) & set(jaxdl.__all__) == set()


def test_no_file_is_long() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {path for path, count in lines.items() if count > 350} == set()


def test_every_module_has_tests_of_its_name() -> None:
    modules = [module.relative_to(PACKAGE) for module in MODULES if module.stem != "__init__"]
    assert {
        str(module) for module in modules if not (ROOT / "tests" / module.with_name(f"test_{module.name}")).is_file()
    } == set()
