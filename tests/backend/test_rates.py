"""How fast devices are."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from jaxdl.backend import rates as rates_module
from jaxdl.backend.rates import AllReduce, Peak, Rates, known_rates, measured_peak, measured_rates, share_of_peak

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Short measurements, and a cache folder that is empty."""
    monkeypatch.setattr(rates_module, "_SECONDS", 0.01)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "jaxdl" / "rates"


def test_what_was_measured_is_known_afterwards(quick: Path) -> None:
    assert known_rates() is None
    found = measured_rates()
    assert known_rates() == found
    assert found.peaks.keys() == {"float32", "bfloat16", "float16"}
    assert all(peak.flops_per_second > 1e6 for peak in found.peaks.values())
    assert 1e7 < found.memory_bytes_per_second < 1e14
    assert (found.count, len(found.all_reduces)) == (
        jax.local_device_count(),
        0 if jax.local_device_count() == 1 else 3,
    )


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"peaks": 1}', "\x00"])
def test_a_damaged_file_is_as_none(quick: Path, content: str) -> None:
    quick.mkdir(parents=True)
    rates_module._file().write_text(content)
    assert known_rates() is None


def test_rates_of_other_devices_are_not_taken(quick: Path) -> None:
    found = measured_rates()
    (file,) = quick.iterdir()
    file.write_text(json.dumps(json.loads(file.read_text()) | {"count": found.count + 1}))
    assert known_rates() is None


def test_time_that_is_spent_compiling_does_not_end_the_search_of_the_best_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, whose peak was that of 256 rows, a hundredth of the real one."""
    matmul, sizes = jnp.matmul, []

    def slow_to_compile(left: jax.Array, right: jax.Array) -> jax.Array:
        sizes.append(len(left))
        time.sleep(0.6)
        return matmul(left, right)

    monkeypatch.setattr(jnp, "matmul", slow_to_compile)
    assert measured_peak("float32", 0.5).size in sizes and len(sizes) > 1


def test_a_cache_folder_that_cannot_be_written_is_no_error(monkeypatch: pytest.MonkeyPatch, quick: Path) -> None:
    quick.parent.write_text("a file in the folder's place")
    assert measured_rates().count == jax.local_device_count()
    assert known_rates() is None


def test_a_share_adds_the_least_time_of_each_dtype() -> None:
    rates = Rates("cpu", 2, "0", {"float32": Peak(100.0, 256), "bfloat16": Peak(400.0, 256)}, 1.0, ())
    assert share_of_peak({"float32": 100, "bfloat16": 400}, 4.0, rates) == 0.5
    assert share_of_peak({"float32": 100, "bfloat16": 400}, 4.0, rates, devices=2) == 0.25
    assert share_of_peak({"float64": 1}, 1.0, rates) is None
    assert share_of_peak({}, 1.0, rates) is None


def test_the_rate_of_a_sum_is_that_of_one_devices_array() -> None:
    assert AllReduce(1_000, 0.5).bytes_per_second == 2_000.0


def test_sums_over_several_devices_are_measured(tmp_path: Path) -> None:
    """In a process of its own, since the number of devices is fixed when JAX starts."""
    code = """
import jax
jax.config.update("jax_num_cpu_devices", 2)
from jaxdl.backend import rates
rates._SECONDS = 0.01
print([each.bytes for each in rates._measured_all_reduces() if each.seconds > 0])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == f"[{2**12}, {2**18}, {2**24}]", done.stderr


def test_the_peak_is_that_of_large_products() -> None:
    peak = measured_peak(jnp.float32, seconds=0.2)
    assert peak.size >= 256
    matrix = jnp.ones((64, 64))
    multiply = jax.jit(jnp.matmul)
    jax.block_until_ready(multiply(matrix, matrix))
    begin = time.perf_counter()
    jax.block_until_ready(multiply(matrix, matrix))
    assert peak.flops_per_second > 2 * 64**3 / (time.perf_counter() - begin)
