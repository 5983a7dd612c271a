from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder

from jaxdl.data.columns import as_float32, column_of, counts_rows, encode, input_names
from jaxdl.data.frames import frame_of
from jaxdl.data.spec import Column
from jaxdl.errors import UserError

FRAME = frame_of({"a": [1, 2], "b": [3, 4], "c": ["x", "y"], "target": [0, 1]}, "rows")


@given(
    train=st.lists(st.sampled_from("abcde"), min_size=1, max_size=20),
    rows=st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=20),
)
def test_categories_are_those_of_scikit_learns_one_hot_encoder(train, rows) -> None:
    seen, new = frame_of({"c": train}, "train"), frame_of({"c": rows}, "new")
    column = column_of(seen, "c", seen.column("c"), "refuse", named=True)
    reference = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(np.reshape(train, (-1, 1)))
    encoded = encode(new, [column], fill=False)
    np.testing.assert_array_equal(encoded.inputs, reference.transform(np.reshape(rows, (-1, 1))))
    unknown = [text for text in rows if text not in train]
    assert dict(encoded.unknown) == ({"c": (len(unknown), unknown[0])} if unknown else {})


def test_inputs_stand_in_the_order_of_the_columns_and_others_are_ignored() -> None:
    encoded = encode(FRAME, [Column("b"), Column("c", ("y", "x")), Column("a")], fill=False)
    assert encoded.inputs.dtype == np.float32
    assert encoded.inputs.tolist() == [[3, 0, 1, 1], [4, 1, 0, 2]]


def test_a_missing_value_may_be_an_input_of_its_own() -> None:
    frame = frame_of({"n": [1.5, None], "c": [None, "x"]}, "rows")
    columns = [column_of(frame, name, frame.column(name), "category", False) for name in "nc"]
    assert columns == [Column("n", None, True), Column("c", ("x",), True)]
    np.testing.assert_array_equal(encode(frame, columns, fill=True).inputs, [[1.5, 0, 0, 1], [np.nan, 1, 1, 0]])
    with pytest.raises(UserError, match="rows, row 2, column 'n': the value is missing, as 1 of the column's 2"):
        encode(frame, [Column("n")], fill=False)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [((), ["a", "b", "c"]), (("c", "a"), ["c", "a"]), (("-b",), ["a", "c"]), (("-a", "-c"), ["b"])],
)
def test_columns_are_chosen_or_left_out(chosen, expected) -> None:
    assert input_names(FRAME, chosen, ["target"]) == expected


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (("A2",), "no column 'A2'"),
        (("-tarket",), "no column 'tarket'. Did you mean 'target'"),
        (("a", "-b"), "each with a minus sign"),
        (("a", "a"), "'a' is named twice"),
        (("target",), "'target' is the target"),
        (("-a", "-b", "-c"), "no column is left"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused(chosen, words) -> None:
    with pytest.raises(UserError, match=words):
        input_names(FRAME, chosen, ["target"])


def test_a_column_with_a_minus_in_its_name_can_be_chosen() -> None:
    assert input_names(frame_of({"-a": [1], "b": [2]}, "rows"), ("-a",), []) == ["-a"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (range(30), True),
        (range(1, 31), True),
        (np.arange(30.0), True),
        (range(2, 32), False),
        (range(0, 60, 2), False),
        (range(10), False),
        (list(map(str, range(30))), False),
        ([0, 1] * 15, False),
    ],
)
def test_a_column_that_counts_the_rows_is_found(values, expected) -> None:
    assert counts_rows(frame_of({"x": list(values)}, "rows").column("x")) is expected


def test_ids_and_free_text_are_no_categories() -> None:
    for texts in ([f"id {i}" for i in range(30)], [f"word {i % 1500}" for i in range(6000)]):
        frame = frame_of({"x": texts}, "rows")
        with pytest.raises(UserError, match="'x' has .* different texts .*'(id|word) 0'.*--data.columns=-x"):
            column_of(frame, "x", frame.column("x"), "refuse", named=False)
        assert column_of(frame, "x", frame.column("x"), "refuse", named=True).inputs == len(set(texts))
    few = frame_of({"x": [f"id {i}" for i in range(20)]}, "rows")
    assert column_of(few, "x", few.column("x"), "refuse", named=False).inputs == 20


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, np.inf], "rows, row 2, column 'x': inf is infinite, as 1 of the column's 2"),
        ([1.0, 1e39], r"rows, row 2, column 'x': 1e\+39 is too large"),
        ([1.7e9, 1.7e9 + 5], "'x' are about 1.7e.09 and differ by only about 2.5, which 32 bits cannot tell apart"),
        ([2.0**24, 2.0**24 + 1], "32 bits cannot tell apart"),
    ],
)
def test_numbers_that_32_bits_do_not_hold_are_refused(values, words) -> None:
    with pytest.raises(UserError, match=words):
        as_float32(FRAME if len(values) == 0 else frame_of({"x": values}, "rows"), "x", np.array(values))


def test_large_numbers_far_apart_are_rounded() -> None:
    values = np.array([2.0**24 + 1, 5e9, np.nan, 0.1])
    np.testing.assert_array_equal(as_float32(FRAME, "a", values), values.astype(np.float32))


def test_a_text_in_a_column_of_numbers_is_named() -> None:
    frame = frame_of({"x": [None, "a", "b"]}, "new")
    with pytest.raises(UserError, match="new, row 2, column 'x': 'a' is a text"):
        encode(frame, [Column("x")], fill=True)
