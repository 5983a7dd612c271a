"""Data sets of texts: splits, windows, and a vocabulary that knows nothing of validation and test."""

import collections

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxdl
from jaxdl.data.texts.coded import Shares, coded
from jaxdl.data.texts.coding import UNKNOWN
from jaxdl.data.texts.corpus import Corpus, Passages
from jaxdl.data.texts.vocabulary import Wish

SHARES = Shares(0.1, 0.2)


def labelled(texts, targets) -> Corpus:
    places = [f"row {n}" for n in range(1, len(texts) + 1)]
    return Corpus({"train": Passages(texts, places, np.array(targets, np.int32))}, "labelled", ("no", "yes"))


def running(text: str) -> Corpus:
    return Corpus({"train": Passages([text], ["a.txt"])}, "running")


def make(corpus, wish=Wish("auto"), shares=SHARES, lines=None, **fields):  # noqa: B008
    return coded(corpus, wish, shares, "texts", (lambda line: None) if lines is None else lines.append, **fields)


def test_the_vocabulary_and_the_length_are_those_of_train_alone():
    # Each text has a word of its own, so that every word of validation and test is unknown but the common one.
    texts = [f"all word{n} " + "more " * (n % 5) for n in range(100)]
    dataset = make(labelled(texts, [n % 2 for n in range(100)]))
    coding = dataset.spec.coding
    train = [coding.text(row).replace("<padding>", "") for row in dataset.splits["train"]["inputs"]]
    counts = collections.Counter(word for text in train for word in text.split())
    assert sorted(coding.tokens) == sorted(counts)
    for name in ("validation", "test"):
        assert (dataset.splits[name]["inputs"][:, 1] == UNKNOWN).all()
        assert (dataset.splits[name]["inputs"][:, 0] != UNKNOWN).all()


def test_each_class_gives_its_share():
    dataset = make(labelled([f"text {n}" for n in range(100)], [n < 30 for n in range(100)]))
    counts = {name: np.bincount(split["targets"]).tolist() for name, split in dataset.splits.items()}
    assert counts == {"train": [50, 22], "validation": [6, 2], "test": [14, 6]}
    assert dataset.train_examples == 80


def test_the_sources_own_splits_stay():
    corpus = labelled([f"text {n}" for n in range(20)], [n % 2 for n in range(20)])
    own = Passages(["text 3", "text 4"], ["t, row 1", "t, row 2"], np.array([1, 0], np.int32))
    dataset = make(Corpus({**corpus.splits, "test": own}, "labelled", ("no", "yes")))
    assert {name: len(split["inputs"]) for name, split in dataset.splits.items()} == {
        "train": 18,
        "validation": 2,
        "test": 2,
    }
    assert dataset.train_examples == 20


def test_what_is_cut_is_counted_and_said():
    lines: list[str] = []
    texts = ["a b"] * 50 + ["a b c d e f"] * 50
    dataset = make(labelled(texts, [0, 1] * 50), Wish("word", length=4), lines=lines)
    assert dataset.spec.input_shape == (4,)
    said = next(line for line in lines if "are cut there" in line)
    counts = [int((dataset.splits[name]["lengths"] == 4).sum()) for name in ("train", "validation", "test")]
    assert said.startswith(f"texts of more than 4 words are cut there: {counts[0]} of 72 in train, {counts[1]} of 8 in")
    assert sum(counts) == 50


@given(st.integers(120, 400), st.integers(1, 9), st.integers(0, 9))
def test_windows_of_a_running_text_do_not_overlap_and_held_out_stretches_are_its_ends(count, length, seed):
    text = "".join(np.random.RandomState(seed).choice(list("abcde \n"), count))
    dataset = make(running(text), Wish("byte", length=length), Shares(0.2, 0.3))
    place, coding = 0, dataset.spec.coding
    for name in ("train", "validation", "test"):
        split = dataset.splits[name]
        read, following = (coding.text(split[key].reshape(-1)) for key in ("inputs", "targets"))
        assert len(read) % length == 0
        start = text.index(read + following[-1], place)
        assert following == text[start + 1 : start + 1 + len(read)]
        assert start - place <= length + 1 + 1000 * (name == "train")
        place = start + len(read) + 1  # the last target of a split is no input of the next one
    assert len(text) - place < length + 1


