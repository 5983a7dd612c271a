from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.data import Digits, Tfds
from jaxdl.data.sources.tfds import STAND_INS
from jaxdl.data.tfds.download import Limits
from jaxdl.errors import UserError
from jaxdl.fields import check_value, own_fields

ROOT = Path(jaxdl.__file__).parents[1]
NOWHERE = "http://no-such-host.invalid"


def ignore(line):
    pass


def test_mnist_is_loaded_with_its_splits(prepared_mnist):
    dataset = Tfds("mnist").load(prepared_mnist, ignore)
    sizes = {name: len(split["inputs"]) for name, split in dataset.splits.items()}
    assert sizes == {"train": 54_000, "validation": 6_000, "test": 10_000}
    assert (dataset.requested, dataset.used, dataset.substituted) == ("mnist", "mnist", False)
    assert dataset.train_examples == 60_000
    assert dataset.spec.class_names == tuple("0123456789")


def test_validation_holds_examples_of_train_and_never_of_test(prepared_mnist):
    whole = Tfds("mnist", validation=0.0).load(prepared_mnist, ignore)
    cut = Tfds("mnist", validation=0.25).load(prepared_mnist, ignore)

    def pairs(split):
        return sorted((i.tobytes(), int(t)) for i, t in zip(split["inputs"], split["targets"], strict=True))

    assert sorted(pairs(cut.splits["train"]) + pairs(cut.splits["validation"])) == pairs(whole.splits["train"])
    assert np.array_equal(cut.splits["test"]["inputs"], whole.splits["test"]["inputs"])
    assert len(cut.splits["validation"]["inputs"]) == 15_000
    assert cut.fingerprint == whole.fingerprint


def test_a_second_load_takes_a_fraction_of_a_second_of_computing_and_imports_nothing_heavy(prepared_mnist):
    code = f"""
import sys, pathlib, time
from jaxdl.data import Tfds
start = time.process_time()
dataset = Tfds("mnist").load(pathlib.Path({str(prepared_mnist)!r}))
assert time.process_time() - start < 1, time.process_time() - start
print({{"tensorflow", "tensorflow_datasets", "array_record", "PIL", "requests", "sklearn"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout == "set()\n", done.stderr


def test_arrays_that_cannot_be_kept_are_decoded_each_time_and_that_is_said(tmp_path, write_image_set, monkeypatch):
    write_image_set(tmp_path, [(4, 4, 1)] * 5)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    lines: list[str] = []
    assert len(Tfds("tiny").load(tmp_path, lines.append).splits["test"]["inputs"]) == 5
    assert lines == [f"Decoding tiny; the decoded arrays cannot be stored: {tmp_path / 'tiny'} is not writable."]
    assert [path.name for path in (tmp_path / "tiny").iterdir()] == ["1.0.0"]


def test_the_stand_in_is_digits_under_a_banner_that_tells_all(tmp_path):
    lines: list[str] = []
    source = Tfds("mnist", mirror=NOWHERE, validation=0.2)
    dataset = source.load(tmp_path, lines.append)
    digits = Digits(validation=0.2).load(tmp_path)
    assert (dataset.requested, dataset.used, dataset.substituted) == ("mnist", "digits", True)
    assert dataset.fingerprint == digits.fingerprint
    assert dataset.spec == digits.spec
    assert np.array_equal(dataset.splits["validation"]["inputs"], digits.splits["validation"]["inputs"])

    (banner,) = lines
    rows = banner.splitlines()
    assert rows[0] == rows[2] == rows[-1] == "#" * 100
    assert "no figure of this run is about mnist" in rows[1]
    for words in (
        "requested mnist",
        "used      digits (scikit-learn's 1,797 handwritten digits",
        f"why       not prepared in {tmp_path}",
        f"no original archives in {tmp_path}/downloads/manual",
        "not downloaded: no connection to no-such-host.invalid",
        "train-images-idx3-ubyte.gz",
        f"into {tmp_path}/downloads/manual",
        "--data.fallback=none makes this an error",
    ):
        assert words in banner.replace("\n#            ", " ") or words in banner


@pytest.mark.parametrize("name", STAND_INS)
def test_what_a_stand_in_is_and_how_many_passes_make_an_epoch_is_declared(name, tmp_path):
    stand_in = STAND_INS[name]
    lines: list[str] = []
    dataset = Tfds(name, mirror=NOWHERE).load(tmp_path, lines.append)
    assert (dataset.used, dataset.passes) == (stand_in.source.requested, stand_in.passes)
    assert stand_in.words in lines[-1]
    passes = f"an epoch is {stand_in.passes} passes over it"
    assert (passes in lines[-1]) == (stand_in.passes > 1) == ("an epoch" in lines[-1])
    with pytest.raises(UserError, match=rf"--data\.fallback=embedded \({stand_in.kind} stand in\)"):
        Tfds(name, fallback="none", mirror=NOWHERE).load(tmp_path, ignore)


def test_without_the_stand_in_one_line_says_what_was_tried_and_what_to_do(tmp_path):
    with pytest.raises(UserError) as error:
        Tfds("mnist", fallback="none", mirror=NOWHERE).load(tmp_path, ignore)
    message = str(error.value)
    assert "\n" not in message
    for words in (
        f"mnist is not available: not prepared in {tmp_path};",
        f"no original archives in {tmp_path}/downloads/manual;",
        "not downloaded: no connection to no-such-host.invalid",
        "put t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz, train-images-idx3-ubyte.gz, ",
        "or use --data.fallback=embedded",
    ):
        assert words in message


def test_a_set_without_a_stand_in_is_an_error_whatever_the_fallback(tmp_path):
    with pytest.raises(UserError, match=r"kmnist is not available: .*connect to the network\.$"):
        Tfds("kmnist", mirror=NOWHERE).load(tmp_path, ignore)


def test_a_bad_archive_is_never_covered_by_the_stand_in(tmp_path):
    path = tmp_path / "downloads" / "manual" / "train-labels-idx1-ubyte.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half")
    with pytest.raises(UserError, match=rf"{path} is cut short: it has 4 of 28,881 bytes"):
        Tfds("mnist", fallback="embedded", mirror=NOWHERE).load(tmp_path, ignore)


def test_a_missing_network_is_noticed_within_ten_seconds(tmp_path):
    code = f"""
