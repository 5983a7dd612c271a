from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordReader

import jaxdl
from jaxdl.data.tfds.archives import manual_dir
from jaxdl.data.tfds.choice import Choice
from jaxdl.data.tfds.download import Limits
from jaxdl.data.tfds.obtain import Request, Unavailable, obtain
from jaxdl.data.tfds.prepared import prepared_folder
from jaxdl.errors import UserError

ROOT = Path(jaxdl.__file__).parents[1]
SHORT = Limits(address_seconds=0.3, connect_seconds=0.8, silent_seconds=0.5)
TRAIN_IMAGES = "train-images-idx3-ubyte.gz"


def ignore(line):
    pass


get = functools.partial(Request, notify=ignore, limits=SHORT)


@pytest.fixture
def mirror(servers, mnist_archives):
    return servers.folder(mnist_archives)


def records(path):
    reader = ArrayRecordReader(str(path))
    try:
        return reader.read_all()
    finally:
        reader.close()


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# Step 1: prepared.


def test_a_damaged_description_names_the_way_out(tmp_path, write_image_set):
    folder = write_image_set(tmp_path, [(4, 4, 1)] * 5)
    (folder / "dataset_info.json").write_text("{")
    with pytest.raises(
        UserError, match=rf"dataset_info\.json is damaged \(.*\)\. Remove {folder}, and it will be created"
    ):
        obtain(get("tiny", tmp_path))


def test_a_set_that_tfds_does_not_know_is_used_where_it_is_prepared(tmp_path, write_image_set):
    folder = write_image_set(tmp_path, [(4, 4, 1)] * 5)
    assert obtain(get("tiny", tmp_path)) == folder


@pytest.mark.parametrize("name", ["own/big", "own", "own/big:1.2.3"])
def test_a_users_own_builder_with_a_config_is_found_by_any_of_its_names(tmp_path, write_set, name):
    folder = write_set(tmp_path, {"x": np.float32}, {"train": [{"x": 1.0}]}, version="1.2.3", config="big")
    assert obtain(get(name, tmp_path)) == folder


def test_a_version_that_is_not_there_says_which_are(tmp_path, write_image_set):
    folder = write_image_set(tmp_path, [(4, 4, 1)] * 5)
    assert obtain(get("tiny:1.0.0", tmp_path)) == folder
    with pytest.raises(UserError, match=rf"tiny:2\.0\.0 is not prepared in {tmp_path}, which has 1\.0\.0 of it; and"):
        obtain(get("tiny:2.0.0", tmp_path))
    with pytest.raises(UserError, match=r"^tensorflow-datasets prepares 3\.0\.1 of mnist, not 1\.0\.0: leave the"):
        obtain(get("mnist:1.0.0", tmp_path))


def test_the_version_that_tfds_prepares_is_prepared_though_another_is_there(tmp_path, link_archives, monkeypatch):
    link_archives(tmp_path)
    prepares_nothing(monkeypatch)
    assert len(obtain(get("mnist:3.0.1", tmp_path))) == 4  # type: ignore[arg-type]


# Step 2: original archives.


@pytest.mark.slow
def test_a_killed_preparation_leaves_nothing_half_prepared(tmp_path, link_archives):
    link_archives(tmp_path)
    code = f"""
import pathlib
from jaxdl.data.tfds.obtain import Request, obtain
obtain(Request("mnist", pathlib.Path({str(tmp_path)!r})))
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not any("array_record" in name for name in files(tmp_path)):  # the writing has begun
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "mnist").exists()
    assert prepared_folder(tmp_path, "mnist") is None
    folder = obtain(get("mnist", tmp_path))
    assert folder == tmp_path / "mnist" / "3.0.1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["downloads", "mnist"], "the killed one's folder is gone"


@pytest.mark.slow
def test_two_processes_prepare_once(tmp_path, link_archives):
    link_archives(tmp_path)
    code = f"""