def test_windows_of_a_known_text():
    dataset = make(running("abcdefghij klmno pqrst"), Wish("byte", length=4), Shares(0, 0.3))
    coding = dataset.spec.coding
    assert [coding.text(row) for row in dataset.splits["train"]["inputs"]] == ["abcd", "efgh", "ij k", "lmno"]
    assert [coding.text(row) for row in dataset.splits["train"]["targets"]] == ["bcde", "fghi", "j kl", "mno "]
    assert "validation" not in dataset.splits
    assert [coding.text(row) for row in dataset.splits["test"]["inputs"]] == ["pqrs"]


def test_the_ends_of_several_stretches_can_be_held_out():
    text = " ".join(f"{number:04}" for number in range(1000))
    dataset = make(running(text), Wish("byte", length=5), Shares(0.1, 0.2, stretches=4))
    coding = dataset.spec.coding
    found = {
        name: [int(word) for row in split["inputs"] for word in coding.text(row).split()]
        for name, split in dataset.splits.items()
    }
    numbers = [number for each in found.values() for number in each]
    assert len(numbers) == len(set(numbers))
    assert len(numbers) >= 1000 - 12  # what is left of each stretch is less than a window
    for name, share in (("train", 0.72), ("validation", 0.08), ("test", 0.2)):
        for stretch in range(4):
            own = [number for number in found[name] if stretch * 250 <= number < (stretch + 1) * 250]
            assert abs(len(own) / 250 - share) < 0.02
            assert (np.diff(own) == 1).all()


def test_a_text_without_spaces_is_cut_all_the_same():
    dataset = make(running("ACGT" * 500), Wish("character", length=10))
    assert {name: len(split["inputs"]) for name, split in dataset.splits.items()} == {
        "train": 143,
        "validation": 15,
        "test": 39,
    }


def test_lines_begin_and_end_with_the_end_of_a_line():
    names = Passages(["anna", "bo"] * 20, [f"line {n}" for n in range(40)])
    dataset = make(Corpus({"train": names}, "lines"))
    coding, train = dataset.spec.coding, dataset.splits["train"]
    for row, following, n in zip(train["inputs"], train["targets"], train["lengths"], strict=True):
        read, after = coding.text(row[:n]), coding.text(following[:n])
        assert read in ("\nanna", "\nbo")
        assert after == read[1:] + "\n"
    assert dataset.spec.input_shape == (5,)


def test_a_text_without_any_known_word_is_an_error_in_train_and_kept_elsewhere():
    texts = ["a b"] * 40 + ["rare"]
    lines: list[str] = []
    with pytest.raises(jaxdl.UserError, match="row 41: none of its words is known.*data.on_bad=skip"):
        make(labelled(texts, [0, 1] * 20 + [0]), Wish("word", vocabulary=4), Shares(0, 0))
    dataset = make(labelled(texts, [0, 1] * 20 + [0]), Wish("word", vocabulary=4), Shares(0, 0), lines, skip=True)
    assert len(dataset.splits["train"]["inputs"]) == 40
    assert "  row 41: none of its words is known" in lines

    lines = []
    corpus = labelled(["a b", "c d"] * 10, [0, 1] * 10)
    own = Passages(["a z", "z z"], ["test row 1", "test row 2"], np.array([0, 1], np.int32))
    dataset = make(Corpus({**corpus.splits, "test": own}, "labelled", ("no", "yes")), lines=lines)
    assert len(dataset.splits["test"]["inputs"]) == 2
    assert "test: 1 of 2 texts has no words that train has, such as test row 2; kept" in " ".join(lines)

    strange = Passages(["z z"], ["test row 1"], np.array([0], np.int32))
    with pytest.raises(jaxdl.UserError, match="test row 1: no text of test has words that train has"):
        make(Corpus({**corpus.splits, "test": strange}, "labelled", ("no", "yes")))


def test_a_text_that_is_too_short_is_refused():
    with pytest.raises(jaxdl.UserError, match=r"a.txt.*: the text of .* a window needs 101"):
        make(running("to be or not to be " * 20))


def test_other_words_give_another_fingerprint():
    one, other = (make(labelled([f"{word} {word}"] * 20, [0, 1] * 10)) for word in ("good", "fine"))
    assert np.array_equal(one.splits["train"]["inputs"], other.splits["train"]["inputs"])
    assert one.fingerprint != other.fingerprint
    assert one.fingerprint == make(labelled(["good good"] * 20, [0, 1] * 10)).fingerprint
