"""Subwords by the tokenizers library."""

import importlib.util

import pytest

import jaxdl
from jaxdl.data.texts.subwords import learned, tokenizer_of


def test_the_same_texts_give_the_same_subwords():
    texts = [f"word{n} and more words {n % 7}" for n in range(300)]
    assert learned(texts, 400) == learned(list(texts), 400)


def test_ids_are_places_in_the_vocabulary():
    tokens, form = learned(["low lower lowest"] * 3, 264)
    vocabulary = tokenizer_of(form).get_vocab()
    assert [vocabulary[token] for token in tokens] == list(range(2, len(tokens) + 2))


def test_a_vocabulary_smaller_than_the_bytes_is_refused():
    with pytest.raises(jaxdl.UserError, match="data.vocabulary=257: subwords need 258 or more"):
        learned(["a"], 257)


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(jaxdl.UserError, match=r"subword needs the package tokenizers: pip install tokenizers"):
        learned(["a"], 300)
