"""What the report shows of a model, from the file that was written when it was looked at."""

from __future__ import annotations

import re
from typing import Any

from jaxdl.report.model import model_sections, predictions_sections
from tests.report.test_page import Cells

USED = "digits (stand-in for mnist)"
PIXEL = "iVBORw0KGgo="
HOSTILE = "</p><script>alert('x')</script>\"&"


def example(shown: dict[str, Any], wrong: float = 0.75, certainty: float | None = 0.75, **words: str) -> dict[str, Any]:
    about = {"number": 1234, "truth": "3", "predicted": "8", "wrong": wrong, "certainty": certainty}
    return {**about, **words, "shown": shown}


def inspection(*examples: dict[str, Any], **changes: Any) -> dict[str, Any]:
    found = {"of": 10_000, "looked_at": 500, "mistakes": 7, "measure": "probability of the mistake"}
    return {**found, "worst": list(examples), "random": [], **changes}


def shown(*examples: dict[str, Any], **changes: Any) -> str:
    return "".join(predictions_sections(inspection(*examples, **changes), USED))


def test_a_mistake_is_a_picture_with_what_is_right_and_what_is_predicted() -> None:
    text = shown(example({"pictures": [["input", PIXEL]]}))
    assert "<h2>Most certain mistakes</h2>" in text
    assert "Of 500 of the 10,000 test examples of digits (stand-in for mnist), 7 are predicted wrongly." in text
    assert f'src="data:image/png;base64,{PIXEL}" alt="input, right: 3, predicted: 8"' in text
    assert "right: <b>3</b>" in text and 'predicted: <b class="wrong">8</b> (75.0 %)' in text
    assert "test example 1,234" in text and f"<figcaption>Most certain mistakes, {USED}</figcaption>" in text


def test_texts_are_shown_by_their_tokens_and_are_no_markup() -> None:
    tokens = {"tokens": [HOSTILE, "<unknown>"], "unknown": [1], "more": 2}
    text = shown(example(tokens, truth=HOSTILE), example({"text": HOSTILE}))
    assert "<script" not in text and text.count("&lt;script&gt;") >= 3
    assert 'class="unknown"' in text.replace("class=unknown", 'class="unknown"') and "and 2 more" in text


def test_rows_of_a_table_stay_a_table_with_the_data_beside_each() -> None:
    row = {"row": [["age", "31"], ["colour", "red"]]}
    cells = Cells(shown(example(row), example(row, wrong=0, certainty=0.5))).rows
    assert [text for text, _ in cells[0]] == [
        *("example", "right", "predicted", "certainty", "age", "colour", "measured on")
    ]
    assert [text for text, _ in cells[1]] == ["1234", "3", "8", "0.7500", "31", "red", USED]
    numbers = {text for text, attributes in cells[0] if "number" in str(attributes)}
    assert numbers == {"right", "predicted", "certainty", "age"}  # as are all of their cells


def test_forecasts_are_drawn_after_their_window() -> None:
    curves = {"curves": [["value", [0.0, 1.0, 0.5]]], "ahead": [[2.0], [1.0]]}
    text = shown(example(curves, certainty=None), measure="mean absolute error", forecast=[[1.0, 1.5], [2.0, 1.5]])
    assert "<h2>Largest errors</h2>" in text and "<h2>Forecast</h2>" in text
    right, forecast = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="(?:4.5|3.0)"', text)[-2:]
    assert right[0] == forecast[0] and float(right[1]) < float(forecast[1])  # the larger value is higher
    assert '"x":[9999.0,10000.0]' in text  # the last windows of test
    several = shown(measure="share of wrong pixels", mistakes=2) + shown(measure="absolute error")
    assert "2 have a mistake." in several and "digits (stand-in for mnist), by absolute error." in several
    assert "without regard to their errors" in several


def test_numbers_are_drawn_against_their_targets() -> None:
    text = shown(pairs=[[1.0, 2.0], [3.0, 2.5]], measure="mean absolute error")
    assert '"x":[1.0,3.0],"y":[2.0,2.5]' in text and '"diagonal":true' in text


def test_the_calibration_has_its_error_and_its_numbers() -> None:
    bins = [[0, 0.0, 0.0]] * 8 + [[10, 0.85, 0.6], [30, 0.95, 0.95]]
    text = shown(calibration=bins)
    assert "Expected calibration error over these bins: 0.0625." in text  # 10/40 of |0.85 - 0.6|
    rows = [[cell for cell, _ in row] for row in Cells(text).rows]
    assert ["0.8 to 0.9", "10", "0.8500", "0.6000", USED] in rows and len(rows) == 3


def test_the_layers_add_up_and_pictures_of_them_say_what_they_show() -> None:
    found = {
        "layers": {
            "rows": [["conv", "Conv", [4, 4, 8], 1, 80, 1152], ["rnn", "RNN", [5], 3, 20, 9]],
            "parameter_bytes": 400,
        },
        "filters": {"layer": "conv", "shape": [3, 3, 1, 80], "shown": 64, "most": 0.5, "png": PIXEL},
        "activations": [{"layer": "conv", "shape": [4, 4, 8], "shown": 8, "least": 0.0, "most": 2.0, "png": PIXEL}],
        "traces": [
            {
                "layer": "rnn",
                "steps": 3,
                "units": 5,
                "shown": 5,
                "most": 1.0,
                "png": PIXEL,
                "curves": {"unit 1": [0, 1, 0.5]},
            }
        ],
        "example": {"pictures": [["input", PIXEL]]},
    }
    text = "".join(model_sections(found, USED))
    assert [cell for cell, _ in Cells(text).rows[3]] == ["total", "", "", "100", "1,161"] and "(5) x 3" in text
    assert "conv: 80 filters of 3 by 3, the first 64" in text and f"conv: 8 channels of 4 by 4, {USED}" in text
    assert "rnn: 5 units over 3 steps" in text and '"unit 1"' in text
    without = "".join(model_sections(found, USED, plots=False))
    assert "total" in without and "<img" not in without and "<svg" not in without


def test_each_of_several_outputs_has_its_parts_and_its_examples_have_all_inputs() -> None:
    both = {"parts": [["photo", {"pictures": [["input", PIXEL]]}], ["about", {"row": [["age", "31"]]}]]}
    bins = [[0, 0.0, 0.0]] * 9 + [[10, 0.95, 1.0]]
    kind = inspection(example(both), calibration=bins)
    price = inspection(example(both, truth="5.1", certainty=None), measure="mean absolute error", pairs=[[1, 2]])
    text = "".join(predictions_sections({"outputs": {"kind": kind, "price": price}}, USED))
    assert re.findall("<h2>(.*?)</h2>", text) == [
        *("Calibration: kind", "Most certain mistakes: kind", "Random predictions: kind"),
        *("Predictions against targets: price", "Largest errors: price", "Random predictions: price"),
    ]
    assert text.count(">photo</p>") == text.count(">about</p>") == text.count("<p>age: 31</p>") == 2
    assert f"<figcaption>Largest errors: price, {USED}</figcaption>" in text


def test_of_a_model_that_was_not_looked_at_nothing_is_shown() -> None:
    assert predictions_sections({}, USED) == [] and model_sections({}, USED) == []
