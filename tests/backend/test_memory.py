"""Running out of memory is told from other errors; what is left of it is read from the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.backend.memory import free_memory, on_host, ran_out_of_memory, unless_out_of_memory

XLA_SAYS = "RESOURCE_EXHAUSTED: Out of memory allocating 68719476736 bytes."


def raising(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (jax.errors.JaxRuntimeError(XLA_SAYS), True),
        (jax.errors.JaxRuntimeError("INVALID_ARGUMENT: shapes differ"), False),
        (ValueError(XLA_SAYS), False),
    ],
)
def test_only_a_lack_of_memory_is_taken_for_one(error: Exception, expected: bool) -> None:
    assert ran_out_of_memory(error) == expected
    if expected:
        assert unless_out_of_memory(lambda: raising(error)) is None
    else:
        with pytest.raises(type(error)):
            unless_out_of_memory(lambda: raising(error))


def test_what_fits_is_returned() -> None:
    assert unless_out_of_memory(lambda: 7) == 7


def test_results_come_to_the_host_as_numpy_arrays() -> None:
    found = on_host({"a": jnp.arange(3), "b": (jnp.float32(2.5),)})
    assert isinstance(found["a"], np.ndarray) and found["a"].tolist() == [0, 1, 2]
    assert found["b"] == (np.float32(2.5),)


def test_free_memory_is_a_part_of_what_there_is() -> None:
    total = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in total:
        most = float(total["bytes_limit"])
    else:
        most = float(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert 0 < free_memory() <= most
