"""How texts become ids and back."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl import Spec
from jaxdl.data import Preprocess
from jaxdl.data.texts.coding import PADDING, UNKNOWN, TextCoding
from jaxdl.data.texts.vocabulary import Wish, coding_of

WORDS = TextCoding("word", ("the", "film", "."), 4, lowercase=True)


def test_words_are_letters_with_apostrophes_and_other_signs_stand_alone():
    coding = coding_of(["It's a well-made film ; don\u2019t miss it!"], Wish("word"))
    assert set(coding.tokens) == {"it's", "a", "well", "-", "made", "film", ";", "don\u2019t", "miss", "it", "!"}


def test_unknown_words_are_1_and_the_others_count_from_2():
    assert WORDS.ids("The dull film.").tolist() == [2, UNKNOWN, 3, 4]


def test_texts_are_cut_and_padded_to_the_smallest_dtype():
    inputs, lengths = WORDS.padded(WORDS.ids_of(["the film", "the the the film film ."]))
    assert inputs.tolist() == [[2, 3, PADDING, PADDING], [2, 2, 2, 3]]
    assert lengths.tolist() == [2, 4]
    assert inputs.dtype == np.uint8


@pytest.mark.parametrize(("size", "dtype"), [(254, "uint8"), (255, "uint16"), (65_534, "uint16"), (65_535, "int32")])
def test_the_dtype_is_the_smallest_that_holds_all_ids(size, dtype):
    coding = TextCoding("word", tuple(map(str, range(size))), 1)
    assert coding.dtype == dtype
    assert np.iinfo(dtype).max >= coding.size - 1


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_bytes_characters_and_subwords_come_back(text):
    for level in ("byte", "character"):
        coding = coding_of([text + "x"], Wish(level))
        assert coding.text(coding.ids(text)) == text


def test_subwords_of_any_text_come_back():
    coding = coding_of(["low lower lowest", "new newer"], Wish("subword", vocabulary=270))
    assert coding.size <= 270
    assert coding.tokens[-1].replace("\u0120", " ") in "low lower lowest new newer"
    assert coding.text(coding.ids("lowest, \u4f60 \U0001f600 zebra!")) == "lowest, \u4f60 \U0001f600 zebra!"
    assert not (coding.ids("zebra") == UNKNOWN).any()


def test_words_are_written_with_spaces_but_not_before_signs_and_ends_of_lines():
    text = "to be , or not:\nthat is"
    coding = coding_of([text], Wish("word"), following=True)
    assert coding.text(coding.ids(text)) == "to be, or not:\nthat is"


def test_it_is_part_of_the_spec_as_json():
    for coding in (WORDS, coding_of(["some words"], Wish("subword", vocabulary=260))):
        spec = Spec((4,), "uint8", Preprocess(cast="none"), (), 2, coding=coding)
        again = Spec.from_json(json.loads(json.dumps(dataclasses.asdict(spec))))
        assert again == spec
        assert again.coding is not None
        assert again.coding.ids("the film").tolist() == coding.ids("the film").tolist()


def test_names_can_be_read_by_a_person():
    assert TextCoding("character", ("\n", " ", "a"), 4).names == ("<padding>", "<unknown>", "'\\n'", "' '", "a")
    assert TextCoding("byte", (), 4).names[ord("a")] == "a"
    assert len(set(TextCoding("byte", (), 4).names)) == 256
