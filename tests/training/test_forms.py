"""The ways to compute a train step, and what is kept of the time that each takes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.training import forms
from jaxdl.training.forms import Form, Measured

FORMS = st.builds(Form, st.integers(1, 64), st.sampled_from(["xla", "onednn"]))
KNOWN = Measured({Form(1): 0.02, Form(1, "onednn"): 0.01, Form(2, "onednn"): 0.012}, 3.5)


@given(FORMS)
def test_a_form_is_read_from_its_text(form: Form) -> None:
    assert Form.parse(str(form)) == form


@pytest.mark.parametrize("text", ["", "many", "1 mkl", "onednn"])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Form.parse(text)


def test_a_recipe_is_computed_in_a_form(recipe):
    made = Form(2, "onednn").of(recipe).training
    assert (made.devices, made.library) == (2, "onednn")
    assert dataclasses.replace(made, devices=recipe.training.devices, library="xla") == recipe.training


def test_what_was_measured_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "kept.json"
    forms.keep(file, KNOWN)
    assert forms.read(file, list(KNOWN.seconds)) == KNOWN
    assert forms.read(file, [*KNOWN.seconds, Form(2)]) == KNOWN  # others on several devices may follow
    native = Measured({form: each for form, each in KNOWN.seconds.items() if form.library == "onednn"}, 1.0)
    forms.keep(file, native)
    assert forms.read(file, list(KNOWN.seconds)) == native  # and XLA's, where native operations are the likely choice


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1]",
        "{}",
        '{"seconds": {"1": 0.1}}',
        '{"seconds": {"1": 0.0, "1 onednn": 0.1}, "spent": 1}',
        '{"seconds": {"1": NaN, "1 onednn": 0.1}, "spent": 1}',
        '{"seconds": {"1": 0.1}, "spent": 1}',  # one of those on one device is missing
        '{"seconds": {"1": 0.1, "1 onednn": 0.1, "4": 0.1}, "spent": 1}',  # one that is not possible
        '{"seconds": {"one": 0.1}, "spent": 1}',
    ],
)
def test_what_is_damaged_or_of_other_forms_is_measured_again(tmp_path: Path, content: str) -> None:
    file = tmp_path / "kept.json"
    file.write_text(content)
    assert forms.read(file, list(KNOWN.seconds)) is None


def test_nothing_is_kept_where_nothing_can_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    forms.keep(blocked / "kept.json", KNOWN)
    forms.keep(None, KNOWN)
    assert forms.read(blocked / "kept.json", list(KNOWN.seconds)) is None
    assert forms.read(None, list(KNOWN.seconds)) is None


def test_files_are_told_apart_by_all_that_names_them() -> None:
    one, other = forms.file_of("processor, program"), forms.file_of("processor, another program")
    assert one is not None
    assert one != other
    assert json.loads(json.dumps(forms.as_text(KNOWN.seconds))) == {"1": 0.02, "1 onednn": 0.01, "2 onednn": 0.012}
