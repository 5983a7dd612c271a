"""Intervals of a training in time, steps or epochs, as users write them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

Unit = Literal["seconds", "steps", "epochs"]

_FORM = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]+)\s*", re.ASCII | re.IGNORECASE)
_UNITS: dict[str, tuple[float, Unit]] = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), (1.0, "seconds")),
    **dict.fromkeys(("min", "minute", "minutes"), (60.0, "seconds")),
    **dict.fromkeys(("h", "hour", "hours"), (3600.0, "seconds")),
    **dict.fromkeys(("d", "day", "days"), (86400.0, "seconds")),
    **dict.fromkeys(("step", "steps"), (1.0, "steps")),
    **dict.fromkeys(("epoch", "epochs"), (1.0, "epochs")),
}


@dataclass(frozen=True)
class Interval:
    """A length of time, or a number of steps or epochs.

    Attributes:
        amount: how many, more than 0; whole for steps and epochs.
        unit: what is counted.
    """

    amount: float
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> Interval:
        """Reads ``30s``, ``5min``, ``2h``, ``500steps``, ``1epoch`` and the like.

        Raises:
            ValueError: it is none of these; the message says what is allowed.
        """
        found = _FORM.fullmatch(text)
        unit = _UNITS.get(found[2].lower()) if found else None
        if found is None or unit is None:
            raise ValueError("must be a number with its unit, such as 30s, 5min, 2h, 500steps or 1epoch")
        amount = float(found[1]) * unit[0]
        if not 0 < amount < math.inf:
            raise ValueError("must be more than 0")
        if unit[1] != "seconds" and amount != int(amount):
            raise ValueError(f"must be a whole number of {unit[1]}")
        return cls(amount, unit[1])

    def in_steps(self, steps_per_epoch: int) -> int | None:
        """Returns the number of train steps, None for a time."""
        if self.unit == "seconds":
            return None
        return int(self.amount) * (steps_per_epoch if self.unit == "epochs" else 1)
