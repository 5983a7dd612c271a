"""Compiled programs in the cache folder that were cut short, as by a kill or a full disk."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

# Compiles, cuts the kept program short, and compiles again as a new process would.
SCRIPT = """
    import sys, warnings
    from pathlib import Path
    import jax, jax.numpy as jnp
    from jaxdl.backend.settings import configure
    from jaxdl.files.paths import cache_folder
    configure()
    folder = cache_folder() / "compiled"
    def wave(x):
        return jnp.sin(x) * 2 + x
    def kept():
        (entry,) = [path for path in folder.iterdir() if path.name.startswith("jit_wave-")]
        return entry
    jax.jit(wave)(jnp.ones(3))
    whole = kept().read_bytes()
    for damaged in (whole[: len(whole) // 2], b""):
        kept().write_bytes(damaged)
        jax.clear_caches()
        print(round(float(jax.jit(wave)(jnp.ones(3)).sum()), 4))
        print(len(kept().read_bytes()) > len(whole) // 2)
    warnings.warn("another warning")
"""


def test_a_kept_program_that_was_cut_short_is_written_again(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(root), "JAX_PLATFORMS": "cpu"}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["8.0488", "True"] * 2
    assert done.stderr.count("Warning") == 1 and "another warning" in done.stderr
