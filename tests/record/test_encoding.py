"""JSON in the files of a run."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.errors import UserError
from jaxdl.record import RunDirectory, json_text, read_config, read_metrics, read_summary


def test_numbers_that_are_not_finite_are_valid_json_and_come_back(tmp_path: Path) -> None:
    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is no JSON")

    figures = {"a": math.nan, "b": math.inf, "c": -math.inf, "d": np.float32("nan")}
    with RunDirectory.create(tmp_path, "x") as run:
        run.write_config({"name": "x"})
        run.log_metrics(1, 1, "train", figures)
        run.write_summary({"metrics": figures})
    line = json.loads((tmp_path / "metrics.jsonl").read_text(), parse_constant=refuse)
    assert [line[name] for name in "abcd"] == ["nan", "inf", "-inf", "nan"]
    json.loads((tmp_path / "summary.json").read_text(), parse_constant=refuse)
    for read in (read_metrics(tmp_path)[0], read_summary(tmp_path)["metrics"]):
        np.testing.assert_equal([read[name] for name in "abcd"], [math.nan, math.inf, -math.inf, math.nan])


@pytest.mark.parametrize("text", ['{"seed": 0, "seed": 1}', '{"model": {"features": [1], "features": [2]}}'])
def test_a_name_that_stands_twice_is_damage(tmp_path: Path, text: str) -> None:
    """Python's own reader takes the last of them without a word, and other readers take the first."""
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"config.json is damaged \(\"(seed|features)\" stands twice in one object\)"):
        read_config(tmp_path)


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), _PLAIN, max_size=4))
def test_it_is_laid_out_as_by_python(value: dict[str, Any]) -> None:
    assert json_text(value) == json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def test_what_json_has_no_form_for_is_refused() -> None:
    with pytest.raises(TypeError, match="object is not JSON serializable"):
        json_text({"a": [object()]})
