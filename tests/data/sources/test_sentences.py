"""Generated sentences: their sentiment is known, and their words alone do not say it."""

import collections
import re

import numpy as np

from jaxdl.data.sources.sentences import _BAD, _GOOD, STAND_INS, play, reviews


def sentiment(text: str) -> bool:
    """Reads a sentence by its rule, independently of how it was made: the clause that is stressed, and its denial."""
    clauses = re.split(r" , ", text.removesuffix(" ."))
    if len(clauses) == 1:
        decisive = clauses[0]
    elif clauses[1].startswith("but "):
        decisive = clauses[1]
    else:
        decisive = next(clause for clause in clauses if "although " not in clause)
    words = decisive.split()
    assert len(set(words) & {*_GOOD, *_BAD}) == 1
    return bool(set(words) & set(_GOOD)) != bool(set(words) & {"not", "never", "far"})


def test_the_sentiment_follows_from_the_rule():
    corpus = reviews()
    assert corpus.class_names == ("negative", "positive")
    for passages in corpus.splits.values():
        assert passages.targets is not None
        targets = passages.targets.tolist()
        assert [sentiment(text) for text in passages.texts] == [bool(target) for target in targets]
        assert collections.Counter(targets) == {0: len(targets) // 2, 1: len(targets) // 2}


def test_the_number_of_good_and_bad_words_does_not_say_it():
    passages = reviews().splits["train"]
    good = np.array([sum(word in _GOOD for word in text.split()) for text in passages.texts])
    bad = np.array([sum(word in _BAD for word in text.split()) for text in passages.texts])
    says_it = (good > bad) == (passages.targets == 1)
    decided = good != bad
    assert 0.6 < np.mean(says_it[decided]) < 0.9
    assert 0.25 < np.mean(~decided) < 0.4


def test_the_play_has_lines_of_characters_and_is_always_the_same():
    (text,) = play().splits["train"].texts
    assert text == play().splits["train"].texts[0]
    speakers = re.findall(r"^([A-Z]+):$", text, re.MULTILINE)
    assert len(speakers) == 2500
    assert len(set(speakers)) == 6


def test_what_stands_in_says_so():
    for path, generated in STAND_INS.items():
        assert generated.name.startswith("generated")
        assert "generated" in generated.words
        assert generated.make().kind == ("running" if path.endswith(".txt") else "labelled")
