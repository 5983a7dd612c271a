"""The text form of a mesh, and the devices that it is made of."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.backend.mesh import (
    Axes,
    devices_of,
    local_devices,
    make_mesh,
    mesh_text,
    named_axes,
    parse_mesh,
    placed,
    shared_devices,
    ways_of,
    whole,
)
from jaxdl.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


@given(st.permutations([("data", 4), ("model", 2)]), st.integers(1, 2), st.sampled_from(["", " "]))
def test_a_mesh_is_read_as_it_is_written(axes: list[tuple[str, int]], count: int, space: str) -> None:
    given = tuple(axes[:count])
    assert parse_mesh(mesh_text(given).replace(",", f",{space}").replace(":", f"{space}:{space}")) == given
    assert devices_of(given) == (8 if count == 2 else given[0][1])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "such as data:4,model:2"),
        ("data", "such as data:4,model:2"),
        ("data:0", "such as data:4,model:2"),
        ("data:-1", "such as data:4,model:2"),
        ("data:2,", "such as data:4,model:2"),
        ("data:2:3", "such as data:4,model:2"),
        ("date:2", "did you mean data"),
        ("pipeline:2", "use data and model"),
        ("data:2,data:2", "data twice"),
    ],
)
def test_what_is_no_mesh_is_refused_with_what_would_be_one(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_mesh(text)


@pytest.mark.parametrize(
    ("devices", "mesh", "axes", "ways"),
    [
        (None, None, None, 1),
        (3, None, (("data", 3),), 3),
        (None, "model:2,data:3", (("model", 2), ("data", 3)), 3),
        (2, "model:2", (("model", 2),), 1),
    ],
)
def test_the_axes_that_a_recipe_names(devices: int | None, mesh: str | None, axes: Axes | None, ways: int) -> None:
    found, given = named_axes(devices, mesh)
    assert (found, ways_of(found)) == (axes, ways)
    assert given == ("" if axes is None else f"--mesh={mesh}" if mesh else f"--devices={devices}")


def test_the_axes_of_a_mesh_leave_the_division_to_the_compiler() -> None:
    mesh = make_mesh((("data", 1), ("model", 1)), jax.devices())
    assert mesh.shape == {"data": 1, "model": 1}
    assert set(mesh.axis_types) == {jax.sharding.AxisType.Auto}


def test_more_devices_than_there_are_are_refused_with_the_way_to_get_them() -> None:
    count = len(jax.local_devices()) + 1
    with pytest.raises(UserError, match=rf'--devices={count}: there .*jax_num_cpu_devices", {count}\)'):
        local_devices(count, f"--devices={count}")


@pytest.mark.parametrize(("flags", "expected"), [("", 3), ("--xla_force_host_platform_device_count=2", 2)])
def test_the_cpu_counts_as_so_many_devices_unless_the_user_says_otherwise(flags: str, expected: int) -> None:
    code = (
        "from jaxdl.backend.settings import configure; configure(cpu_devices=3); import jax; print(len(jax.devices()))"
    )
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT), "XLA_FLAGS": flags}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{expected}\n"), done.stderr


def of_processes(monkeypatch: pytest.MonkeyPatch, *counts: int) -> list[tuple[int, int]]:
    """Makes JAX have so many devices in each of several processes; returns them as (process, number)."""
    there = [
        types.SimpleNamespace(process_index=process, id=(process, number), platform="cpu")
        for process, count in enumerate(counts)
        for number in range(count)
    ]
    monkeypatch.setattr(jax, "process_count", lambda: len(counts))
    monkeypatch.setattr(jax, "devices", lambda: there)
    return [each.id for each in there]


def test_processes_have_equally_many_devices_each(monkeypatch: pytest.MonkeyPatch) -> None:
    there = of_processes(monkeypatch, 2, 2)
    assert [each.id for each in shared_devices(None, "")] == there
    assert [each.id for each in shared_devices(2, "--devices=2")] == [(0, 0), (1, 0)]
    of_processes(monkeypatch, 3, 2)
    assert [each.id for each in shared_devices(None, "")] == [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (3, "--devices=3: 2 processes need equally many devices each; the nearest: 2 or 4"),
        (1, "--devices=1: 2 processes need equally many devices each; the nearest: 2"),
        (6, "--devices=6: each of 2 processes needs 3 devices, and process 1 has 2 .cpu.; give at most 4"),
    ],
)
def test_devices_that_processes_cannot_share_are_refused(
    count: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_processes(monkeypatch, 3, 2)
    with pytest.raises(UserError, match=said):
        shared_devices(count, f"--devices={count}")


def test_in_one_process_arrays_are_placed_and_read_as_by_jax() -> None:
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    array = placed(np.arange(3), sharding)
    assert array.sharding == sharding
    np.testing.assert_array_equal(whole(array), [0, 1, 2])
