"""Texts as inputs of predictions."""

from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.data.texts.coding import TextCoding
from jaxdl.inference import read_examples
from jaxdl.inference.inputs import as_batch
from jaxdl.inference.texts import are_texts

CODING = TextCoding("word", ("the", "film", "good"), 3, lowercase=True)
SPEC = jaxdl.Spec((3,), "uint8", jaxdl.Preprocess(cast="none"), (), 2, ("no", "yes"), lengths=True, coding=CODING)


def read(path: Path, lines: list[str] | None = None, spec: jaxdl.Spec = SPEC):
    return read_examples(path, spec, (lambda line: None) if lines is None else lines.append)


def test_lists_and_arrays_of_texts_are_texts_and_numbers_are_none():
    assert all(map(are_texts, ("a", ["a"], ("a", "b"), np.array(["a"]), np.array(["a", "b"], object))))
    assert not any(map(are_texts, ([], [1], ["a", 1], np.ones(2), {"text": ["a"]}, None)))


def test_texts_become_ids_with_lengths_and_what_is_cut_or_unknown_is_said():
    lines: list[str] = []
    inputs, lengths = as_batch(["The film", "good good good good", "zzz"], None, SPEC, "inputs", lines.append)
    assert inputs.tolist() == [[2, 3, 0], [4, 4, 4], [1, 0, 0]]
    assert inputs.dtype == np.uint8
    assert lengths is not None
    assert lengths.tolist() == [2, 3, 1]
    assert lines == [
        "inputs: 1 of 3 texts have more than 3 words and are cut.",
        "inputs: 1 of 3 texts have no words that train has, such as 'zzz'.",
    ]


def test_a_file_has_a_text_in_each_line(tmp_path):
    (tmp_path / "a.txt").write_text("the film\ngood\n")
    names, inputs, lengths = read(tmp_path / "a.txt")
    assert names == ["a.txt[0]", "a.txt[1]"]
    assert inputs.tolist() == [[2, 3, 0], [4, 0, 0]]
    assert lengths is not None
    assert lengths.tolist() == [2, 1]


def test_a_table_has_them_in_the_column_of_the_training(tmp_path):
    (tmp_path / "a.csv").write_text("id,text\n1,the film\n2,good\n")
    assert read(tmp_path / "a.csv").inputs.tolist() == [[2, 3, 0], [4, 0, 0]]
    (tmp_path / "b.csv").write_text("id,texts\n1,the film\n")
    with pytest.raises(jaxdl.UserError, match="has no column 'text', which the model reads. Did you mean 'texts'"):
        read(tmp_path / "b.csv")


def test_each_file_of_a_folder_is_a_text(tmp_path):
    (tmp_path / "in" / "pos").mkdir(parents=True)
    (tmp_path / "in" / "pos" / "1.txt").write_text("the\nfilm")
    (tmp_path / "in" / "2.txt").write_text("good")
    names, inputs, _ = read(tmp_path / "in")
    assert [Path(name).name for name in names] == ["2.txt", "1.txt"]
    assert inputs.tolist() == [[4, 0, 0], [2, 3, 0]]


def test_ids_as_stored_are_taken_too(tmp_path):
    np.savez(tmp_path / "a.npz", inputs=np.array([[2, 3, 0]], np.uint8), lengths=[2])
    assert read(tmp_path / "a.npz").inputs.tolist() == [[2, 3, 0]]


@pytest.mark.parametrize(
    ("inputs", "lengths", "message"),
    [
        ("the film", None, r"inputs is one text; give a list of texts, such as \['the film'\]"),
        (["the film", " "], None, r"inputs\[1\] is an empty text"),
        (["the film"], [2], "lengths are given with texts"),
    ],
)
def test_what_is_refused(inputs, lengths, message):
    with pytest.raises(jaxdl.UserError, match=message):
        as_batch(inputs, lengths, SPEC, "inputs")


def test_a_model_of_numbers_takes_no_texts():
    with pytest.raises(jaxdl.UserError, match="inputs are texts, but the model was not trained on texts"):
        as_batch(["a"], None, jaxdl.Spec((3,), "float32", jaxdl.Preprocess(), (), 2), "inputs")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"good\n\nfilm\n", r"a.txt\[1\]: there is no text"),
        (b"good\ncaf\xe9\n", "a.txt, line 2: this is not utf-8"),
        (b"", "a.txt has no text|there is no text"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path, content, message):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(jaxdl.UserError, match=message):
        read(tmp_path / "a.txt")


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(jaxdl.UserError, match="there is no such file or folder"):
        read(tmp_path / "nowhere.txt")
