"""Each field is described once: at its declaration, from where its class's docstring and ``--help`` have the text."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.cli.help import help_text
from jaxdl.cli.options import Options, option_fields
from jaxdl.data import DATA
from jaxdl.fields import choose, settable, walk
from jaxdl.models import MODELS
from jaxdl.objectives import OBJECTIVES
from jaxdl.optim import OPTIMIZERS
from jaxdl.optim.schedules import SCHEDULES
from tests.sweeps.small import RECIPE

PACKAGE = Path(jaxdl.__file__).parent
FAMILIES = {"data": DATA, "model": MODELS, "objective": OBJECTIVES, "optimizer": OPTIMIZERS}
PARTS = [
    (path, name) for path, family in (*FAMILIES.items(), ("optimizer.schedule", SCHEDULES)) for name in family.members
]


def declares(node: ast.AST) -> bool:
    called = node.value.func if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Call) else None
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name in ("static", "traced", "part")


DECLARED = [
    (file, node)
    for file in sorted(PACKAGE.rglob("*.py"))
    for node in ast.parse(file.read_text(encoding="utf-8")).body
    if isinstance(node, ast.ClassDef) and any(map(declares, node.body))
]


def flat(text: str | None) -> str:
    return " ".join((text or "").split())


def with_part(path: str, name: str) -> jaxdl.Experiment:
    field = next(field for field in walk(RECIPE) if field.path == path)
    return jaxdl.replace(RECIPE, {path: choose(field, name)})


@pytest.mark.parametrize(("path", "name"), PARTS)
def test_help_and_docstring_have_the_text_of_each_field_of_an_experiment(path: str, name: str) -> None:
    experiment = with_part(path, name)
    helped = flat(help_text(experiment, "launch.py", 60))
    for field in settable(experiment):
        holder: Any = experiment
        *parts, last = field.path.split(".")
        for part in parts:
            holder = getattr(holder, part)
        text = field.declaration.help
        assert text and f"{flat(text)} [" in helped
        assert f"{last}: {flat(text)}." in flat(type(holder).__doc__)


def test_help_and_docstring_have_the_text_of_each_option() -> None:
    helped, options = flat(help_text(None, "launch.py", 60)), Options()
    documented = flat("".join(str(type(part).__doc__) for part in (options, options.selection, options.execution)))
    for field in option_fields().values():
        text = flat(field.declaration.help)
        assert f"{text} [" in helped
        assert f"{field.path.rpartition('.')[2]}: {text}." in documented


@pytest.mark.parametrize(("file", "node"), DECLARED, ids=[node.name for _, node in DECLARED])
def test_no_docstring_describes_a_declared_field_by_itself(file: Path, node: ast.ClassDef) -> None:
    own = (ast.get_docstring(node) or "").partition("Attributes:")[2]
    module = ".".join(("jaxdl", *file.relative_to(PACKAGE).with_suffix("").parts))
    cls = getattr(importlib.import_module(module), node.name)
    for name, field in cls.__dataclass_fields__.items():
        if "jaxdl" in field.metadata:
            assert f"    {name}:" not in own
            if not node.name.startswith("_"):
                assert f"\n    {name}: " in cls.__doc__


@pytest.mark.parametrize("width", [60, 100])
def test_a_description_is_wrapped_to_the_width_of_the_terminal(width: int) -> None:
    lines = [line for line in help_text(RECIPE, "launch.py", width).splitlines() if line.startswith(" " * 6)]
    assert max(len(line) for line in lines if len(line.split()) > 1) in range(width - 3, width + 1)
