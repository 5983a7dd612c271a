"""The machine on which the figures were measured."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from jaxdl.backend.cores import usable_cores


def gpu_name() -> str | None:
    """Returns the name of the first NVIDIA GPU from its driver; None if there is none."""
    if not shutil.which("nvidia-smi"):
        return None
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False)
    names = answer.stdout.splitlines()
    return names[0].strip() if answer.returncode == 0 and names else None


def describe() -> dict[str, Any]:
    """Returns the machine's processor with its vector extensions, cores, memory, system and GPU, for JSON."""
    name, model, extensions = _processor()
    return {
        "system": platform.platform(terse=True),
        "processor": name,
        "processor_model": model,
        "vector_extensions": extensions,
        "cores": len(usable_cores()),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpu": gpu_name(),
    }


def commit(root: Path) -> str:
    """Returns the git commit of a checkout, with ``-dirty`` if the files differ from it; ``unknown`` without git."""
    describe = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    answer = subprocess.run(describe, capture_output=True, text=True, check=False) if shutil.which("git") else None
    return answer.stdout.strip() if answer and answer.returncode == 0 else "unknown"


def _processor() -> tuple[str, str, list[str]]:
    """Returns name, family and model, and vector extensions; a name alone may be that of several generations."""
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return platform.processor(), "", []
    entries = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}
    model = ", ".join(f"{name} {entries[name]}" for name in ("cpu family", "model", "stepping") if name in entries)
    flags = sorted(flag for flag in entries.get("flags", "").split() if flag.startswith(("avx", "amx", "fma")))
    return entries.get("model name", platform.processor()), model, flags
