"""Settings made before the backend starts; each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jaxlib.version
import pytest

ROOT = Path(__file__).resolve().parents[2]
FLAG = "--xla_cpu_experimental_ynn_fusion_type"


SETTINGS = """
jax.numpy.zeros(1).block_until_ready()  # shows that the backend starts
print(os.environ.get("XLA_FLAGS", ""), "|", jax.config.jax_compilation_cache_dir)
"""


def after_configure(code: str, call: str = "", **environment: str) -> str:
    """Returns what a program prints that calls `configure` first."""
    code = f"import os, jax, jaxdl\njaxdl.configure({call})\n{code}"
    clean = {
        name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR")
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=clean | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_measured_flags_and_the_cache_are_set(tmp_path: Path) -> None:
    flags, _, cache = after_configure(SETTINGS, XDG_CACHE_HOME=str(tmp_path)).partition(" | ")
    assert FLAG in flags
    assert cache == str(tmp_path / "jaxdl" / "compiled")


def test_nothing_is_kept_where_the_cache_folder_is_not_writable(tmp_path: Path) -> None:
    """JAX would warn at each program that it compiles."""
    (tmp_path / "file").touch()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import jaxdl, jax; jaxdl.configure(); jax.jit(abs)(1.0)"],
        env={name: value for name, value in os.environ.items() if name not in ("JAX_COMPILATION_CACHE_DIR",)}
        | {"XDG_CACHE_HOME": str(tmp_path / "file" / "cache"), "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("call", "environment", "flags"),
    [
        ("", {"XLA_FLAGS": f"{FLAG}=LIBRARY_FUSION_TYPE_DOT"}, f"{FLAG}=LIBRARY_FUSION_TYPE_DOT"),
        ("xla_flags=False", {}, ""),
    ],
)
def test_what_the_user_has_set_stays(call: str, environment: dict[str, str], flags: str, tmp_path: Path) -> None:
    environment |= {"JAX_COMPILATION_CACHE_DIR": str(tmp_path)}
    assert after_configure(SETTINGS, call, **environment) == f"{flags} | {tmp_path}".strip()


@pytest.mark.skipif(jaxlib.version.__version_info__[:2] < (0, 12), reason="one product serves all programs here")
@pytest.mark.parametrize(
    ("call", "environment", "expected"),
    [("", {}, [True, False]), ("xla_flags=False", {}, [True, True]), ("", {"XLA_FLAGS": f"{FLAG}="}, [False, False])],
)
def test_the_matrix_product_is_chosen_by_what_a_program_computes(
    call: str, environment: dict[str, str], expected: list[bool], tmp_path: Path
) -> None:
    """YNNPACK's for a perceptron, XLA's for a recurrence; who sets the flag, or sets none, has one for both."""
    code = """
import re
from pathlib import Path
recipe = jaxdl.load_experiment("digits_mlp", Path("experiments"))
dataset = recipe.data.load(Path(), print)
for model in (recipe.model, jaxdl.RNN(features=(16,))):
    program = jaxdl.Trainer(jaxdl.replace(recipe, {"model": model}), dataset).programs.optimized_text("train")
    print(bool(re.search("ynn_fusion[^ ]* = .*dot_general", program)))
"""
    assert after_configure(code, call, XDG_CACHE_HOME=str(tmp_path), **environment).split() == [*map(str, expected)]


@pytest.mark.parametrize(("call", "expected"), [("synchronous=True", "True"), ("", "False")])
def test_a_program_is_done_when_its_call_returns_where_that_is_wanted(call: str, expected: str) -> None:
    code = """
import jax.numpy as jnp
program = jax.jit(lambda matrix: matrix @ matrix @ matrix)
matrix = jnp.ones((1500, 1500))
program(matrix).block_until_ready()
print(program(matrix).is_ready())
"""
    assert after_configure(code, call) == expected
