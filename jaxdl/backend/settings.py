"""Settings of JAX and XLA that are made before the backend starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jax
import jaxlib.version

from jaxdl.backend.jaxprs import multiplies_in_loops
from jaxdl.errors import UserError

# On the CPU, XLA's own convolution (Eigen) is up to six times faster than the one that YNNPACK puts in its place,
# and its own matrix product 1.6 times at the sizes of a recurrence; YNNPACK's sums stay.
_CPU_FLAGS = (
    "--xla_cpu_experimental_ynn_fusion_type="
    "-LIBRARY_FUSION_TYPE_INDIVIDUAL_CONVOLUTION,-LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT",
)
# XLA ends the process on a flag that it does not know, so flags are set only for jaxlibs with which they were tried.
_TRIED_JAXLIBS = ((0, 10), (0, 12))
# On jaxlib 0.12 XLA's own product leaves all cores but one idle at the sizes of a small perceptron, which makes its
# step 1.35 times as long as YNNPACK's product does; a recurrence's step is 1.3 times as long with YNNPACK's.
_YNNPACK_PRODUCTS = {
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE,LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"
}
_STEPS_AND_TIME = 2


def configure(*, platform: str = "", xla_flags: bool = True, compilation_cache: bool = True) -> None:
    """Makes the settings that measurements justify, where the user has made none; call it before the first computation.

    Args:
        platform: ``cpu``, ``gpu`` or ``tpu``; empty leaves the choice to JAX.
        xla_flags: add the XLA flags that are measured to be faster on this jaxlib, unless ``XLA_FLAGS`` sets them.
        compilation_cache: keep compiled programs in the user's cache folder, so that a second start compiles nothing;
            a cache that ``JAX_COMPILATION_CACHE_DIR`` names is left as it is.

    Raises:
        UserError: the platform is not on this machine.
    """
    if xla_flags:
        _add_xla_flags()
    if compilation_cache and getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    if platform:
        _select(platform)


def _add_xla_flags() -> None:
    if not _TRIED_JAXLIBS[0] <= jaxlib.version.__version_info__[:2] <= _TRIED_JAXLIBS[1]:
        return
    present = os.environ.get("XLA_FLAGS", "")
    missing = [flag for flag in _CPU_FLAGS if flag.partition("=")[0] not in present]
    os.environ["XLA_FLAGS"] = " ".join([*present.split(), *missing])


def compiler_options(program: Any) -> dict[str, str]:
    """Returns what a traced program that loops over steps is compiled with beside the flags that `configure` sets.

    None where the user set flags in their place, or none.
    """
    flags = os.environ.get("XLA_FLAGS", "").split()
    if jaxlib.version.__version_info__[:2] < (0, 12) or not all(flag in flags for flag in _CPU_FLAGS):
        return {}
    if jax.default_backend() != "cpu" or multiplies_in_loops(program, _STEPS_AND_TIME):
        return {}
    return dict(_YNNPACK_PRODUCTS)


def cache_folder() -> Path:
    """Returns the user's folder for what is kept from one run to the next and can be made anew."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxdl"


def _select(platform: str) -> None:
    if platform == "cpu":
        jax.config.update("jax_platforms", "cpu")
        return
    if not _has(platform):
        present = ", ".join(name for name in ("cpu", "gpu", "tpu") if _has(name))
        raise UserError(
            f"--platform={platform}: there is none on this machine, or its jaxlib is not installed. Here: {present}."
        )


def _has(platform: str) -> bool:
    try:
        return bool(jax.devices(platform))
    except RuntimeError:
        return False


def usable_cores() -> list[int]:
    """Returns the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def gpu_names() -> list[str]:
    """Returns the GPUs that JAX uses as ``CUDA_VISIBLE_DEVICES`` names them; starts its backend."""
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    names = visible or [str(number) for number in range(accelerators())]
    return names[: accelerators()]


def accelerators() -> int:
    """Returns how many GPUs JAX uses; starts its backend."""
    return jax.device_count() if jax.default_backend() == "gpu" else 0
