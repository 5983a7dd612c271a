"""Texts before they are coded: what cannot be used is an error, or left out, counted and listed."""

import numpy as np
import pytest

import jaxdl
from jaxdl.data.texts.corpus import Corpus, Passages, usable

TRAIN = Passages(["good", " ", "bad", ""], [f"a.txt, line {n}" for n in range(1, 5)], np.array([0, 0, 1, 1], np.int32))
CORPUS = Corpus({"train": TRAIN}, "labelled", ("a", "b"), ("b.txt, line 7: this is not utf-8",), ("a remark",))


def test_the_first_problem_is_an_error_with_its_place_and_the_way_out():
    with pytest.raises(jaxdl.UserError, match="^b.txt, line 7: .* 3 texts cannot .* --data.on_bad=skip"):
        usable(CORPUS, False, lambda line: None)


def test_or_all_are_left_out_counted_and_listed():
    lines: list[str] = []
    left = usable(CORPUS, True, lines.append)
    assert left.splits["train"].texts == ["good", "bad"]
    assert left.splits["train"].places == ["a.txt, line 1", "a.txt, line 3"]
    assert np.array_equal(left.splits["train"].targets, [0, 1])
    assert lines == [
        "a remark",
        "3 texts cannot be used and are left out:",
        "  b.txt, line 7: this is not utf-8",
        "  a.txt, line 2: there is no text",
        "  a.txt, line 4: there is no text",
    ]


def test_a_split_without_any_text_is_an_error():
    empty = Corpus({"train": Passages([" "], ["a.txt, line 1"])}, "lines")
    with pytest.raises(jaxdl.UserError, match="no text of train can be used: a.txt, line 1: there is no text"):
        usable(empty, True, lambda line: None)


def test_a_long_list_is_cut():
    lines: list[str] = []
    many = Passages(["good"] + [""] * 30, [f"line {n}" for n in range(31)], np.zeros(31, np.int32))
    usable(Corpus({"train": many}, "labelled"), True, lines.append)
    assert len(lines) == 12
    assert lines[-1] == "  and 20 more"
