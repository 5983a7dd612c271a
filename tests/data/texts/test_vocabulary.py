"""The vocabulary of train, compared with Counter and with the tokenizers library."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

import jaxdl
from jaxdl.data.texts.vocabulary import Wish, coding_of, steps_of

WORDS = st.sampled_from(["aa", "bb", "cc", "dd", "ee", "ff", "gg", ".", ","])
TEXTS = st.lists(st.lists(WORDS, min_size=1).map(" ".join), min_size=1)


@given(TEXTS, st.integers(3, 8), st.integers(1, 2))
def test_words_are_the_commonest_as_counter_counts_them(texts, size, least):
    counts = Counter(word for text in texts for word in text.split())
    kept = [word for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if count >= least]
    if not kept:
        with pytest.raises(jaxdl.UserError, match="data.min_count=2: no word of train occurs so often"):
            coding_of(texts, Wish("word", size, least))
        return
    assert coding_of(texts, Wish("word", size, least)).tokens == tuple(kept[: size - 2])


def test_words_are_those_of_the_tokenizers_library():
    texts = ["The end of the film, the very end!", "It isn't the film that I'd like; a film.", "THE END"]
    reference = Tokenizer(models.WordLevel(unk_token="<unknown>"))
    reference.normalizer = normalizers.Lowercase()
    reference.pre_tokenizer = pre_tokenizers.Split(Regex(r"\w+(?:'\w+)*|[^\w\s]"), "removed", invert=True)
    trainer = trainers.WordLevelTrainer(vocab_size=12, special_tokens=["<padding>", "<unknown>"], show_progress=False)
    reference.train_from_iterator(texts, trainer)
    coding = coding_of(texts, Wish("word", 12))
    assert {token: number for number, token in enumerate(coding.names)} == reference.get_vocab()
    for text in [*texts, "an unknown film"]:
        assert coding.ids(text).tolist() == reference.encode(text).ids


def test_characters_are_the_commonest():
    text = "hello world"
    counts = Counter(text)
    coding = coding_of([text], Wish("character", 5))
    assert coding.tokens == tuple(sorted(counts, key=lambda c: (-counts[c], c))[:3])
    assert not coding.lowercase


def test_the_level_follows_from_the_targets():
    assert coding_of(["a b"], Wish("auto")).level == "word"
    assert coding_of(["a b"], Wish("auto"), following=True).level == "character"


@pytest.mark.parametrize(("lowercase", "tokens"), [(None, ("a",)), (True, ("a",)), (False, ("A", "a"))])
def test_capitals_of_words_are_small_letters_unless_they_are_to_count(lowercase, tokens):
    assert coding_of(["A a"], Wish("word", lowercase=lowercase)).tokens == tokens


@given(st.lists(st.integers(1, 900), min_size=1, max_size=50))
def test_95_per_cent_of_the_texts_are_not_cut(lengths):
    steps = steps_of([np.zeros(length, np.int32) for length in lengths])
    assert steps == 400 or np.mean(np.array(lengths) <= steps) >= 0.95
    assert steps == 1 or np.mean(np.array(lengths) <= steps - 1) < 0.95 or steps == 400
    assert steps <= 400
