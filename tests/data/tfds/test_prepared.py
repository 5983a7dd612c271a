from __future__ import annotations

import shutil

import pytest

from jaxdl.data.tfds.prepared import prepared_folder, prepared_versions
from jaxdl.errors import UserError


def test_the_newest_readable_version_is_found(tmp_path):
    def put(name, file_format="array_record"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "features.json").write_text("{}")
        (folder / "dataset_info.json").write_text(f'{{"fileFormat": "{file_format}"}}')
        return folder

    assert prepared_folder(tmp_path, "mnist") is None
    put("mnist/2.10.0")
    newest = put("mnist/10.0.0")
    put("mnist/11.0.0", "riegeli")
    (tmp_path / "mnist" / "12.0.0").mkdir()
    (tmp_path / "mnist" / "10.0.0-jaxdl").mkdir()
    (tmp_path / "mnist" / "incomplete.ABC_13.0.0").mkdir()
    assert prepared_folder(tmp_path, "mnist") == newest


def test_the_config_is_part_of_the_place(tmp_path):
    letters = tmp_path / "emnist" / "letters" / "3.1.0"
    letters.mkdir(parents=True)
    (letters / "features.json").write_text("{}")
    (letters / "dataset_info.json").write_text('{"fileFormat": "tfrecord"}')
    assert prepared_folder(tmp_path, "emnist/letters") == letters
    assert prepared_folder(tmp_path, "emnist") is None
    (tmp_path / "emnist" / ".config").mkdir()
    (tmp_path / "emnist" / ".config" / "metadata.json").write_text('{"default_config_name": "letters"}')
    assert prepared_folder(tmp_path, "emnist") == letters


@pytest.mark.parametrize("content", ["[]", "5", '"array_record"', "null", "[" * 100_000])
def test_a_description_that_is_no_object_is_damaged_too(tmp_path, write_image_set, content):
    folder = write_image_set(tmp_path, [(4, 4, 1)] * 5)
    (folder / "dataset_info.json").write_text(content)
    with pytest.raises(UserError, match=rf"dataset_info\.json is damaged \(.*\)\. Remove {folder}"):
        prepared_folder(tmp_path, "tiny")


@pytest.mark.parametrize(
    "config", ["5", "null", "[]", '{"a": 1}', '"../x"', '".."', '"."', '"letters/../../x"', '"/x"']
)
def test_a_default_config_that_is_no_name_is_damage_and_leads_nowhere_else(tmp_path, config):
    for name in ("x", "emnist/letters"):
        (tmp_path / name / "1.0.0").mkdir(parents=True)
        (tmp_path / name / "1.0.0" / "features.json").write_text("{}")
        (tmp_path / name / "1.0.0" / "dataset_info.json").write_text("{}")
    note = tmp_path / "emnist" / ".config" / "metadata.json"
    note.parent.mkdir()
    for content in (f'{{"default_config_name": {config}}}', f"[{config}]"):
        note.write_text(content)
        with pytest.raises(UserError, match=rf"metadata\.json is damaged \(.*\)\. Remove {note.parent}") as error:
            prepared_folder(tmp_path, "emnist")
        assert "\n" not in str(error.value)


def test_a_name_too_long_for_the_disk_is_one_line(tmp_path):
    (tmp_path / "emnist").mkdir()
    with pytest.raises(UserError, match=rf"cannot read {tmp_path}: File name too long"):
        prepared_folder(tmp_path, "emnist/" + "x" * 300)


def test_a_version_is_found_by_its_name_and_all_are_listed(tmp_path, write_image_set):
    folder = write_image_set(tmp_path, [(4, 4, 1)] * 3)
    older = folder.with_name("0.9.0")
    shutil.copytree(folder, older)
    assert prepared_folder(tmp_path, "tiny") == prepared_folder(tmp_path, "tiny:1.0.0") == folder
    assert prepared_folder(tmp_path, "tiny:0.9.0") == older
    assert prepared_folder(tmp_path, "tiny:2.0.0") is None
    assert prepared_versions(tmp_path, "tiny:2.0.0") == prepared_versions(tmp_path, "tiny") == ["0.9.0", "1.0.0"]


@pytest.mark.parametrize("missing", ["dataset_info.json", "features.json"])
def test_records_without_a_description_are_no_set_and_are_not_overwritten(tmp_path, write_image_set, missing):
    folder = write_image_set(tmp_path, [(4, 4, 1)] * 3)
    shutil.copytree(folder, folder.with_name("0.9.0"))
    (folder / missing).unlink()
    with pytest.raises(UserError, match=rf"{folder} is not a complete prepared set: {missing} missing\. Copy it again"):
        prepared_folder(tmp_path, "tiny:1.0.0")
    assert prepared_folder(tmp_path, "tiny") == folder.with_name("0.9.0"), "a complete one serves where any does"
    assert any(folder.glob("*array_record*"))
