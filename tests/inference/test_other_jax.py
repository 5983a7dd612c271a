"""Programs of one line of JAX, read by another one, whose Python ``JAXDL_TEST_OTHER_PYTHON`` names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

ROOT = Path(__file__).resolve().parents[2]
OTHER = os.environ.get("JAXDL_TEST_OTHER_PYTHON", "")

WRITE = """
import sys, pathlib, numpy as np
from jaxdl.inference.programs import exported_files
from tests.exported import disturbed
from tests.padded import recurrent, untrained

model, path = disturbed(untrained(recurrent(features=(3,)))), pathlib.Path(sys.argv[1])
content, description = exported_files(model, "stablehlo", path.name)
path.write_bytes(content)
path.with_suffix(".json").write_text(description)
inputs, lengths = np.random.default_rng(0).normal(size=(4, 7, 2)).astype("f"), np.array([7, 2, 0, 5])
np.savez(path.with_suffix(".npz"), inputs=inputs, lengths=lengths, expected=model.predict(inputs, lengths))
"""
READ = """
import sys, pathlib, numpy as np, jaxdl

path = pathlib.Path(sys.argv[1])
if sys.argv[2] == "alone":
    path.with_suffix(".json").unlink()
try:
    program = jaxdl.load_program(path)
except jaxdl.UserError as error:
    sys.exit(f"refused: {error}")
arrays = np.load(path.with_suffix(".npz"))
found = program.predict(arrays["inputs"], arrays["lengths"])
np.testing.assert_allclose(found, arrays["expected"], rtol=1e-5, atol=1e-6)
"""


def run(python: str, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    return subprocess.run(
        [python, "-c", code, *arguments], env=environment, capture_output=True, text=True, timeout=900, check=False
    )


@pytest.mark.slow
@pytest.mark.skipif(not OTHER, reason="JAXDL_TEST_OTHER_PYTHON names no Python")
@pytest.mark.parametrize("writer", ["this", "other"])
def test_an_older_program_is_read_and_a_newer_one_is_refused(writer: str, tmp_path: Path) -> None:
    pythons = {"this": sys.executable, "other": OTHER}
    reader = pythons["other" if writer == "this" else "this"]
    version = "import jax; print(jax.__version__)"
    written, read = (tuple(map(int, run(each, version).stdout.split(".")[:2])) for each in (pythons[writer], reader))
    assert f"{jax.__version__}.".startswith(".".join(map(str, written if writer == "this" else read)) + ".")
    done = run(pythons[writer], WRITE, str(tmp_path / "model.bin"))
    assert done.returncode == 0, done.stderr
    for beside in ("described", "alone"):
        done = run(reader, READ, str(tmp_path / "model.bin"), beside)
        if written <= read:
            assert done.returncode == 0, done.stderr
        elif beside == "described":
            assert "which cannot read it: take JAX " + ".".join(map(str, written)) in done.stderr
        else:
            assert "refused: " in done.stderr and "a newer JAX" in done.stderr
