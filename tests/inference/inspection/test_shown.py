"""Examples are shown as what they are: pictures, tokens, sounds, rows, curves."""

from __future__ import annotations

import base64
import dataclasses
import io

import numpy as np
from PIL import Image

from jaxdl.data import Preprocess, Spec
from jaxdl.data.spec import Column
from jaxdl.data.texts.coding import TextCoding
from jaxdl.inference.inspection.shown import png, show_all_inputs, show_inputs


def opened(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def test_a_picture_is_shown_with_the_brightness_that_the_model_sees() -> None:
    spec = Spec((2, 3, 1), "uint8", Preprocess(scale=1 / 16), (), 10)
    stored = np.arange(6, dtype=np.uint8).reshape(1, 2, 3, 1) * 3
    ((name, picture),) = show_inputs(spec, {"inputs": stored})[0]["pictures"]
    assert name == "input"
    np.testing.assert_array_equal(opened(picture), np.rint(stored[0, ..., 0] / 16 * 255))


def test_a_large_picture_is_made_smaller_and_keeps_its_form() -> None:
    assert opened(png(np.zeros((300, 600, 3), np.uint8))).shape == (48, 96, 3)


def test_a_text_is_shown_by_its_tokens_of_which_unknown_ones_are_marked() -> None:
    coding = TextCoding("word", ("good", "bad"), 4)
    spec = Spec((4,), "uint8", Preprocess(cast="none"), (), 2, coding=coding, lengths=True)
    shown = show_inputs(spec, {"inputs": np.array([[2, 1, 3, 0]], np.uint8), "lengths": np.array([3])})
    assert shown == [{"tokens": ["good", "<unknown>", "bad"], "unknown": [1], "more": 0}]


def test_a_text_of_characters_is_shown_as_it_is_read() -> None:
    coding = TextCoding("character", ("a", " ", "\n"), 5)
    spec = Spec((5,), "uint8", Preprocess(cast="none"), (), 2, coding=coding)
    assert show_inputs(spec, {"inputs": np.array([[2, 3, 2, 4, 1]], np.uint8)}) == [{"text": "a a\u21b5\ufffd"}]


def test_ids_and_short_rows_of_numbers_are_written() -> None:
    spec = Spec((3,), "int32", Preprocess(cast="none"), (), 2, vocabulary=3, id_names=("1", "2", "+"))
    batch = {"inputs": np.array([[0, 2, 1]]), "lengths": np.array([3])}
    assert show_inputs(spec, batch) == [{"text": "1+2"}]
    nameless = dataclasses.replace(spec, id_names=())
    assert show_inputs(nameless, batch)[0]["tokens"] == ["0", "2", "1"]
    numbers = Spec((2,), "float32", Preprocess(), (), 2)
    assert show_inputs(numbers, {"inputs": np.array([[0.5, 2]])}) == [{"row": [["input 1", "0.5"], ["input 2", "2"]]}]


def test_several_inputs_are_shown_each_by_its_name() -> None:
    words = Spec((3,), "uint8", Preprocess(cast="none"), (), 2, coding=TextCoding("word", ("good", "bad"), 3))
    row = Spec((1,), "float32", Preprocess(), (), 2, columns=(Column("age"),))
    spec = Spec((3,), "uint8", Preprocess(), (), 2, inputs=(("said", words), ("about", row)))
    batch = {"inputs/said": np.array([[2, 3, 3]], np.uint8), "inputs/about": np.array([[31.5]], np.float32)}
    shown = show_all_inputs(spec, batch | {"lengths/said": np.array([2])})
    assert shown == [
        {
            "parts": [
                ["said", {"tokens": ["good", "bad"], "unknown": [], "more": 0}],
                ["about", {"row": [["age", "31.5"]]}],
            ]
        }
    ]


def test_a_row_has_the_names_and_the_values_that_its_table_had() -> None:
    columns = (Column("age"), Column("colour", ("red", "blue")), Column("size", None, True))
    spec = Spec((5,), "float32", Preprocess(), (), 2, columns=columns)
    rows = np.array([[31.5, 0, 1, 2, 0], [np.nan, 0, 0, 0, 1]], np.float32)
    assert [each["row"] for each in show_inputs(spec, {"inputs": rows})] == [
        [["age", "31.5"], ["colour", "blue"], ["size", "2"]],
        [["age", "missing"], ["colour", "another"], ["size", "missing"]],
    ]


def test_a_sound_is_shown_as_its_spectrogram_or_its_wave_with_its_length() -> None:
    spec = Spec((1000,), "int16", Preprocess(scale=1 / 32768), (), 2, rate=2000, lengths=True)
    inputs = (20000 * np.sin(np.arange(1000)))[None].astype(np.int16)
    ((name, picture),) = show_inputs(spec, {"inputs": inputs, "lengths": np.array([500])})[0]["pictures"]
    gray, opacity = np.moveaxis(opened(picture), -1, 0)
    half = gray.shape[1] // 2
    assert name == "wave, 0.25 s" and (gray[:, :half] < 100).any()
    assert (opacity[:, :half] == 255).all() and (opacity[:, half + 1 :] == 0).all()  # nothing is drawn beyond its end


def test_a_sequence_of_numbers_is_shown_as_curves_up_to_its_length() -> None:
    spec = Spec((4, 2), "float32", Preprocess(), (), 1, lengths=True)
    inputs = np.arange(8, dtype=np.float32).reshape(1, 4, 2)
    shown = show_inputs(spec, {"inputs": inputs, "lengths": np.array([3])})
    assert shown[0]["curves"] == [["input 1", [0, 2, 4]], ["input 2", [1, 3, 5]]]
