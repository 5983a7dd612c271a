"""Views of named inputs and targets: that of each is that of a single one."""

from __future__ import annotations

import pytest

from jaxdl.data.named import check_input_names, check_target_names, full_name, names_of, put_back, view
from jaxdl.errors import UserError

ARRAYS = {
    "inputs/a": 1,
    "inputs/b": 2,
    "lengths/b": 3,
    "targets/x": 4,
    "targets/y": 5,
    "target_lengths/y": 6,
    "mask": 7,
}


def test_a_view_has_what_belongs_to_one_input_and_one_target_and_what_belongs_to_all() -> None:
    assert view(ARRAYS, "a", "x") == {"inputs": 1, "targets": 4, "mask": 7}
    assert view(ARRAYS, "b", "y") == {"inputs": 2, "lengths": 3, "targets": 5, "target_lengths": 6, "mask": 7}
    single = {"inputs": 1, "targets": 2, "weights": 3}
    assert view(single) == single


def test_what_is_put_back_is_in_its_place() -> None:
    changed = put_back(ARRAYS, {"inputs": 20, "lengths": 30, "mask": 70, "targets": 40}, "b", "x")
    assert changed == ARRAYS | {"inputs/b": 20, "lengths/b": 30, "mask": 70, "targets/x": 40}
    assert put_back({"inputs": 1}, {"inputs": 2}) == {"inputs": 2}


def test_names_are_listed_in_their_order() -> None:
    assert names_of(ARRAYS, "inputs") == ("a", "b")
    assert names_of(("inputs", "targets/y"), "inputs") == ("",)
    assert full_name("inputs", "a") == "inputs/a" and full_name("inputs", "") == "inputs"


@pytest.mark.parametrize("name", ["two words", "1st", "class", "_own", "a/b", ""])
def test_names_must_be_those_of_arguments(name: str) -> None:
    for check in (check_input_names, check_target_names):
        with pytest.raises(UserError, match="must be one that an argument of Python can have"):
            check([name], "data")


def test_what_a_model_is_called_with_is_no_name_of_an_input() -> None:
    with pytest.raises(UserError, match="data: an input cannot have the name 'train'"):
        check_input_names(["train"], "data")
    check_target_names(["train"], "data")
