"""Several inputs of a prediction from a table."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import jaxdl
from jaxdl.inference.inputs import read_examples
from tests.named import arrays, recipe

INPUTS, _ = arrays(7, 5)


def test_a_table_holds_numbers_and_the_files_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    lines = ["table_1,image,note,table_0"]
    for number, (image, row) in enumerate(zip(INPUTS["image"], INPUTS["table"], strict=True)):
        Image.fromarray(image[..., 0]).save(tmp_path / "pictures" / f"{number}.png")
        lines.append(f"{row[1]!r},pictures/{number}.png,spare,{row[0]!r}".replace("np.float32(", "").replace(")", ""))
    table, said = tmp_path / "given.csv", list[str]()
    table.write_text("\n".join(lines))
    spec = recipe().data.load(None, said.append).spec
    found = read_examples(table, spec, said.append)
    assert found.names == [f"given.csv[{number}]" for number in range(7)]
    assert said == [f"{table}: the model does not read note; ignored."]
    np.testing.assert_array_equal(found.inputs["image"], INPUTS["image"])
    np.testing.assert_allclose(found.inputs["table"], INPUTS["table"], rtol=1e-6)
    assert found.lengths is None
    for old, new, message in (
        ("table_0", "table_x", r"has no column 'table_0'.* Did you mean 'table_x'"),
        ("pictures/3.png", "pictures/9.png", r"9\.png"),
        ("pictures/3.png", "", "the picture is missing"),
    ):
        table.write_text("\n".join(lines).replace(old, new))
        with pytest.raises(jaxdl.UserError, match=message):
            read_examples(table, spec, said.append)


def test_what_a_table_cannot_hold_is_refused_with_what_to_write() -> None:
    words = dataclasses.replace(spec_of((7,)), lengths=True)
    several = dataclasses.replace(spec_of((2,)), inputs=(("table", spec_of((2,))), ("words", words)))
    with pytest.raises(jaxdl.UserError, match=r"the input words is sequences of shape \(7,\).*give an \.npz file"):
        read_examples(Path("given.csv"), several)


def spec_of(shape: tuple[int, ...]) -> jaxdl.Spec:
    """Returns the spec of inputs of numbers."""
    return jaxdl.Spec(shape, "float32", jaxdl.Preprocess(), (), 1)