import pathlib, time
from jaxdl.data import Tfds
start = time.monotonic()
print(Tfds("mnist", mirror={NOWHERE!r}).load(pathlib.Path({str(tmp_path)!r})).used, time.monotonic() - start)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=dict(os.environ))
    used, seconds = done.stdout.splitlines()[-1].split()
    assert used == "digits", done.stderr
    assert float(seconds) < 10, "importing TFDS and scikit-learn included"
    assert list(tmp_path.iterdir()) == []


def test_a_silent_server_leads_to_the_stand_in(tmp_path, servers, monkeypatch):
    monkeypatch.setattr("jaxdl.data.sources.tfds.LIMITS", Limits(silent_seconds=0.5))
    lines: list[str] = []
    dataset = Tfds("mnist", mirror=servers.silent()).load(tmp_path, lines.append)
    assert dataset.used == "digits"
    assert "127.0.0.1 is silent: no answer within 0.5 s" in lines[-1]


@pytest.mark.parametrize(
    ("field", "value", "right"),
    [
        ("name", "fashion_mnist", True),
        ("name", "emnist/letters", True),
        ("name", "Fashion", False),
        ("name", "mnist:3.0.1", True),
        ("name", "emnist/letters:3.1.0", True),
        ("name", "mnist:3.0", False),
        ("name", "mnist:", False),
        ("name", "mnist:../1", False),
        ("name", "mnist/..", False),
        ("mirror", "", True),
        ("mirror", "https://host/mnist", True),
        ("mirror", "host/mnist", False),
        ("mirror", "http://", False),
        ("mirror", "file:///data", False),
        ("mirror", "http://host:8080/mnist", True),
        ("mirror", "http://[::1]:8080/@mnist", True),
        ("mirror", "http://[::1", False),
        ("mirror", "http://host:abc", False),
        ("mirror", "http://host:65536", False),
        ("mirror", "http://host:0", False),
        ("mirror", "http://ho st", False),
        ("mirror", "http://host\n", False),
        ("mirror", "http://host/\ud800", False),
        ("fallback", "none", True),
        ("fallback", "embeded", False),
        ("validation", 0.5, True),
        ("validation", 1.0, False),
        ("validation", -0.1, False),
    ],
)
def test_fields_are_checked(field, value, right):
    declared = next(f for f in own_fields(Tfds()) if f.path == field)
    if right:
        check_value(declared, value)
    else:
        with pytest.raises(UserError):
            check_value(declared, value)


