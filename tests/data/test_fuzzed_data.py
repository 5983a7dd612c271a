"""What prepared data sets, their kept arrays and archives consist of: read, made anew, or refused in one line."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import shutil
import stat
import struct
import tarfile
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import jaxdl
from jaxdl.data.tfds.archives import Archive, find, manual_dir
from jaxdl.data.tfds.arrays import keep, kept, kept_folder
from jaxdl.data.tfds.decode import decode
from jaxdl.data.tfds.download import _peer, url_of
from jaxdl.data.tfds.idx import _unpacked
from jaxdl.data.tfds.prepared import prepared_folder
from jaxdl.errors import UserError
from jaxdl.fields import check_value, own_fields
from tests.drawn import JSON, TEXT, changed_bytes, fuzzed, json_files, one_line

SHAPES = [(4, 4, 1)] * 5
INFO = {"name": "tiny", "version": "1.0.0", "fileFormat": "array_record", "splits": [{"name": "train"}]}
CONFIG_NOTE = {"default_config_name": "letters"}


@pytest.fixture(scope="module")
def written(tmp_path_factory, write_image_set):
    return write_image_set(tmp_path_factory.mktemp("written"), SHAPES)


@pytest.fixture(scope="module")
def prepared(written, tmp_path_factory):
    """A prepared set that is kept as arrays, and what was kept."""
    folder = tmp_path_factory.mktemp("kept")
    prepared, drafts = Path(shutil.copytree(written, folder / "tiny" / "1.0.0")), folder / "drafts"
    drafts.mkdir()
    dataset = decode(prepared, "tiny")
    keep(dataset, prepared, drafts)
    return prepared, dataset


def put_set(folder):
    """Makes a folder look like a prepared set of which only the place matters."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("features.json", {}), ("dataset_info.json", INFO)):
        (folder / name).write_text(json.dumps(content))
    return folder


# Descriptions of prepared sets.


@fuzzed
@given(json_files(INFO))
def test_the_description_of_a_prepared_set_is_read_or_refused(tmp_path, content):
    folder = put_set(tmp_path / "tiny" / "1.0.0")
    (folder / "dataset_info.json").write_bytes(content)
    try:
        found = prepared_folder(tmp_path, "tiny")
    except UserError as error:
        one_line(error)
    else:
        assert found in (None, folder)


PLACES = ["..", ".", "../other", "../../other", "letters/../../other", "letters", "x" * 300, "a\0b", "\ud800", ""]


@fuzzed
@given(
    json_files(CONFIG_NOTE)
    | st.builds(lambda config: json.dumps({"default_config_name": config}).encode(), st.sampled_from(PLACES) | JSON)
)
def test_the_note_of_the_default_config_is_read_or_refused_and_leads_nowhere_else(tmp_path, content):
    put_set(tmp_path / "other" / "1.0.0")
    put_set(tmp_path / "data" / "other" / "1.0.0")
    put_set(tmp_path / "data" / "emnist" / "letters" / "1.0.0")
    note = tmp_path / "data" / "emnist" / ".config" / "metadata.json"
    note.parent.mkdir(exist_ok=True)
    note.write_bytes(content)
    try:
        found = prepared_folder(tmp_path / "data", "emnist")
    except UserError as error:
        one_line(error)
    else:
        assert found in (None, tmp_path / "data" / "emnist" / "letters" / "1.0.0")


@pytest.mark.parametrize("pattern", ["dataset_info.json", "features.json", "*train*"])
def test_a_damaged_prepared_set_is_decoded_or_refused(written, tmp_path, pattern):
    folder = Path(shutil.copytree(written, tmp_path / "tiny" / "1.0.0"))
    file = next(folder.glob(pattern))
    original = file.read_bytes()
    contents = json_files(json.loads(original)) if file.suffix == ".json" else changed_bytes(original)

    @fuzzed
    @given(contents)
    def decoded_or_refused(content):
        file.write_bytes(content)
        try:
            dataset = decode(folder, "tiny")
        except UserError as error:
            one_line(error)
        else:
            assert {len(split["inputs"]) == len(split["targets"]) for split in dataset.splits.values()} == {True}

    decoded_or_refused()


# Kept arrays.


def test_the_index_of_kept_arrays_is_read_or_not_used(prepared):
    folder, dataset = prepared
    file = kept_folder(folder) / "index.json"
    original = file.read_bytes()

    @fuzzed
    @given(json_files(json.loads(original)))
    def read_or_not_used(content):
        file.write_bytes(content)
        found = kept(folder, "tiny")
        assert found is None or (found.spec, found.fingerprint) == (dataset.spec, dataset.fingerprint)

    read_or_not_used()
    file.write_bytes(original)
    assert kept(folder, "tiny") is not None


