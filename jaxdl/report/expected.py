"""What a recipe's author expects of it, from the docstring of its file, beside what a run measured."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from jaxdl.report.format import is_number

# Such as "test accuracy 0.9916 (median; 0.9861 to 0.9944)", and " and r_squared 0.480 (0.457 to 0.491)" after it.
_FIGURE = re.compile(
    r"(?:test|and) ([a-z_][\w ]*?) ([\d.,]*\d)(?: degrees)? \((?:median; )?([\d.,]*\d) to ([\d.,]*\d)[,)]"
)
_NAMES = {"mean intersection over union": "mean_iou"}
_BEGIN = re.compile(r"^Expected\b", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Expectation:
    """A figure that is expected on test.

    Attributes:
        metric: its name, as in the summary.
        median, least, most: over several seeds.
        digits: how many decimals they are given with.
    """

    metric: str
    median: float
    least: float
    most: float
    digits: int

    def verdict(self, value: float) -> str:
        """Returns where a measured value lies, rounded as the expected ones are: ``within``, ``below`` or ``above``."""
        rounded = round(value, self.digits)
        return "below" if rounded < self.least else "above" if rounded > self.most else "within"


def expected_text(docstring: str) -> str:
    """Returns what the docstring of a recipe says of the expected result, in one line; empty if it says nothing."""
    found = _BEGIN.search(docstring)
    return " ".join(docstring[found.start() :].split("\n\n")[0].split()) if found else ""


def expectations(text: str) -> list[Expectation]:
    """Returns the figures that a text names as the experiments of jaxdl do; none in another form."""
    found = []
    for name, *numbers in _FIGURE.findall(text):
        median, least, most = (float(number.replace(",", "")) for number in numbers)
        digits = max(len(number.partition(".")[2]) for number in numbers)
        found.append(Expectation(_NAMES.get(name, name.replace(" ", "_")), median, least, most, digits))
    return found


def compared(text: str, metrics: Mapping[str, Any]) -> list[tuple[Expectation, float]]:
    """Returns the expected figures that a run has measured on test, each with the run's."""
    return [
        (each, metrics[f"test/{each.metric}"])
        for each in expectations(text)
        if is_number(metrics.get(f"test/{each.metric}"))
    ]
