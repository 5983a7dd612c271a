"""How the cores and GPUs of a machine are shared out among worker processes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.sweeps.executors.processes import shares


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 4))
def test_each_worker_has_as_many_cores_and_the_memory_of_a_gpu_suffices(workers: int, cores: int, gpus: int) -> None:
    numbers = list(range(100, 100 + cores))
    names = [f"GPU-{number}" for number in range(gpus)]
    parts = shares(workers, numbers, names)
    assert len(parts) == workers and len({len(part.cores) for part in parts}) == 1
    used = [core for part in parts for core in part.cores]
    assert set(used) <= set(numbers)
    if workers <= cores:
        assert len(set(used)) == len(used) == workers * (cores // workers)
    for name in names:
        memory = [part.environment for part in parts if part.environment["CUDA_VISIBLE_DEVICES"] == name]
        assert sum(float(each["XLA_PYTHON_CLIENT_MEM_FRACTION"]) for each in memory) <= 0.91
    if not gpus:
        assert all(part.environment == {} for part in parts)


def test_workers_spread_over_the_gpus() -> None:
    parts = shares(4, range(8), ["a", "b"])
    assert [part.environment["CUDA_VISIBLE_DEVICES"] for part in parts] == ["a", "b", "a", "b"]
    assert [part.cores for part in parts] == [(0, 1), (2, 3), (4, 5), (6, 7)]


@pytest.mark.parametrize(
    ("workers", "devices", "seen", "shared"),
    [(2, 2, ["a,b", "c,d"], 1), (1, 4, ["a,b,c,d"], 1), (4, 2, ["a,b", "c,d", "a,b", "c,d"], 2), (1, 3, ["a,b,c"], 1)],
)
def test_a_worker_sees_as_many_gpus_as_a_trial_has_devices(
    workers: int, devices: int, seen: list[str], shared: int
) -> None:
    environments = [part.environment for part in shares(workers, range(8), ["a", "b", "c", "d"], devices)]
    assert [each["CUDA_VISIBLE_DEVICES"] for each in environments] == seen
    assert {each["XLA_PYTHON_CLIENT_MEM_FRACTION"] for each in environments} == {f"{0.9 / shared:.3f}"}
