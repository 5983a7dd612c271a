"""What fuzz tests draw: JSON and files in which a little, or everything, is other than it should be.

``JAXDL_FUZZ_CASES=100000`` draws that many cases for each parser; without it, ten times as many as of other tests.
"""

from __future__ import annotations

import json
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from jaxdl.errors import UserError

CASES = int(os.environ.get("JAXDL_FUZZ_CASES", 10 * settings().max_examples))
fuzzed = settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

# What JSON can say and UTF-8, or a float, cannot: half of a pair of surrogates, and numbers of 400 digits.
BEYOND = st.sampled_from(["\ud800", "a\udfff", 10**400, -(10**400)])
TEXT = st.text(st.characters(), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | BEYOND,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """JSON objects in which a few values, or names, are anything."""
    config = json.loads(json.dumps(value))
    for _ in range(draw(st.integers(1, 3))):
        place = config
        while True:
            name = draw(st.sampled_from(sorted(place)))
            if not isinstance(place[name], dict) or not place[name] or draw(st.booleans()):
                break
            place = place[name]
        if draw(st.integers(0, 4)):
            place[name] = draw(JSON)
        else:
            place[draw(TEXT)] = place.pop(name)
    return config


@st.composite
def changed_bytes(draw: st.DrawFn, original: bytes) -> bytes:
    """A file of which some bytes were changed, cut or put in."""
    content = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(content)))
        match draw(st.sampled_from(("set", "cut", "insert"))):
            case "set" if place < len(content):
                content[place] = draw(st.integers(0, 255))
            case "cut":
                del content[place : place + draw(st.integers(1, 64))]
            case _:
                content[place:place] = draw(st.binary(max_size=16))
    return bytes(content)


def json_files(value: Any) -> st.SearchStrategy[bytes]:
    """Files that should hold `value` as JSON: its values changed, its bytes changed, other JSON, or no JSON at all."""
    texts = (changed(value) | JSON).map(lambda drawn: json.dumps(drawn).encode())
    return texts | changed_bytes(json.dumps(value).encode()) | st.binary(max_size=200) | st.just(b"[" * 100_000)


def one_line(error: UserError) -> None:
    """A message is one line that ends as a sentence does."""
    assert str(error) and "\n" not in str(error), str(error)
