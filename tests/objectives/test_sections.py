"""What metrics show of themselves in a report."""

from __future__ import annotations

import re

import pytest
from sklearn.metrics import precision_recall_fscore_support

from jaxdl.objectives import REPORT_SECTIONS
from jaxdl.objectives.sections import classes_section, questions_section

ANSWERS = [[[5, 1], [2, 4]], [[12, 0], [0, 0]]]
CONFUSION = [[8, 1, 1], [0, 9, 1], [2, 0, 0]]
NAMES = ["zero", "one", "two"]
DATA = {"used": "digits", "requested": "digits", "substituted": False, "class_names": NAMES}


def rows(section: str) -> list[list[str]]:
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", section)]


def test_the_figures_of_each_class_agree_with_scikit_learn() -> None:
    true = [t for t in range(3) for p in range(3) for _ in range(CONFUSION[t][p])]
    predicted = [p for t in range(3) for p in range(3) for _ in range(CONFUSION[t][p])]
    reference = precision_recall_fscore_support(true, predicted, zero_division=0)
    shown = [row for row in rows(classes_section({"test": CONFUSION}, DATA, False)) if row]
    assert [row[0] for row in shown] == NAMES and {row[5] for row in shown} == {"digits"}
    for n, row in enumerate(shown):
        assert int(row[1]) == reference[3][n]
        for cell, column in zip(row[2:5], reference[:3], strict=True):
            assert float(cell) == pytest.approx(column[n], abs=5e-5)


def test_each_split_has_its_matrix_and_its_table() -> None:
    section = classes_section({"validation": CONFUSION, "test": CONFUSION}, DATA, True)
    captions = re.findall("<figcaption>(.*?)</figcaption>", section)
    assert captions == ["validation confusion, digits", "test confusion, digits"]
    assert section.count("<svg") == 2 and section.count("<table") == 2 and section.startswith("<h2>Classes</h2>")


def test_where_there_are_more_labels_than_examples_they_are_not_called_examples() -> None:
    heads = [
        re.findall("<th[^>]*>(.*?)</th>", classes_section({"test": CONFUSION}, {**DATA, "test_examples": count}, False))
        for count in (22, 3)
    ]
    assert [head[1] for head in heads] == ["examples", "labels"]


def test_outputs_with_nan_have_a_column_of_their_own_and_lower_the_recall() -> None:
    counts = [[8, 1, 1, 10], [0, 9, 1, 0], [2, 0, 0, 0]]
    section = classes_section({"test": counts}, DATA, True)
    assert "NaN" in section
    shown = [row for row in rows(section) if row]
    assert [row[1] for row in shown] == ["20", "10", "2"] and [row[3] for row in shown] == ["0.4000", "0.9000", "0"]


def test_a_class_that_does_not_occur_has_no_figures() -> None:
    shown = [row for row in rows(classes_section({"test": [[3, 1, 0], [0, 4, 0], [0, 0, 0]]}, DATA, False)) if row]
    assert shown[2] == ["two", "0", "", "", "", "digits"]


def test_each_of_several_questions_has_its_answers_and_figures() -> None:
    section = questions_section({"validation": ANSWERS, "test": ANSWERS}, DATA)
    assert section.startswith("<h2>Questions</h2>") and section.count("<table") == 2
    assert re.findall("<figcaption>(.*?)</figcaption>", section) == [
        "validation answers, digits",
        "test answers, digits",
    ]
    shown = [row for row in rows(questions_section({"test": ANSWERS}, DATA)) if row]
    assert shown[0] == ["0", "5", "2", "4", "1", "0.8000", "0.6667", "0.7273"]
    assert shown[1] == ["1", "12", "0", "0", "0", "", "", ""]
    named = rows(questions_section({"test": ANSWERS}, DATA | {"class_names": ["spam", "urgent"]}))
    assert [row[0] for row in named if row] == ["spam", "urgent"]
    nan = [[[5, 1, 0], [2, 4, 6]]]
    assert rows(questions_section({"test": nan}, DATA))[-1] == [
        *("0", "5", "2", "4", "1", "0.8000", "0.3333", "0.4706", "6")
    ]
    assert classes_section({"test": ANSWERS}, DATA, True) == "" == questions_section({"test": CONFUSION}, DATA)


@pytest.mark.parametrize("names", [[], ["one", "too", "many", "names"]])
def test_classes_without_names_are_numbered(names: list[str]) -> None:
    shown = rows(classes_section({"test": CONFUSION}, {**DATA, "class_names": names}, False))
    assert [row[0] for row in shown if row] == ["0", "1", "2"]


@pytest.mark.parametrize("damaged", [None, 0.5, [], [[1, 2]], [1, 2], [[1], [2, 3]], [["1", 2], [3, 4]], "confusion"])
def test_what_is_no_matrix_is_left_out(damaged: object) -> None:
    assert classes_section({"test": damaged}, DATA, True) == ""
    assert questions_section({"test": damaged}, DATA) == ""
    assert questions_section({"test": [ANSWERS[0], damaged]}, DATA) == ""


def test_the_numbers_of_other_metrics_say_all() -> None:
    assert REPORT_SECTIONS["confusion"]({"test": CONFUSION}, DATA, False) != ""
    others = {name: section({"test": 0.5}, DATA, True) for name, section in REPORT_SECTIONS.items()}
    assert others.keys() > {"accuracy", "f1"} and set(others.values()) == {""}
