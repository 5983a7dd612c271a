from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.data.tfds.names import Name, is_name, parsed, version_key

WORDS = st.from_regex(re.compile(r"[a-z][a-z0-9_]{0,9}", re.ASCII), fullmatch=True)
VERSIONS = st.tuples(*[st.integers(0, 99)] * 3).map(lambda numbers: ".".join(map(str, numbers)))


@given(WORDS, st.just("") | WORDS, st.just("") | VERSIONS)
def test_a_name_is_taken_apart_into_what_it_was_made_of(dataset, config, version):
    text = dataset + (f"/{config}" if config else "") + (f":{version}" if version else "")
    assert parsed(text) == Name(dataset, config, version)
    assert parsed(text).without_version == text.partition(":")[0]


@pytest.mark.parametrize("text", ["", "Mnist", "mnist/", "mnist/..", "mnist:", "mnist:1.0", "mnist:1.0.0/x", "../a"])
def test_what_could_point_elsewhere_or_has_another_form_is_no_name(text):
    assert not is_name(text)
    with pytest.raises(ValueError, match="is not a name of tensorflow-datasets"):
        parsed(text)


def test_versions_are_sorted_by_their_numbers():
    assert sorted(["1.10.0", "1.9.0", "1.9.11", "0.99.0"], key=version_key) == ["0.99.0", "1.9.0", "1.9.11", "1.10.0"]
