"""Pictures decoded to disk; that they are those decoded into memory is tested in tests/data/test_stream.py."""

from __future__ import annotations

import numpy as np
import pytest

from jaxdl.data.folders import on_disk, reading
from jaxdl.data.folders.listing import list_folder
from jaxdl.data.stream import is_streamed
from jaxdl.errors import UserError
from tests.data.pictures import classes


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_part_at_a_time_gives_what_memory_gives(tmp_path, monkeypatch):
    monkeypatch.setattr(on_disk, "PART_BYTES", 500)
    (tmp_path / "drafts").mkdir()
    listing = list_folder(classes(tmp_path / "set", 7))
    given = (listing, (8, 8), None, "crop", lambda line: None)
    memory = reading.decode(*given, skip=False)
    disk = on_disk.decode(*given, tmp_path / "drafts", skip=False)
    assert (memory.spec, memory.fingerprint, memory.lines) == (disk.spec, disk.fingerprint, disk.lines)
    assert is_streamed(disk.splits["train"]["inputs"])
    assert np.array_equal(np.asarray(disk.splits["train"]["inputs"]), memory.splits["train"]["inputs"])


def test_a_bad_file_stops_it_with_its_name(tmp_path):
    root = classes(tmp_path / "set", 7)
    (root / "red" / "2.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"red/2\.png.*on_bad=skip"):
        on_disk.decode(list_folder(root), (8, 8), 3, "crop", lambda line: None, tmp_path, skip=False)
