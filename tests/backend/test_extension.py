"""Native operations are built once, for one user, and what cannot be built is said in a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from jaxdl.backend import extension
from jaxdl.ops import library

pytestmark = pytest.mark.skipif(not library.can_be_built(), reason="needs a C++ compiler and the extra native")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source that is built in a moment, with a cache folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "small.cc"
    file.write_text('extern "C" int small() { return 3; }')
    return file


def test_a_source_is_built_once_and_again_after_a_change(source):
    assert not extension.is_built(source)
    built = extension.build(source)
    assert extension.is_built(source)
    before = built.stat()
    assert extension.build(source) == built
    assert built.stat() == before
    extension.load(built, ())
    source.write_text('extern "C" int small() { return 4; }')
    assert extension.build(source) != built


def test_what_the_compiler_refuses_is_said_with_its_first_error(source):
    source.write_text("int small( {")
    with pytest.raises(extension.NotBuilt, match=r"status 1: .*small\.cc:1:\d+: error"):
        extension.build(source)
    assert list(extension.wanted(source).parent.iterdir()) == []


def test_a_library_that_others_could_have_written_is_not_loaded(source):
    built = extension.build(source)
    built.parent.chmod(0o777)
    assert not extension.is_built(source)
    with pytest.raises(extension.NotBuilt, match="others may write"):
        extension.build(source)


def test_a_library_that_is_cut_short_is_removed_and_built_again(source):
    built = extension.build(source)
    built.chmod(0o700)
    built.write_bytes(built.read_bytes()[:100])
    with pytest.raises(extension.NotBuilt, match="cannot be loaded"):
        extension.load(built, ())
    assert extension.build(source) == built
    extension.load(built, ())


def test_a_missing_package_is_named(source, monkeypatch):
    monkeypatch.setattr(extension, "_HEADERS", "no-such-package")
    with pytest.raises(extension.NotBuilt, match=r"no-such-package is not installed: pip install 'jaxdl\[native\]'"):
        extension.build(source)


def test_a_folder_that_cannot_be_written_is_named(source, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(extension.NotBuilt, match="file/jaxdl/native: Not a directory"):
        extension.build(source)
