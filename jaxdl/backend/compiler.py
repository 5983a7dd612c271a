"""What XLA's CPU compiler is told, where measurements justify another choice than its own."""

from __future__ import annotations

import os
from typing import Any

import jax
import jaxlib.version
from jax.extend import core

from jaxdl.backend.jaxprs import multiplies_in_loops

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
# Loops within the loop over steps are those over time.
_STEPS_AND_TIME = 2


def add_xla_flags() -> None:
    """Adds to ``XLA_FLAGS`` the flags for all programs, where the user has not set them; before the backend starts."""
    if not _TRIED_JAXLIBS[0] <= jaxlib.version.__version_info__[:2] <= _TRIED_JAXLIBS[1]:
        return
    present = os.environ.get("XLA_FLAGS", "")
    missing = [flag for flag in _CPU_FLAGS if flag.partition("=")[0] not in present]
    os.environ["XLA_FLAGS"] = " ".join([*present.split(), *missing])


def compiler_options(program: core.Jaxpr) -> dict[str, str]:
    """Returns the options to compile one program with, beside the flags of `add_xla_flags`.

    Args:
        program: a traced program that loops over train or eval steps.

    Returns:
        Options by name, for `jax.stages.Lowered.compile`; none where the user set the flags, or nobody called
        `add_xla_flags`.
    """
    flags = os.environ.get("XLA_FLAGS", "").split()
    if jaxlib.version.__version_info__[:2] < (0, 12) or not all(flag in flags for flag in _CPU_FLAGS):
        return {}
    if jax.default_backend() != "cpu" or multiplies_in_loops(program, _STEPS_AND_TIME):
        return {}
    return dict(_YNNPACK_PRODUCTS)


def compiled(traced: Any) -> tuple[Any, dict[str, str]]:
    """Compiles a program that `jax.jit(...).trace` gave; returns it, and the options of `compiler_options`."""
    options = compiler_options(traced.jaxpr.jaxpr)
    return traced.lower().compile(options), options
