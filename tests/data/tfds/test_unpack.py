from __future__ import annotations

import tarfile
import zipfile

import pytest

from jaxdl.data.tfds.unpack import _Manager


class Downloads:
    """Stands for TFDS's download manager: a URL is a path."""

    def download(self, urls):
        return urls


@pytest.fixture
def archives(tmp_path):
    file = tmp_path / "file.txt"
    file.write_text("inside")
    paths = {"tar": tmp_path / "a.tar.gz", "zip": tmp_path / "a.zip"}
    with tarfile.open(paths["tar"], "w:gz") as archive:
        archive.add(file, "folder/file.txt")
    with zipfile.ZipFile(paths["zip"], "w") as archive:
        archive.writestr("folder/file.txt", "inside")
        archive.writestr("../outside.txt", "outside")
    return paths


def test_archives_are_unpacked_in_the_structure_they_are_asked_for(archives, tmp_path):
    manager = _Manager(Downloads(), tmp_path / "work" / "unpacked")
    found = manager.download_and_extract({"a": archives["tar"], "b": [archives["zip"]]})
    for folder in (found["a"], *found["b"]):
        assert (folder / "folder" / "file.txt").read_text() == "inside"
    assert manager.extract(archives["tar"]) == found["a"]
    assert not list(tmp_path.glob("**/work/outside.txt")) and not (tmp_path / "outside.txt").exists()


def test_a_member_that_points_outside_is_not_unpacked(tmp_path):
    path = tmp_path / "bad.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../outside.txt"))
    with pytest.raises(tarfile.OutsideDestinationError):
        _Manager(Downloads(), tmp_path / "work").extract(path)
    assert not (tmp_path / "outside.txt").exists()


def test_the_files_of_an_archive_are_read_one_after_the_other(archives, tmp_path):
    found = [(name, file.read()) for name, file in _Manager(Downloads(), tmp_path).iter_archive(archives["tar"])]
    assert found == [("folder/file.txt", b"inside")]