@pytest.mark.parametrize("mirror", ["https://user:secret@host/mnist", "https://user@host", "https://@host"])
def test_a_mirror_with_a_password_is_refused_with_the_place_for_it(mirror):
    declared = next(f for f in own_fields(Tfds()) if f.path == "mirror")
    with pytest.raises(UserError, match=r"must not contain a user name or password.*put them into ~/\.netrc") as error:
        check_value(declared, mirror)
    assert "\n" not in str(error.value)


def test_sources_are_frozen_values():
    assert Tfds("mnist") == Tfds("mnist") != Tfds("mnist", validation=0.2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Tfds("mnist").name = "kmnist"  # type: ignore[misc]


def test_its_library_is_imported_when_asked_for() -> None:
    code = "import sys; from jaxdl import Tfds; source = Tfds(); before = 'tensorflow_datasets' in sys.modules\n"
    code += "source.import_libraries(); print(before, 'tensorflow_datasets' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


@pytest.fixture(scope="module")
def flowers(tmp_path_factory, write_set):
    """A set of rows with a train split alone: 30 of one class and 10 of another."""
    from tensorflow_datasets import features as f

    data_dir = tmp_path_factory.mktemp("flowers")
    random = np.random.RandomState(0)
    examples = [
        {"row": (random.randn(3) * 5 + 70).astype(np.float32), "label": int(n >= 30), "size": 1000.0 + n}
        for n in range(40)
    ]
    features = {
        "row": f.Tensor(shape=(3,), dtype=np.float32),
        "label": f.ClassLabel(names=["rose", "tulip"]),
        "size": np.float32,
    }
    write_set(data_dir, features, {"train": examples}, name="flowers", supervised=("row", "label"))
    return data_dir


def test_where_train_is_alone_test_is_a_share_of_each_class(flowers):
    dataset = Tfds("flowers", test=0.2, validation=0.25).load(flowers, ignore)
    counts = {name: np.bincount(split["targets"]).tolist() for name, split in dataset.splits.items()}
    assert counts["test"] == [6, 2]
    assert len(dataset.splits["validation"]["targets"]) == 8 and dataset.train_examples == 32
    rows = np.concatenate([split["inputs"] for split in dataset.splits.values()])
    assert len(np.unique(rows, axis=0)) == 40
    again = Tfds("flowers", test=0.5, validation=0).load(flowers, ignore)
    assert again.fingerprint == dataset.fingerprint, "of what the set has, before anything is cut"


def test_numbers_are_standardised_by_train(flowers):
    source = Tfds("flowers", targets=("size",), split="train[:50%]", test_split="train[50%:]")
    dataset = source.load(flowers, ignore)
    train = dataset.splits["train"]
    scaled = dataset.spec.preprocess(train["inputs"])
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(0), 1, rtol=1e-4)
    np.testing.assert_allclose(dataset.spec.target.mean, train["targets"].mean(), rtol=1e-6)
    np.testing.assert_allclose(dataset.spec.target.deviation, train["targets"].std(), rtol=1e-4)
    assert (dataset.spec.outputs, dataset.spec.class_names) == (1, ())


def test_what_was_chosen_is_kept_beside_what_was_chosen_before(flowers):
    sources = [Tfds("flowers"), Tfds("flowers", split="train[:50%]"), Tfds("flowers", targets=("size",))]
    first = [source.load(flowers, ignore) for source in sources]
    lines: list[str] = []
    second = [source.load(flowers, lines.append) for source in sources]
    assert lines == []
    assert len({dataset.fingerprint for dataset in first}) == 3
    for one, other in zip(first, second, strict=True):
        assert (one.spec, one.fingerprint) == (other.spec, other.fingerprint)
        for name, split in one.splits.items():
            for key, array in split.items():
                np.testing.assert_array_equal(array, other.splits[name][key])


def test_a_set_of_the_users_own_is_described_before_it_is_loaded(flowers, tmp_path, write_set):
    assert Tfds("flowers", inputs=("size",)).spec(flowers).input_shape == ()
    write_set(tmp_path, {"x": np.float32, "y": np.float32}, {"train": [{"x": 1.0, "y": 2.0}]}, supervised=("x", "y"))
    assert Tfds("own").spec(tmp_path).outputs == 1


def test_what_is_chosen_of_a_set_has_no_stand_in(tmp_path):
    with pytest.raises(UserError, match=r"mnist is not available: .*connect to the network\.$"):
        Tfds("mnist", split="train[:80%]", mirror=NOWHERE).load(tmp_path, ignore)
    assert Tfds("mnist:3.0.1", mirror=NOWHERE).load(tmp_path, ignore).used == "digits"
