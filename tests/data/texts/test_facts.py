"""What is said of coded texts."""

import numpy as np

from jaxdl.data.texts.coded import Shares, coded
from jaxdl.data.texts.corpus import Corpus, Passages
from jaxdl.data.texts.facts import shown_texts, text_facts
from jaxdl.data.texts.vocabulary import Wish

TRAIN = Passages(["a b", "a b c", "a", "a a a"], [""] * 4, np.array([0, 1, 0, 1], np.int32))
TEST = Passages(["a z", "a z z b"], [""] * 2, np.array([0, 1], np.int32))


def test_units_lengths_and_unknown_ones():
    corpus = Corpus({"train": TRAIN, "test": TEST}, "labelled", ("x", "y"))
    dataset = coded(corpus, Wish("word", length=3), Shares(0, 0), "texts", lambda line: None)
    coding = dataset.spec.coding
    assert coding is not None
    facts = text_facts(dataset, coding)
    assert facts["units"] == "words, capitals as small letters; 5 ids"
    assert facts["commonest units"] == "'a' 'b' 'c'"
    assert facts["words of a text in train"].startswith("1 to 3, median 2, 95 percent have at most 3; 2 have all 3")
    assert facts["unknown words"] == "train 0.00%, test 60.00%"
    test = dataset.splits["test"]
    assert shown_texts(test["inputs"], test["lengths"], coding) == ["a <unknown>", "a <unknown> <unknown>"]


def test_of_windows_all_steps_count():
    corpus = Corpus({"train": Passages(["ab ab ab ab"], [""])}, "running")
    dataset = coded(corpus, Wish("character", length=3), Shares(0, 0), "texts", lambda line: None)
    assert dataset.spec.coding is not None
    assert set(text_facts(dataset, dataset.spec.coding)) == {"units", "commonest units", "unknown characters"}
    assert list(shown_texts(dataset.splits["train"]["inputs"], None, dataset.spec.coding)) == ["ab ", "ab ", "ab "]
