"""Where a run came from: everything that is needed to repeat it, and nothing private."""

from __future__ import annotations

import datetime
import functools
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxdl.backend.cores import machine_cores, processor_name, usable_cores

_PACKAGES = (
    "jaxdl",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "numpy",
    "tensorflow-datasets",
)
# Only these variables are recorded, by name: the environment of a machine holds secrets.
_VARIABLES = (
    "XLA_FLAGS",
    "LIBTPU_INIT_ARGS",
    "JAX_PLATFORMS",
    "JAX_ENABLE_X64",
    "JAX_DEFAULT_MATMUL_PRECISION",
    "JAX_DEFAULT_PRNG_IMPL",
    "JAX_DEFAULT_DTYPE_BITS",
    "JAX_NUMPY_DTYPE_PROMOTION",
    "JAX_THREEFRY_PARTITIONABLE",
    "JAX_DISABLE_JIT",
    "JAX_DEBUG_NANS",
    "JAX_NUM_CPU_DEVICES",
    "JAX_CPU_ENABLE_ASYNC_DISPATCH",
    "XLA_PYTHON_CLIENT_PREALLOCATE",
    "XLA_PYTHON_CLIENT_MEM_FRACTION",
    "XLA_PYTHON_CLIENT_ALLOCATOR",
)
_SETTINGS = ("jax_enable_x64", "jax_default_matmul_precision", "jax_default_prng_impl", "jax_threefry_partitionable")
# Recorded where they are on.
_SWITCHES = ("jax_disable_jit", "jax_debug_nans")
_LONGEST_DIFF = 200_000
_GIT_TIMEOUT_S = 20


def record(
    argv: Sequence[str],
    seed: int,
    fingerprint: str | None,
    surroundings: Mapping[str, Any],
    *,
    started: datetime.datetime | None = None,
) -> dict[str, Any]:
    """Returns the content of ``record.json``.

    Args:
        argv: the command line; user and password in URLs (``https://user:password@host``) are replaced by asterisks.
        seed: the experiment's seed.
        fingerprint: the data set's fingerprint, None if no data was read.
        surroundings: what `surroundings` returned in this process.
        started: when the run began; None means now.
    """
    started = started or datetime.datetime.now(datetime.UTC)
    return {
        "command": [without_password(argument) for argument in argv],
        "started_utc": started.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seed": int(seed),
        "data_fingerprint": fingerprint,
        **surroundings,
    }


def surroundings(checkout: Path | None = None) -> dict[str, Any]:
    """Returns the part of a record that all trainings of a process have in common: code, versions, devices, settings.

    It starts the JAX backend if it has not started yet.

    Args:
        checkout: a folder of the project's git checkout; None means the folder that holds this package.
    """
    return {
        "git": git_state(checkout or Path(__file__).parent),
        "versions": versions(),
        **_jax_state(),
        "cpu": {"model": processor_name(), "cores": machine_cores(), "cores_usable": len(usable_cores())},
        "system": f"{platform.system()} {platform.machine()}",
        "environment": recorded_environment(os.environ),
    }


# The entries of a record that may change the bits of a result, in addition to the recipe.
_CONDITIONS = (
    "seed",
    "data_fingerprint",
    "side_by_side",
    "layout",
    "git.commit",
    "git.diff",
    "versions",
    "backend",
    "devices",
    "processes",
    "xla_flags",
    "compiler_options",
    "jax_settings",
    "cpu.model",
    "cpu.cores_usable",
    "system",
    "environment",
)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Lists differences of two records that may change the bits of a result, as ``name: value (was other value)``.

    Args:
        before: content of ``record.json``.
        now: content of another run's ``record.json``.
    """
    found = []
    for path in _CONDITIONS:
        one, other = (_leaves(path, _entry(record, path)) for record in (before, now))
        for name in sorted({**one, **other}):
            if one.get(name) != other.get(name):
                long = name == "git.diff"
                found.append(f"{name}: {'changed' if long else f'{other.get(name)} (was {one.get(name)})'}")
    return found


def _entry(record: Mapping[str, Any], path: str) -> Any:
    value: Any = record
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _leaves(path: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {f"{path}.{key}": item for key, item in value.items()}
    return {path: value}


@functools.cache  # it reads many small files
def versions() -> Mapping[str, str | None]:
    """Returns the installed versions of Python and of the packages that shape a result, without importing them."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    found["jaxdl"] = str(sys.modules["jaxdl"].__version__)  # that of an editable installation is of its day
    return found


def recorded_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment variables that change what XLA and JAX compute, from a fixed list."""
    return {name: environment[name] for name in _VARIABLES if name in environment}


def git_state(folder: Path) -> dict[str, Any] | None:
    """Returns commit, whether the tree differs from it, and how; None outside a checkout or without git.

    Files that git does not track are named but their content is not recorded. A checkout without a commit has the
    commit None and no diff.
    """
    status = _git(folder, "status", "--porcelain", "--untracked-files=normal")
    if status is None:
        return None
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    diff = _git(folder, "diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv") if commit else None
    return {
        "commit": commit.strip() if commit else None,
        "dirty": bool(status),
        "untracked": [line[3:] for line in status.splitlines() if line.startswith("??")],
        "diff": _shortened(diff or ""),
    }


def _git(folder: Path, *arguments: str) -> str | None:
    """Returns what git prints, None if it fails or is not installed. Takes no lock in the checkout."""
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_GIT_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def _shortened(diff: str) -> str:
    if len(diff) <= _LONGEST_DIFF:
        return diff
    return f"{diff[:_LONGEST_DIFF]}\n[cut: {len(diff) - _LONGEST_DIFF} of {len(diff)} characters left out]\n"


def _jax_state() -> dict[str, Any]:
    import jax

    counts = Counter((device.platform, device.device_kind) for device in jax.devices())
    return {
        "backend": jax.default_backend(),
        "devices": [{"platform": p, "kind": kind, "count": count} for (p, kind), count in counts.items()],
        "processes": jax.process_count(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "jax_settings": {
            **{name: _setting(getattr(jax.config, name, None)) for name in _SETTINGS},
            **{name: True for name in _SWITCHES if getattr(jax.config, name, False)},
        },
    }


def _setting(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def without_password(argument: str) -> str:
    """Returns an argument with the user and password of each URL replaced by asterisks."""
    return re.sub(r"://[^/\s]*@", "://***@", argument)
