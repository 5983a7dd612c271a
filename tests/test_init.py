"""The package itself: what ``import jaxdl`` offers, and what it costs; each import in a process of its own."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import jaxdl

ROOT = Path(__file__).resolve().parent.parent


def printed_by(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_it_is_light() -> None:
    heavy = "{'jax', 'flax', 'optax', 'numpy', 'orbax', 'rich', 'tensorflow', 'tensorflow_datasets', 'sklearn'}"
    assert printed_by(f"import sys, jaxdl; print(sorted({heavy} & sys.modules.keys()))") == "[]"


def test_all_of_its_names_together_start_no_backend_and_import_nothing_heavy() -> None:
    heavy = "{'tensorflow', 'tensorflow_datasets', 'matplotlib', 'sklearn', 'orbax', 'ray', 'optuna', 'PIL'}"
    code = (
        "import sys; from jaxdl import *; from jax._src import xla_bridge\n"
        f"print(CNN.__name__, sorted({heavy} & sys.modules.keys()), xla_bridge.backends_are_initialized())"
    )
    assert printed_by(code) == "CNN [] False"


@pytest.mark.parametrize("name", jaxdl.__all__)
def test_a_public_name_is_the_one_of_its_module(name: str) -> None:
    value = getattr(jaxdl, name)
    assert value.__name__ == name
    assert value is getattr(importlib.import_module(value.__module__), name)
    assert name in dir(jaxdl)


def test_type_checkers_see_the_same_names() -> None:
    """They read the imports that do not run."""
    tree = ast.parse(Path(jaxdl.__file__).read_text(encoding="utf-8"))
    branch = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in branch.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert sorted(seen) == sorted(jaxdl.__all__)
    for name, module in seen.items():
        assert getattr(importlib.import_module(str(module)), name) is getattr(jaxdl, name)


def test_a_module_is_there_without_an_import_of_its_own() -> None:
    assert printed_by("import jaxdl; print(jaxdl.optim.SGD is jaxdl.SGD)") == "True"


def test_another_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'jaxdl' has no attribute 'MPL'"):
        jaxdl.MPL  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'MPL'"):
        exec("from jaxdl import MPL")
