"""The cores and GPUs of this process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxdl.backend import cores

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot confine a process to cores")
def test_a_process_confined_to_one_core_counts_one() -> None:
    """In a process of its own; which also shows that counting cores imports no JAX."""
    code = """
import os, sys
core = max(os.sched_getaffinity(0))
os.sched_setaffinity(0, [core])
from jaxdl.backend.cores import machine_cores, usable_cores
print(usable_cores() == [core], machine_cores() == os.cpu_count(), "jax" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "False"]


@pytest.mark.parametrize(
    ("visible", "expected"), [("", ["0", "1"]), ("3, 5", ["3", "5"]), ("GPU-a,GPU-b,GPU-c", ["GPU-a", "GPU-b"])]
)
def test_gpus_are_named_as_cuda_was_told(visible: str, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "accelerators", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert cores.gpu_names() == expected


def test_the_processor_has_a_name() -> None:
    described = Path("/proc/cpuinfo")
    name = cores.processor_name()
    assert name and name == name.strip()
    if described.exists() and "model name" in described.read_text():
        assert f": {name}\n" in described.read_text()