import pathlib
from jaxdl.data import Tfds
print(Tfds("mnist").load(pathlib.Path({str(tmp_path)!r})).fingerprint)
"""
    command = [sys.executable, "-c", code]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate()[0].splitlines() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert outputs[0][-1] == outputs[1][-1]
    assert sum(line.startswith("Preparing") for lines in outputs for line in lines) == 1
    assert not any(line.startswith("Decoding") for lines in outputs for line in lines)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_an_archive_that_is_no_original_is_refused_before_the_network_is_asked(tmp_path, name):
    path = manual_dir(tmp_path) / "t10k-labels-idx1-ubyte.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(40))
    before = files(tmp_path)
    with pytest.raises(UserError, match=rf"{path} is cut short: it has 40 of [45],\d\d\d bytes"):
        obtain(get(name, tmp_path, mirror="http://no-such-host.invalid"))
    assert files(tmp_path) == before


def test_an_altered_archive_is_refused(tmp_path, link_archives, mnist_archives):
    manual = link_archives(tmp_path)
    content = bytearray((mnist_archives / TRAIN_IMAGES).read_bytes())
    content[1_000_000] ^= 1
    (manual / TRAIN_IMAGES).unlink()
    (manual / TRAIN_IMAGES).write_bytes(content)
    with pytest.raises(
        UserError, match=rf"{TRAIN_IMAGES} is altered: its sha256 is \w{{64}}, that of the original 440fca"
    ):
        obtain(get("mnist", tmp_path))
    assert not (tmp_path / "mnist").exists()


def test_the_archives_of_mnist_do_not_stand_in_the_way_of_fashion_mnist(tmp_path, link_archives):
    link_archives(tmp_path)
    with pytest.raises(Unavailable, match=r"no connection to no-such-host\.invalid"):
        obtain(get("fashion_mnist", tmp_path, mirror="http://no-such-host.invalid"))


# Step 3: downloaded.


def prepares_nothing(monkeypatch):
    """Lets `obtain` return the places of the archives, without a set being prepared from them."""
    obtaining = "jaxdl.data.tfds.obtain"
    monkeypatch.setattr(f"{obtaining}.prepare_idx", lambda builder, name, files, folder: (files, None))
    monkeypatch.setattr(f"{obtaining}.prepare.publish", lambda files, data_dir: files)
    monkeypatch.setattr(f"{obtaining}.keep", lambda dataset, prepared, drafts: None)


def test_a_mirror_gives_the_same_prepared_set(tmp_path, mirror, prepared_mnist):
    lines: list[str] = []
    folder = obtain(get("mnist", tmp_path, mirror=mirror, notify=lines.append))
    other = prepared_mnist / "mnist" / "3.0.1"
    assert (folder / "dataset_info.json").read_text() == (other / "dataset_info.json").read_text()
    assert [records(path) for path in sorted(folder.glob("*-of-*"))] == [
        records(path) for path in sorted(other.glob("*-of-*"))
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["downloads", "mnist"]
    assert "Downloading: 11.1 of 11.1 MiB (train-labels-idx1-ubyte.gz)" in lines


def test_only_what_is_missing_is_downloaded(tmp_path, servers, mnist_archives, link_archives, monkeypatch):
    manual = link_archives(tmp_path)
    (manual / "t10k-labels-idx1-ubyte.gz").unlink()
    asked = []

    def answer(request):
        asked.append(request.path)
        request.send_response(200)
        request.end_headers()
        request.wfile.write((mnist_archives / request.path[1:]).read_bytes())

    prepares_nothing(monkeypatch)
    found = obtain(get("mnist", tmp_path, mirror=servers.start(answer)))
    assert asked == ["/t10k-labels-idx1-ubyte.gz"]
    names = sorted(path.name for path in found.values())  # type: ignore[attr-defined]
    assert names == sorted(path.name for path in mnist_archives.iterdir())


def test_a_download_does_not_replace_the_archive_of_another_set(
    tmp_path, servers, mnist_archives, link_archives, monkeypatch
):
    # The archives of MNIST play those of Fashion-MNIST here: its real ones are not at hand.
    fashion = jaxdl.data.tfds.prepare.builder_class("fashion_mnist")
    mnist = jaxdl.data.tfds.prepare.builder_class("mnist")
    monkeypatch.setattr(fashion, "url_infos", mnist.url_infos)
    manual = manual_dir(tmp_path)
    manual.mkdir(parents=True)
    (manual / TRAIN_IMAGES).write_bytes(b"the archive of another set")
    monkeypatch.setattr("jaxdl.data.tfds.prepare.is_registered", lambda sha256: True)
    prepares_nothing(monkeypatch)
    obtain(get("fashion_mnist", tmp_path, mirror=servers.folder(mnist_archives)))
    assert (manual / TRAIN_IMAGES).read_bytes() == b"the archive of another set"
    assert (manual / "fashion_mnist" / TRAIN_IMAGES).read_bytes() == (mnist_archives / TRAIN_IMAGES).read_bytes()
    assert (manual / "train-labels-idx1-ubyte.gz").is_file()


@pytest.mark.parametrize("damage", ["cut short", "altered"])
def test_a_damaged_download_is_an_error_and_nothing_is_left(tmp_path, servers, mnist_archives, damage):
    def answer(request):
        content = bytearray((mnist_archives / request.path[1:]).read_bytes())
        if request.path[1:] == TRAIN_IMAGES:  # the third of the four
            content = content[:-100] if damage == "cut short" else content[:-100] + bytes(100)
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    words = "sent only 9,912,322 of the 9,912,422 bytes" if damage == "cut short" else "instead of 440fcabf73cc546f"
    with pytest.raises(UserError, match=words) as error:
        obtain(get("mnist", tmp_path, mirror=servers.start(answer)))
    assert TRAIN_IMAGES in str(error.value)
    assert files(tmp_path) == []


@pytest.mark.parametrize("kind", ["silent", "stops", "refused", "404", "unknown host"])
def test_a_server_that_does_not_deliver_leaves_nothing_and_is_named(tmp_path, servers, kind):
    url, words = {
        "silent": (servers.silent(), "127.0.0.1 is silent"),
        "stops": (servers.silent(bytes(100)), "127.0.0.1 fell silent"),
        "refused": (servers.none(), "no connection to 127.0.0.1 (Connection refused)"),
        "404": (servers.start(lambda request: request.send_error(404)), "idx3-ubyte.gz answered 404 Not Found"),
        "unknown host": ("http://no-such-host.invalid", "no connection to no-such-host.invalid"),
    }[kind]
    with pytest.raises(Unavailable) as error:
        obtain(get("mnist", tmp_path, mirror=url))
    assert error.value.reasons[:2] == (f"not prepared in {tmp_path}", f"no original archives in {manual_dir(tmp_path)}")
    assert error.value.reasons[2].startswith("not downloaded: ")
    assert words in error.value.reasons[2]
    assert TRAIN_IMAGES in error.value.way_out
    assert files(tmp_path) == []


def test_when_some_archives_are_there_and_the_others_cannot_be_had_the_missing_are_named(tmp_path, link_archives):
    manual = link_archives(tmp_path)
    (manual / TRAIN_IMAGES).unlink()
    with pytest.raises(
        UserError, match=rf"{manual} holds some archives of mnist but not {TRAIN_IMAGES}, which could not"
    ):
        obtain(get("mnist", tmp_path, mirror="http://no-such-host.invalid"))


# The data folder, and names.


def test_a_folder_that_does_not_exist_yet_holds_nothing_and_is_not_made_in_vain(tmp_path):
    with pytest.raises(Unavailable):
        obtain(get("mnist", tmp_path / "none", mirror="http://no-such-host.invalid"))
    assert files(tmp_path) == []


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"data_dir=.*/file is not a folder"):
        obtain(get("mnist", tmp_path / "file"))


def test_a_folder_that_cannot_be_written_is_an_error_unless_it_is_the_default(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the superuser may write everywhere
    with pytest.raises(UserError, match=rf"mnist cannot be prepared: {tmp_path} is not writable\. Choose another"):
        obtain(get("mnist", tmp_path, mirror="http://no-such-host.invalid"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(Unavailable, match=rf"not downloaded: {tmp_path} is not writable"):
        obtain(get("mnist", tmp_path, mirror="http://no-such-host.invalid"))


def test_a_full_disk_is_told_in_one_line(tmp_path, mirror, monkeypatch):
    import errno

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("jaxdl.data.tfds.obtain.prepare_idx", full)
    with pytest.raises(UserError, match=rf"cannot write {tmp_path}: No space left on device; free some space\."):
        obtain(get("mnist", tmp_path, mirror=mirror))


def test_an_unknown_name_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"unknown data set 'mnits'\. Did you mean 'mnist'\?"):
        obtain(get("mnits", tmp_path))


@pytest.mark.skipif(find_spec("tensorflow") is not None, reason="TensorFlow is installed here")
@pytest.mark.parametrize("name", ["svhn_cropped", "cats_vs_dogs"])
def test_sets_of_other_formats_need_the_extra(tmp_path, name):
    with pytest.raises(
        UserError, match=rf"^{name} is not prepared; .* needs the package tensorflow: pip install tensorflow"
    ):
        obtain(get(name, tmp_path, choice=Choice(size=(64, 64))))


@pytest.mark.parametrize("name", ["glue/mnli", "glue/qqp"])
def test_what_is_not_trained_on_is_refused_before_anything_is_downloaded(tmp_path, name):
    with pytest.raises(UserError, match=rf"{name} holds .*, and does not say which are inputs: give --data.inputs"):
        obtain(get(name, tmp_path, choice=Choice()))
    assert files(tmp_path) == []
