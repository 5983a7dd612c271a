"""The largest rate of a square matrix product of a library on this machine: ``python -m benchmarks.peak``.

    python -m benchmarks.peak --library=jax|torch --precision=float32|bfloat16 --device=cpu|gpu

Prints one line of JSON. On a GPU float32 products may use TF32, which is JAX's default.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

_SIZES = {"cpu": (1024, 2048, 4096), "gpu": (4096, 8192, 16384)}
_SECONDS_PER_SIZE = 2.0
_LEAST_RUNS = 3


def product(library: str, precision: str, device: str, size: int) -> Callable[[], Any]:
    """Returns a function that multiplies two square matrices and waits for the result."""
    if library == "jax":
        import jax
        import jax.numpy as jnp

        a, b = (jax.random.normal(jax.random.key(i), (size, size), jnp.dtype(precision)) for i in range(2))
        multiply = jax.jit(jnp.matmul)
        return lambda: multiply(a, b).block_until_ready()
    import torch

    torch.set_float32_matmul_precision("high" if device == "gpu" else "highest")
    where = "cuda" if device == "gpu" else "cpu"
    x, y = (torch.randn(size, size, dtype=getattr(torch, precision), device=where) for _ in range(2))

    def run() -> None:
        torch.mm(x, y)
        if device == "gpu":
            torch.cuda.synchronize()

    return run


def best_seconds(run: Callable[[], Any]) -> float:
    """Returns the shortest time of several runs, without the first."""
    run()
    times: list[float] = []
    while len(times) < _LEAST_RUNS or sum(times) < _SECONDS_PER_SIZE:
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", required=True, choices=("jax", "torch"))
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--device", default="cpu", choices=("cpu", "gpu"))
    options = parser.parse_args()
    rates = {}
    for size in _SIZES[options.device]:
        seconds = best_seconds(product(options.library, options.precision, options.device, size))
        rates[size] = 2 * size**3 / seconds / 1e9
    size = max(rates, key=lambda size: rates[size])
    print(json.dumps({**vars(options), "size": size, "gflops": rates[size], "gflops_by_size": rates}))


if __name__ == "__main__":
    main()
