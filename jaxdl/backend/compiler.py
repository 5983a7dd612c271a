"""Options for XLA's CPU compiler, where measurements justify something else than its defaults."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jaxlib.version
from jax.extend import core

from jaxdl.backend.cores import usable_cores
from jaxdl.backend.jaxprs import calls_native, computes_again, multiplies_in_loops

Options = dict[str, str | bool]

# On the CPU, XLA's own convolution (Eigen) is up to six times faster than YNNPACK's, and its own matrix product is 1.6
# times as fast at the sizes of a recurrence; YNNPACK's sums are kept.
_CPU_FLAGS = (
    "--xla_cpu_experimental_ynn_fusion_type="
    "-LIBRARY_FUSION_TYPE_INDIVIDUAL_CONVOLUTION,-LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT",
)
# XLA ends the process when it does not know a flag, so flags are set only for jaxlib versions that were tested.
_TRIED_JAXLIBS = ((0, 10), (0, 12))
# On jaxlib 0.12 XLA's own product uses only one core at the sizes of a small perceptron: its step takes 1.35 times as
# long as with YNNPACK's product. A recurrence's step takes 1.3 times as long with YNNPACK's.
_YNNPACK_PRODUCTS = {
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE,LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"
}
# Before jaxlib 0.12, on the CPU, XLA removes the barriers between the forward pass and what `jax.checkpoint` computes
# again too early, sees that both are the same, and keeps it all: the memory is then that without it.
_KEEP_BARRIERS = {"xla_disable_hlo_passes": "cse_barrier_expander"}
# On jaxlib 0.12, what oneDNN's own calls take over of a program in bfloat16: its products, on processors with AMX. Its
# convolutions are native operations then; this is not for programs without, of which some become very slow.
_ONEDNN_PRODUCTS: Options = {"xla_cpu_experimental_onednn_custom_call": True}
# A program that runs once, for a moment, is not worth much optimisation: that of initial parameters then compiles in a
# half to a tenth of the time.
_ONCE: Options = {"xla_backend_optimization_level": "1"}
_LOOKED_AT: Options = {"xla_backend_optimization_level": "0"}
# So is one whose recurrences are native: it compiles in 0.6 of the time, and its steps take as long and have the same
# bits (two cores of an Intel Xeon, jax 0.10). With XLA's recurrences they would take 1.05 to 1.1 times as long.
_NATIVE_LSTM, _WITH_NATIVE_LSTM = "jaxdl_lstm", _ONCE
# Jaxlib 0.10 compiles fused operations in a third to a fifth of the processor time without the newer way to write them,
# and where they are not parted for several threads; the option is gone in 0.12, where no other was found to help.
_LOOKED_AT_IN_0_10: Options = {"xla_cpu_use_fusion_emitters": False, "xla_cpu_parallel_codegen_split_count": "1"}
# Loops inside the loop over steps are loops over time.
_STEPS_AND_TIME = 2


def add_xla_flags() -> None:
    """Adds to ``XLA_FLAGS`` the flags for all programs, where the user has not set them; before the backend starts."""
    if not _TRIED_JAXLIBS[0] <= jaxlib.version.__version_info__[:2] <= _TRIED_JAXLIBS[1]:
        return
    present = os.environ.get("XLA_FLAGS", "")
    missing = [flag for flag in _CPU_FLAGS if flag.partition("=")[0] not in present]
    os.environ["XLA_FLAGS"] = " ".join([*present.split(), *missing])


def compiler_options(program: core.Jaxpr) -> Options:
    """Returns the options for compiling one program, in addition to the flags of `add_xla_flags`.

    Args:
        program: a traced program that loops over train or eval steps.

    Returns:
        Options by name, for `jax.stages.Lowered.compile`; none that depend on the flags if the user set them or
        `add_xla_flags` was not called.
    """
    if jax.default_backend() != "cpu":
        return {}
    return _by_version(program) | (_WITH_NATIVE_LSTM if calls_native(program, "float32", _NATIVE_LSTM) else {})


def _by_version(program: core.Jaxpr) -> Options:
    version = jaxlib.version.__version_info__[:2]
    if _TRIED_JAXLIBS[0] <= version < (0, 12) and computes_again(program):
        return dict(_KEEP_BARRIERS)
    flags = os.environ.get("XLA_FLAGS", "").split()
    if version < (0, 12) or not all(flag in flags for flag in _CPU_FLAGS):
        return {}
    chosen: Options = {} if multiplies_in_loops(program, _STEPS_AND_TIME) else dict(_YNNPACK_PRODUCTS)
    return chosen | (_ONEDNN_PRODUCTS if calls_native(program, "bfloat16") else {})


def traced(
    function: Callable[..., Any], *arguments: Any, donate_argnums: tuple[int, ...] = (), out_shardings: Any = None
) -> Any:
    """Traces a program for `compiled`; while jit is disabled, returns the function itself, to be run step by step.

    Args:
        function: the program.
        *arguments: its arguments, or their shapes.
        donate_argnums: arguments whose memory is given up to the program.
        out_shardings: where results lie, for those of several devices; None: the compiler's choice.
    """
    if without_jit():
        return function
    said = {} if out_shardings is None else {"out_shardings": out_shardings}
    return jax.jit(function, donate_argnums=donate_argnums, **said).trace(*arguments)


def compiled(traced: Any) -> tuple[Any, Options]:
    """Compiles what `traced` returned; returns the program and the options of `compiler_options`."""
    return compiled_together([lambda: traced])[0]


def compiled_together(traces: Sequence[Callable[[], Any]], once: Collection[int] = ()) -> list[tuple[Any, Options]]:
    """Compiles several programs side by side, on as many threads as there are cores; the first ones begin first.

    Each is traced in the caller's thread while those before it compile.

    Args:
        traces: functions that return what `traced` does.
        once: numbers of those that run once, and take no time.

    Returns:
        For each the program, and the options that it was compiled with.
    """
    if without_jit():
        return [(trace(), {}) for trace in traces]
    only_once = _ONCE if jax.default_backend() == "cpu" else {}
    compiling = []
    with ThreadPoolExecutor(max(1, min(len(traces), len(usable_cores())))) as pool:
        for number, trace in enumerate(traces):
            program = trace()
            options = compiler_options(program.jaxpr.jaxpr) | (only_once if number in once else {})
            compiling.append((pool.submit(program.lower().compile, options), options))
        return [(program.result(), options) for program, options in compiling]


def compiled_quickly(traced: Any) -> Any:
    """Returns the program of what `traced` returned, compiled in half the time, for results that are only looked at.

    On the CPU nothing is optimised; a program may then take several times as long, and round in another way.
    """
    if without_jit():
        return traced
    options: Options = {}
    if jax.default_backend() == "cpu":
        options = _LOOKED_AT | (_LOOKED_AT_IN_0_10 if jaxlib.version.__version_info__[:2] == (0, 10) else {})
    return traced.lower().compile(options)


def without_jit() -> bool:
    """Returns whether jit is disabled, as by ``JAX_DISABLE_JIT=1``: programs then run one operation after another."""
    return bool(getattr(jax.config, "jax_disable_jit"))  # noqa: B009 (a type checker does not know it)
