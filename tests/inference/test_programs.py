"""Exported programs are read again, with their description, or refused with the versions that can."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.inference import load_program
from jaxdl.inference.programs import check_beside, exported_files
from tests.exported import disturbed
from tests.padded import recurrent, untrained


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[jaxdl.TrainedModel, Path]:
    model = disturbed(untrained(recurrent(every_step=True, features=(3,))))
    path = tmp_path_factory.mktemp("exported") / "model.bin"
    content, description = exported_files(model, "stablehlo", "model.bin")
    path.write_bytes(content)
    path.with_suffix(".json").write_text(description)
    return model, path


def test_a_program_takes_any_number_of_sequences_of_any_length(written: tuple[jaxdl.TrainedModel, Path]) -> None:
    model, path = written
    program = load_program(path)
    random = np.random.default_rng(0)
    inputs, lengths = random.normal(size=(4, 7, 2)).astype(np.float32), np.array([7, 2, 0, 5])
    np.testing.assert_allclose(program.predict(inputs, lengths), model.predict(inputs, lengths), rtol=1e-5, atol=1e-6)
    longer = np.concatenate([inputs, random.normal(size=(4, 2, 2)).astype(np.float32)], 1)
    twice = program.predict(longer, lengths + 2)
    assert twice.shape == (4, 9, 2)
    np.testing.assert_allclose(twice[0, :7], program.predict(inputs, lengths)[0], rtol=1e-5, atol=1e-6)
    assert program.predict(inputs[:0], lengths[:0]).shape == (0, 7, 2)
    assert program.class_names == model.spec.class_names
    assert program.description["inputs"][0]["shape"] == ["batch", "time", 2]
    assert program.description["inputs"][1] | {"meaning": ""} == {
        "name": "lengths",
        "dtype": "int32",
        "shape": ["batch"],
        "meaning": "",
    }


def test_a_program_of_a_newer_jax_is_refused_with_the_versions_that_read_it(
    written: tuple[jaxdl.TrainedModel, Path], tmp_path: Path
) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(written[1].read_bytes())
    description = json.loads(written[1].with_suffix(".json").read_text())
    description |= {"file": "other.bin", "versions": {"jax": "0.99.1"}}
    other.with_suffix(".json").write_text(json.dumps(description))
    with pytest.raises(UserError, match=r"was written by JAX 0\.99\.1, .*: take JAX 0\.99 or newer"):
        load_program(other)
    other.with_suffix(".json").unlink()
    assert load_program(other).class_names == ()  # the description is not needed to run it


def test_a_description_of_another_file_is_not_replaced_nor_believed(
    written: tuple[jaxdl.TrainedModel, Path], tmp_path: Path
) -> None:
    other = tmp_path / "model.xla"
    other.write_bytes(written[1].read_bytes())
    other.with_suffix(".json").write_text(written[1].with_suffix(".json").read_text())
    assert load_program(other).class_names == ()
    check_beside(other)  # its file is gone
    (tmp_path / "model.bin").touch()
    with pytest.raises(UserError, match=r"model\.json describes .*model\.bin; give another name"):
        check_beside(other)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "some.bin").write_bytes(b"none")
    with pytest.raises(
        UserError, match=r"some\.bin is no program of --mode=export, is damaged, or was written by a newer JAX"
    ):
        load_program(tmp_path / "some.bin")
    (tmp_path / "some.json").write_text("{")
    with pytest.raises(UserError, match=r"some\.json is no JSON"):
        load_program(tmp_path / "some.bin")
    with pytest.raises(UserError, match=r"none\.bin"):
        load_program(tmp_path / "none.bin")
