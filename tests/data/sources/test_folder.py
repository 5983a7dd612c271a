from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import jaxdl
from jaxdl.data import DATA, load_image, load_images
from jaxdl.errors import UserError
from jaxdl.fields import check_value, own_fields
from tests.data.pictures import classes, gray, picture


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "jaxdl" / "data"


def load(root, lines=None, **fields):
    return jaxdl.Folder(str(root), **fields).load(notify=(lines if lines is not None else []).append)


def test_sub_folders_are_classes_and_validation_and_test_are_cut_from_each(tmp_path):
    dataset = load(classes(tmp_path / "set", each=10), size=8)
    assert dataset.spec.class_names == ("blue", "green", "red")
    assert dataset.spec.input_shape == (8, 8, 3)
    assert {name: len(split["inputs"]) for name, split in dataset.splits.items()} == {
        "train": 21,
        "validation": 3,
        "test": 6,
    }
    for name, each in (("train", 7), ("validation", 1), ("test", 2)):
        split = dataset.splits[name]
        assert split["inputs"].dtype == np.uint8 and split["targets"].dtype == np.int32
        assert np.bincount(split["targets"]).tolist() == [each] * 3
        brightest = split["inputs"][..., [2, 0]].mean((1, 2))  # blue and red
        assert (np.argmax(brightest, 1)[split["targets"] != 1] == split["targets"][split["targets"] != 1] // 2).all()
    assert dataset.requested == dataset.used == f"folder:{tmp_path / 'set'}"


def test_a_folder_is_named_as_kind_and_path():
    assert DATA.make("folder:~/pictures") == jaxdl.Folder("~/pictures")
    assert DATA.make("folder") == jaxdl.Folder("images")
    with pytest.raises(UserError, match="Give one of folder:PATH"):
        DATA.make("pictures:x")


def test_folders_of_splits_are_used_as_they_are(tmp_path):
    for split, each in (("train", 3), ("valid", 1), ("test", 2)):
        classes(tmp_path / split, each)
    (tmp_path / "README.txt").write_text("where they come from")
    dataset = load(tmp_path, size=4)
    assert {name: len(split["inputs"]) for name, split in dataset.splits.items()} == {
        "train": 9,
        "validation": 3,
        "test": 6,
    }
    assert dataset.train_examples == 9


def test_pictures_are_as_prediction_reads_them(tmp_path):
    root = classes(tmp_path / "train", each=3)
    for fit in ("stretch", "crop", "pad"):
        dataset = load(tmp_path, size="6x9", fit=fit)
        assert dataset.spec.input_shape == (6, 9, 3) and dataset.spec.fit == fit
        files = sorted(root.rglob("*.png"))
        expected = load_images(files, dataset.spec)
        assert np.array_equal(expected[0], np.rint(load_image(files[0], (6, 9, 3), fit) * 255))
        found = np.concatenate([split["inputs"] for split in dataset.splits.values()])
        assert sorted(image.tobytes() for image in found) == sorted(image.tobytes() for image in expected)


def test_channels_follow_every_picture_of_train_and_not_the_first(tmp_path):
    for name in ("a", "b"):
        for number in range(3):
            gray(tmp_path / "train" / name / f"{number}.webp", number)  # a format without gray
        picture(tmp_path / "test" / name / "0.png")
    dataset = load(tmp_path, size=8)
    assert dataset.spec.input_shape == (8, 8, 1)
    assert np.array_equal(
        dataset.splits["test"]["inputs"],
        load_images([tmp_path / "test" / name / "0.png" for name in "ab"], dataset.spec),
    )
    assert load(tmp_path, size=8, channels=3).spec.input_shape == (8, 8, 3)
    picture(tmp_path / "train" / "b" / "z.png")
    assert load(tmp_path, size=8).spec.input_shape == (8, 8, 3)
    assert load(tmp_path, size=8, channels=1).spec.input_shape == (8, 8, 1)


def test_each_channel_is_standardised_by_train(tmp_path):
    dataset = load(classes(tmp_path, each=5), size=8)
    train = dataset.splits["train"]["inputs"].astype(np.float64) / 255
    preprocess = dataset.spec.preprocess
    np.testing.assert_allclose(preprocess.mean, train.mean((0, 1, 2)), rtol=1e-9)
    np.testing.assert_allclose(preprocess.deviation, train.std((0, 1, 2)), rtol=1e-9)
    plain = load(tmp_path, size=8, normalize=False)
    assert (plain.spec.preprocess.scale, plain.spec.preprocess.mean) == (1 / 255, ())


def test_folders_below_a_class_and_links_out_of_it_are_read_and_a_loop_ends(tmp_path):
    root = classes(tmp_path / "set", each=2, names=("a", "b"))
    picture(root / "a" / "deep" / "deeper" / "x.png")
    elsewhere = picture(tmp_path / "elsewhere" / "y.png").parent
    (root / "b" / "link").symlink_to(elsewhere)
    (root / "b" / "file.png").symlink_to(elsewhere / "y.png")
    (root / "a" / "loop").symlink_to(root / "a")
    (root / "a" / "self").symlink_to("self")
    with pytest.raises(UserError, match=r"a/self: the link leads nowhere"):
        load(root, size=4)
    (root / "a" / "self").unlink()
    dataset = load(root, size=4, test=0.0, validation=0.0)
    assert np.bincount(dataset.splits["train"]["targets"]).tolist() == [3, 4]


def test_what_systems_leave_behind_is_passed_over(tmp_path):
    classes(tmp_path, each=2, names=("a", "b"))
    for name in (".DS_Store", "a/Thumbs.db", "a/desktop.ini", "b/._0.png", ".git/x/0.png", "__MACOSX/a/0.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"no picture")
    assert load(tmp_path, size=4).spec.class_names == ("a", "b")


@pytest.mark.parametrize(
    ("size", "problem"),
    [(0, "from 1"), (20_000, "from 1"), ("big", "HEIGHTxWIDTH"), ("64x", "HEIGHTxWIDTH"), ("x64", "HEIGHTxWIDTH")],
)
def test_a_wrong_size_is_named(size, problem):
    (field,) = [field for field in own_fields(jaxdl.Folder()) if field.path == "size"]
    with pytest.raises(UserError, match=problem):
        check_value(field, size)
    check_value(field, "48x64")


def test_a_folder_that_is_not_there_is_told_the_nearest_name(tmp_path):
    classes(tmp_path / "flowers")
    with pytest.raises(UserError, match=r"flower: there is no such folder. Did you mean 'flowers'\?"):
        load(tmp_path / "flower")
    with pytest.raises(UserError, match=r"none: there is no such folder. There is no .*/no either"):
        load(tmp_path / "no" / "none")
    with pytest.raises(UserError, match=r"0.png: this is a file"):
        load(tmp_path / "flowers" / "red" / "0.png")


def test_generated_pictures_stand_in_loudly_where_no_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines: list[str] = []
    dataset = load("images", lines, size="20x24", fallback="embedded")
    assert dataset.substituted and dataset.requested == "folder:images" and dataset.used == "shapes"
    assert dataset.spec.input_shape == (24, 24, 3) and len(dataset.spec.preprocess.mean) == 3
    told = " ".join(lines[0].replace("#", "").split())
    assert "STAND-IN DATA" in told and "there is no such folder" in told and "--data=folder:PATH" in told
    with pytest.raises(UserError, match="no such folder"):
        load("images", size=8)
    classes(tmp_path / "images")
    assert not load("images", size=8, fallback="embedded").substituted
    with pytest.raises(UserError, match="Did you mean 'images'"):  # a folder that is named is never replaced
        load("imags", size=8, fallback="embedded")


def test_decoded_pictures_are_kept_until_a_file_changes(tmp_path, cache, monkeypatch):
    root, lines = classes(tmp_path / "set"), list[str]()
    first = load(root, lines, size=8)
    assert len(lines) == 1 and str(cache) in lines[0] and "it may be deleted" in lines[0]
    opened = []
    really = Image.open

    def counted(*given, **named):
        opened.append(given)
        return really(*given, **named)

    monkeypatch.setattr(Image, "open", counted)
    again = load(root, lines, size=8)
    assert not opened and len(lines) == 1
    assert again.fingerprint == first.fingerprint and again.spec == first.spec
    for name, split in first.splits.items():
        assert all(np.array_equal(again.splits[name][key], array) for key, array in split.items())
    picture(root / "red" / "0.png", (1, 2, 3))
    changed = load(root, lines, size=8)
    assert len(opened) == 12 and changed.fingerprint != first.fingerprint
    assert len(list(cache.iterdir())) == 1, "the old arrays are gone"
    load(root, lines, size=9)
    assert len(list(cache.iterdir())) == 2


def test_what_is_left_out_is_listed_at_each_load(tmp_path):
    root = classes(tmp_path, each=2)
    (root / "red" / "notes.txt").write_text("")
    for _ in range(2):
        lines: list[str] = []
        load(root, lines, size=8, on_bad="skip")
        assert [line for line in lines if "kept in" not in line] == [
            "1 of the files or classes cannot be used and are left out (--data.on_bad=skip):",
            f"  {root}/red/notes.txt: this is not an image file that Pillow can read",
        ]


def test_damage_of_what_is_kept_is_noticed_and_it_is_made_anew(tmp_path, cache):
    root, lines = classes(tmp_path / "set"), list[str]()
    first = load(root, lines, size=8)
    (kept,) = cache.glob("*/inputs-*")
    content = bytearray(kept.read_bytes())
    content[-5] ^= 1
    kept.write_bytes(content)
    assert load(root, lines, size=8).fingerprint == first.fingerprint
    assert len(lines) == 2
    load(root, lines, size=8)
    assert len(lines) == 2


def test_nothing_is_kept_where_the_cache_cannot_be_written(tmp_path, cache):
    cache.parent.mkdir(parents=True)
    cache.write_text("a file in the place of the folder")
    lines: list[str] = []
    assert load(classes(tmp_path / "set"), lines, size=8).spec.input_shape == (8, 8, 3)
    assert len(lines) == 1 and "not kept" in lines[0]


def test_a_full_disk_costs_only_the_cache(tmp_path, monkeypatch):
    def full(*given, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    lines: list[str] = []
    assert load(classes(tmp_path / "set"), lines, size=8).spec.input_shape == (8, 8, 3)
    assert ["No space left on device" in line for line in lines] == [True]


def test_a_folder_that_changes_while_it_is_read_is_not_used(tmp_path, monkeypatch):
    root = classes(tmp_path / "set")
    really = Image.open

    def changing(*given, **named):
        picture(root / "red" / "new.png")
        return really(*given, **named)

    monkeypatch.setattr(Image, "open", changing)
    with pytest.raises(UserError, match="changed while it was read"):
        load(root, size=8)
    monkeypatch.setattr(Image, "open", really)
    shutil.rmtree(root / "red")
    assert load(root, size=8).spec.class_names == ("blue", "green")


@pytest.mark.slow
def test_a_run_is_trained_tested_and_predicts_for_files(tmp_path):
    root = classes(tmp_path / "set", each=12)
    experiment = jaxdl.Experiment(
        name="colours",
        data=jaxdl.Folder(str(root), size=8, fit="pad"),
        model=jaxdl.MLP(features=(16,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(epochs=10, batch_size=8),
    )
    summary = jaxdl.train(experiment, run_dir=tmp_path / "run")
    assert summary["metrics"]["test/accuracy"] == 1
    assert summary["data"]["class_names"] == ["blue", "green", "red"]
    trained = jaxdl.load_run(tmp_path / "run")
    assert trained.spec.fit == "pad"
    assert trained.experiment == dataclasses.replace(trained.experiment, data=experiment.data)
    images = load_images(sorted(Path(root).rglob("3.png")), trained.spec)
    assert trained.predict(images).argmax(1).tolist() == [0, 1, 2]
    test = jaxdl.evaluate(tmp_path / "run")
    assert test["metrics"]["test/accuracy"] == 1


def test_photographs_are_as_pillow_alone_reads_them(real_data):
    if not (real_data / "flowers").is_dir():
        pytest.skip("there are no flowers in JAXDL_TEST_DATA")
    dataset = load(real_data / "flowers", size=64)
    assert {name: len(split["inputs"]) for name, split in dataset.splits.items()} == {
        "train": 648,
        "validation": 72,
        "test": 240,
    }
    assert len(dataset.spec.class_names) == 12 and dataset.spec.input_shape == (64, 64, 3)
    files = sorted((real_data / "flowers" / "test").glob("*/*.jpg"))
    for number in range(0, 240, 40):
        with Image.open(files[number]) as image:
            expected = np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR), np.float32)
        found = dataset.splits["test"]["inputs"][number]
        assert np.abs(found - expected).mean() < 2.5  # decoded at half its size
        assert dataset.spec.class_names[dataset.splits["test"]["targets"][number]] == files[number].parent.name


def test_a_folder_without_a_near_name_is_told_where_it_was_looked_for(tmp_path):
    with pytest.raises(
        UserError, match=rf"no such folder\. It was looked for in {tmp_path}; give .*--data=folder:PATH"
    ):
        jaxdl.Folder(str(tmp_path / "pictures")).load()
