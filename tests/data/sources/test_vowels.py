from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.signal

import jaxdl
from jaxdl.data.sources.vowels import RATE, VOWELS, WORDS

SMALL = jaxdl.Vowels(train_examples=100, test_examples=20, bands=16)


def test_words_are_equally_frequent_and_the_same_each_time():
    dataset = SMALL.load()
    assert dataset.spec.class_names == WORDS and dataset.used == "vowels" and not dataset.substituted
    assert np.bincount(dataset.splits["test"]["targets"]).tolist() == [2] * 10
    lengths = np.concatenate([split["lengths"] for split in dataset.splits.values()])
    assert lengths.min() >= 0.25 * RATE and lengths.max() <= 0.6 * RATE and len(set(lengths)) > 50
    assert SMALL.load().fingerprint == dataset.fingerprint
    assert SMALL.spec(Path()).model_shape == dataset.spec.model_shape == (61, 16)
    train, test = (dataset.splits[name]["inputs"] for name in ("train", "test"))
    assert not {row.tobytes() for row in train} & {row.tobytes() for row in test}


def test_a_word_begins_with_the_formants_of_its_first_vowel_and_ends_with_those_of_its_second():
    train = jaxdl.Vowels(train_examples=400, test_examples=10).load().splits["train"]
    for word in ("ia", "ai", "ui"):
        own = train["targets"] == WORDS.index(word)
        for which, vowel in zip((0, 1), word, strict=True):
            first = []
            for row, length in zip(train["inputs"][own], train["lengths"][own], strict=True):
                part = row[: length // 5] if which == 0 else row[length - length // 5 : length]
                frequency, power = scipy.signal.periodogram(part / 32768, RATE, nfft=4096)
                first.append(frequency[power.argmax()])
            # Voices scale the formants by 0.85 to 1.15.
            assert abs(np.median(first) / VOWELS[vowel][0] - 1) < 0.08
