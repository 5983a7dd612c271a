"""Messages for the user: one line that names what was meant, and nothing that could steer a terminal."""

from __future__ import annotations

import numpy as np

from jaxdl.errors import UserError, brief, did_you_mean, printable, unknown


def test_what_could_steer_a_terminal_is_spelled_out() -> None:
    assert printable("Größe 3") == "Größe 3"
    assert printable("\x1b[2J\r\n\u202e") == "\\x1b[2J\\r\\n\\u202e"
    assert str(UserError("no file\nnamed \x07")) == "no file\\nnamed \\x07"


def test_the_nearest_spelling_is_named_where_one_is_near() -> None:
    assert did_you_mean("learing_rate", ["epochs", "learning_rate"]) == " Did you mean 'learning_rate'?"
    assert did_you_mean("x", ["epochs", "learning_rate"]) == ""


def test_an_unknown_name_comes_with_the_whole_choice() -> None:
    error = unknown("optimizer", "adm", ["sgd", "adam", "", "sgd"])
    assert isinstance(error, UserError)
    assert str(error) == "unknown optimizer 'adm'. Did you mean 'adam'? Choose from: adam, sgd."


def test_an_array_is_named_by_its_shape_and_a_long_value_is_cut() -> None:
    assert brief(np.zeros((500, 2), np.float32)) == "ndarray of float32 and shape (500, 2)"
    assert brief([1, "a"]) == "[1, 'a']"
    assert brief("x" * 500) == "'" + "x" * 196 + "..."
