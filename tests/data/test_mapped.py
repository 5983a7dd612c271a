"""Arrays that are read where the system's cache holds their file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.data import mapped as mapping
from jaxdl.data.mapped import Rows, can_be_mapped, mapped
from jaxdl.data.memory import joined

pytestmark = pytest.mark.skipif(not can_be_mapped(Path(tempfile.gettempdir())), reason="files are not mapped there")
VALUES = np.random.RandomState(0).randint(0, 256, (5, 50, 40, 3)).astype(np.uint8)


def saved(path: Path, values: np.ndarray) -> Path:
    np.save(path, values)
    return path


@given(st.permutations(range(5)), st.sampled_from(["u1", "f4"]), st.sampled_from([(1,), (3,), (50, 40, 3)]))
def test_rows_are_shown_as_soon_as_they_are_written_in_any_order(tmp_path_factory, order, dtype, shape):
    file = tmp_path_factory.mktemp("rows") / "x.npy"
    values = np.random.RandomState(0).randint(0, 256, (5, *shape)).astype(dtype)
    rows = Rows(file, values.shape, values.dtype)
    for number in order:
        rows[number] = values[number]
        assert np.array_equal(rows.array[number], values[number])
    rows.close()
    assert np.array_equal(np.load(file, allow_pickle=False), values) and np.array_equal(rows.array, values)
    with pytest.raises(ValueError, match="read-only"):
        rows.array[0] = 0


def test_a_file_that_is_removed_is_still_read(tmp_path):
    found = mapped(saved(tmp_path / "x.npy", VALUES))
    (tmp_path / "x.npy").unlink()
    assert np.array_equal(found, VALUES)


def test_it_is_read_only_also_where_it_is_a_copy(tmp_path, monkeypatch):
    file = saved(tmp_path / "x.npy", VALUES)
    for possible in (True, False):
        monkeypatch.setattr(mapping, "can_be_mapped", lambda folder, possible=possible: possible)
        found = mapped(file)
        assert type(found) is np.ndarray and np.array_equal(found, VALUES)
        assert not found.flags.writeable


@pytest.mark.parametrize("values", [VALUES[:0], np.asfortranarray(VALUES[..., 0]), np.array(3)])
def test_arrays_of_any_form_are_read(tmp_path, values):
    found = mapped(saved(tmp_path / "x.npy", values))
    assert found.shape == values.shape and np.array_equal(found, values)


@pytest.mark.parametrize("left", [0, 5, 100, 128, 5000])
def test_a_file_that_is_cut_short_is_an_error(tmp_path, left):
    file = saved(tmp_path / "x.npy", VALUES)
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises((ValueError, EOFError)):
        mapped(file)


def test_jax_takes_it_over_without_a_copy_and_splits_of_it_are_joined_without_one(tmp_path):
    found = mapped(saved(tmp_path / "x.npy", VALUES))
    whole = joined([found[:2], found[2:3], found[3:]])
    assert whole.ctypes.data == found.ctypes.data and np.array_equal(whole, VALUES)
    device = jax.devices("cpu")[0]
    taken = jax.device_put(whole, device)
    assert taken.unsafe_buffer_pointer() == found.ctypes.data


def test_only_file_systems_of_this_machine_are_mapped(tmp_path, monkeypatch):
    lines = Path("/proc/self/mountinfo").read_text()
    assert can_be_mapped(tmp_path) and not can_be_mapped(tmp_path / "missing")
    kinds = {line.partition(" - ")[2].split()[0] for line in lines.splitlines()}
    monkeypatch.setattr(mapping, "_LOCAL", mapping._LOCAL - kinds)
    assert not can_be_mapped(tmp_path)
