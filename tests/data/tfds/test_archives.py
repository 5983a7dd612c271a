from __future__ import annotations

import hashlib
import re

import pytest

from jaxdl.data.tfds.archives import Archive, find, flaw, manual_dir
from jaxdl.errors import UserError

CONTENT = b"the original bytes"
ARCHIVE = Archive("train.gz", "http://somewhere/train.gz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def put(data_dir, content, *below):
    path = manual_dir(data_dir).joinpath(*below) / ARCHIVE.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def find_one(data_dir, is_registered=lambda sha256: False):
    return find([ARCHIVE], data_dir, "mnist", is_registered)


def test_the_original_has_no_flaw(tmp_path):
    assert flaw(put(tmp_path, CONTENT), ARCHIVE) is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (CONTENT[:-1], "is cut short: it has 17 of 18 bytes"),
        (b"", "is cut short: it has 0 of 18 bytes"),
        (CONTENT + b"!", "is not the original: it has 19 bytes instead of 18"),
        (b"The" + CONTENT[3:], f"that of the original {ARCHIVE.sha256}"),
    ],
)
def test_a_flawed_archive_is_an_error_that_names_the_file_the_flaw_and_the_way_out(tmp_path, content, words):
    path = put(tmp_path, content)
    with pytest.raises(UserError) as error:
        find_one(tmp_path)
    assert re.match(f"{path} .*{re.escape(words)}.*http://somewhere/train.gz.*remove it", str(error.value))
    assert "\n" not in str(error.value)


def test_archives_are_found_in_the_common_folder_and_in_that_of_the_set(tmp_path):
    assert find_one(tmp_path) == {}
    own = put(tmp_path, CONTENT, "mnist")
    assert find_one(tmp_path) == {ARCHIVE: own}
    common = put(tmp_path, CONTENT)
    assert find_one(tmp_path) == {ARCHIVE: common}


def test_the_archive_of_another_set_under_the_same_name_is_left_alone(tmp_path):
    other = b"another set's archive"
    put(tmp_path, other)

    def is_registered(sha256):
        return sha256 == hashlib.sha256(other).hexdigest()

    assert find_one(tmp_path, is_registered) == {}
    own = put(tmp_path, CONTENT, "mnist")
    assert find_one(tmp_path, is_registered) == {ARCHIVE: own}


def test_a_folder_under_an_archives_name_is_no_archive(tmp_path):
    (manual_dir(tmp_path) / ARCHIVE.file).mkdir(parents=True)
    assert find_one(tmp_path) == {}
