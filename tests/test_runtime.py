"""Settings made before the backend starts; each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLAG = "--xla_cpu_experimental_ynn_fusion_type"


def after_configure(*, call: str = "", **environment: str) -> str:
    """Returns XLA_FLAGS and the cache folder after `configure`, and shows that the backend then starts."""
    code = (
        f"import os, jax, jaxdl; jaxdl.configure({call}); jax.numpy.zeros(1).block_until_ready();"
        "print(os.environ.get('XLA_FLAGS', ''), '|', jax.config.jax_compilation_cache_dir)"
    )
    clean = {
        name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR")
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=clean | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_measured_flags_and_the_cache_are_set(tmp_path: Path) -> None:
    flags, _, cache = after_configure(XDG_CACHE_HOME=str(tmp_path)).partition(" | ")
    assert FLAG in flags
    assert cache == str(tmp_path / "jaxdl" / "compiled")


@pytest.mark.parametrize(
    ("call", "environment", "flags"),
    [
        ("", {"XLA_FLAGS": f"{FLAG}=LIBRARY_FUSION_TYPE_DOT"}, f"{FLAG}=LIBRARY_FUSION_TYPE_DOT"),
        ("xla_flags=False", {}, ""),
    ],
)
def test_what_the_user_has_set_stays(call: str, environment: dict[str, str], flags: str, tmp_path: Path) -> None:
    environment |= {"JAX_COMPILATION_CACHE_DIR": str(tmp_path)}
    assert after_configure(call=call, **environment) == f"{flags} | {tmp_path}".strip()
