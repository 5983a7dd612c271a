"""Pictures decoded by number; that sets of them are the same as from memory is tested in tests/data/test_stream.py."""

from __future__ import annotations

import numpy as np
import pytest

from jaxdl.data.folders import by_index, reading
from jaxdl.data.folders.listing import list_folder
from jaxdl.errors import UserError
from tests.data.pictures import classes


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_any_pictures_in_any_order_are_those_in_memory(tmp_path):
    listing = list_folder(classes(tmp_path / "set", 5))
    given = (listing, (6, 9), 3, "pad", lambda line: None)
    memory, streamed = reading.decode(*given, skip=False), by_index.decode(*given, skip=False)
    assert (memory.spec, memory.fingerprint) == (streamed.spec, streamed.fingerprint)
    numbers = np.array([14, 0, 7, 0])
    found = np.asarray(streamed.splits["train"]["inputs"][numbers])
    assert np.array_equal(found, memory.splits["train"]["inputs"][numbers])


def test_files_are_gone_through_once(tmp_path, monkeypatch):
    listing = list_folder(classes(tmp_path / "set", 5))
    given = (listing, (6, 6), None, "crop", lambda line: None)
    first = by_index.decode(*given, skip=False)
    monkeypatch.setattr(by_index, "stored_image", lambda path, spec: pytest.fail("a picture was decoded again"))
    assert by_index.decode(*given, skip=False).fingerprint == first.fingerprint


def test_a_bad_file_stops_it_with_its_name(tmp_path):
    root = classes(tmp_path / "set", 5)
    (root / "red" / "2.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"red/2\.png.*on_bad=skip"):
        by_index.decode(list_folder(root), (6, 6), 3, "crop", lambda line: None, skip=False)
