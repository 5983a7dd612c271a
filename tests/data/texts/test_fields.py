"""The fields that sources of texts share."""

import pytest

import jaxdl
from jaxdl.data.texts.vocabulary import Wish
from jaxdl.fields import check_fields


def test_they_say_what_the_coding_is_to_be_like():
    text = jaxdl.Text("a.txt", level="word", vocabulary=10, min_count=2, length=5, lowercase=False, encoding="cp1252")
    assert text.wish == Wish("word", 10, 2, 5, False, "cp1252", "text")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"vocabulary": 2}, "vocabulary=2.*at least 3"),
        ({"min_count": 0}, "min_count=0"),
        ({"length": 0}, "length=0.*greater than 0"),
        ({"level": "letter"}, "level"),
        ({"encoding": "utf-9"}, "encoding=utf-9.*such as utf-8"),
    ],
)
def test_values_that_are_not_allowed(fields, message):
    with pytest.raises(jaxdl.UserError, match=message):
        check_fields(jaxdl.Text("a.txt", **fields))
