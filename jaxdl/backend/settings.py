"""Settings of JAX and XLA that are made before the backend starts: platform, flags, compilation cache."""

from __future__ import annotations

import os
from pathlib import Path

import jax

from jaxdl.backend.compiler import add_xla_flags
from jaxdl.backend.kept_programs import mend_silently
from jaxdl.backend.mesh import add_cpu_devices
from jaxdl.errors import UserError
from jaxdl.files.paths import cache_folder


def configure(
    *,
    platform: str = "",
    xla_flags: bool = True,
    compilation_cache: bool = True,
    debug: bool = False,
    cpu_devices: int = 1,
    synchronous: bool = False,
) -> None:
    """Makes the settings that measurements justify, unless the user made others; call it before the first computation.

    Args:
        platform: ``cpu``, ``gpu`` or ``tpu``; empty leaves the choice to JAX.
        xla_flags: add the XLA flags that are measured to be faster on this jaxlib, unless ``XLA_FLAGS`` sets them.
        compilation_cache: keep compiled programs in the user's cache folder, so that a second start compiles nothing;
            a cache that ``JAX_COMPILATION_CACHE_DIR`` names is used instead. Nothing is kept in a folder that is not
            writable.
        debug: run without jit, one operation after another, and raise `FloatingPointError` at the first operation that
            gives NaN, so that the traceback has its line; breakpoints and ``print`` in a model then see numbers. Slow.
        cpu_devices: as how many devices the CPU counts, unless the user has set their number.
        synchronous: on the CPU compute a program on the thread that calls it. To wake another one takes several times
            as long as a small model, so this is for processes that predict for single examples; a training is better
            computed beside the Python code that reads its figures.

    Raises:
        UserError: the platform is not on this machine.
    """
    if xla_flags:
        add_xla_flags()
    named = getattr(jax.config, "jax_compilation_cache_dir", None) is not None
    if compilation_cache and not named and _is_usable(cache_folder()):
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "compiled"))
        mend_silently(cache_folder() / "compiled")
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    add_cpu_devices(cpu_devices)
    if synchronous:
        jax.config.update("jax_cpu_enable_async_dispatch", False)
    if debug:
        jax.config.update("jax_disable_jit", True)
        jax.config.update("jax_debug_nans", True)
    if platform:
        _select(platform)


def _is_usable(folder: Path) -> bool:
    """Creates a folder; returns whether files can be created in it. JAX would warn at each program if they cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def _select(platform: str) -> None:
    if platform == "cpu":
        jax.config.update("jax_platforms", "cpu")
        return
    if not _has(platform):
        present = ", ".join(name for name in ("cpu", "gpu", "tpu") if _has(name))
        raise UserError(
            f"--platform={platform}: this machine has none, or its jaxlib is not installed. Available: {present}."
        )


def _has(platform: str) -> bool:
    try:
        return bool(jax.devices(platform))
    except RuntimeError:
        return False