@pytest.mark.parametrize(("split", "array"), [("train", "inputs"), ("test", "targets")])
def test_a_kept_array_is_the_one_that_was_kept_or_not_used(prepared, split, array):
    folder, dataset = prepared
    file = next(kept_folder(folder).glob(f"{split}-{array}-*"))
    original = file.read_bytes()

    @fuzzed
    @given(changed_bytes(original) | st.binary(max_size=300))
    def the_same_or_not_used(content):
        file.write_bytes(content)
        found = kept(folder, "tiny")
        if found is not None:
            got, expected = found.splits[split][array], dataset.splits[split][array]
            assert got.dtype == expected.dtype
            assert np.array_equal(got, expected)

    the_same_or_not_used()
    file.write_bytes(original)
    assert kept(folder, "tiny") is not None


# Where archives come from.

HOSTS = st.sampled_from(["host", "[::1]", "[::1", "::1]", "127.0.0.1", "", "h\u2100", "h\n", "x" * 300, "..", "\ud800"])
PORTS = st.sampled_from(["", ":", ":80", ":0", ":abc", ":65536", ":-1", ":8 0", ":\u0663"])
USERS = st.sampled_from(["", "", "@", "user@", "user:secret@", ":secret@", "a@b@", "user%40:x@"])
MIRRORS = TEXT | st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["http://", "https://", "HTTP://", "file://", "//", "http:/", "http:", " http://"]),
    USERS,
    HOSTS,
    PORTS,
    st.sampled_from(["", "/", "/mnist", "/a@b", "?x=1", "#part", "\\@other"]) | TEXT,
)


@fuzzed
@given(MIRRORS)
@example("http://[::1")
@example("http://host:abc")
@example("https://user:secret@host/mnist")
def test_a_mirror_is_a_server_without_a_secret_or_refused(mirror):
    declared = next(field for field in own_fields(jaxdl.data.Tfds()) if field.path == "mirror")
    try:
        check_value(declared, mirror)
    except UserError as error:
        assert "\n" not in str(error).replace(mirror, "")
        return
    url = url_of(Archive("train.gz", "http://registered.invalid/train.gz", 1, ""), mirror)
    host, port = _peer(url)
    assert host and 0 < port < 2**16
    assert "@" not in urlsplit(url).netloc
    assert "\n" not in url and url.encode()


# Archives.

IDX = gzip.compress(struct.pack(">4i", 2051, 3, 28, 28) + bytes(3 * 784))


@fuzzed
@given(changed_bytes(IDX) | st.binary(max_size=300))
def test_an_archive_is_the_original_or_refused(tmp_path, content):
    archive = Archive("images.gz", "http://registered.invalid/images.gz", len(IDX), hashlib.sha256(IDX).hexdigest())
    manual_dir(tmp_path).mkdir(parents=True, exist_ok=True)
    (manual_dir(tmp_path) / archive.file).write_bytes(content)
    try:
        found = find([archive], tmp_path, "mnist", lambda sha256: False)
    except UserError as error:
        one_line(error)
        assert content != IDX
    else:
        assert found and content == IDX


HOSTILE = st.sampled_from(["../outside", "a/../../outside", "/outside", "~/outside", "C:\\outside", "..", "", "link/x"])
MEMBERS = st.lists(st.tuples(HOSTILE | st.text(min_size=1, max_size=8), st.booleans()), min_size=1, max_size=4)


def packed_zip(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, is_link in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777 if is_link else stat.S_IFREG | 0o644) << 16
            archive.writestr(info, "../outside" if is_link else IDX)
    return file.getvalue()


def packed_tar(members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, is_link in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = (tarfile.SYMTYPE, "../outside") if is_link else (tarfile.REGTYPE, "")
            info.size = 0 if is_link else len(IDX)
            archive.addfile(info, io.BytesIO(IDX))
    return file.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("packed", [packed_zip, packed_tar])
@fuzzed
@given(MEMBERS)
def test_unpacking_writes_nothing_whatever_the_members_are_called(tmp_path, packed, members):
    path = tmp_path / "data" / "archive"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(packed(members))
    for name in (path, *(path / name.lstrip("/") for name, _ in members)):
        with contextlib.suppress(Exception):  # which members can be read is not the question here
            _unpacked(name)
    assert set(tmp_path.rglob("*")) == {path.parent, path}
