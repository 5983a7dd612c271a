"""The ways to compute a train step on a CPU, and the file that keeps how long a step takes in each."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields import replace
from jaxdl.files.atomic import replace_file
from jaxdl.files.paths import cache_folder
from jaxdl.ops.library import Library, library_of

DEVICES, LIBRARY = "training.devices", "training.library"


@dataclasses.dataclass(frozen=True)
class Form:
    """One way to compute a train step on a CPU: `devices` that share each batch, and the `library` of convolutions."""

    devices: int
    library: Library = "xla"

    def __str__(self) -> str:
        return str(self.devices) if self.library == "xla" else f"{self.devices} {self.library}"

    @classmethod
    def parse(cls, text: str) -> Form:
        """Returns what `str` made a text of.

        Raises:
            ValueError: it is no such text.
        """
        devices, _, library = text.partition(" ")
        return cls(int(devices), library_of(library or "xla"))

    def of(self, experiment: Experiment) -> Experiment:
        """Returns a recipe that is computed so."""
        return replace(experiment, {DEVICES: self.devices, LIBRARY: self.library})


class Measured(NamedTuple):
    """What is kept of the forms of a program.

    Attributes:
        seconds: the time of a train step by form, in seconds.
        spent: seconds that the first measurement took, compiling included.
    """

    seconds: Mapping[Form, float]
    spent: float


def file_of(key: str) -> Path | None:
    """Returns the file of what is named by all on which times depend; None without a cache folder."""
    try:
        return cache_folder() / "tuning" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    except RuntimeError:  # the user has no home folder
        return None


def read(file: Path | None, forms: Sequence[Form]) -> Measured | None:
    """Returns what was measured in earlier trainings; None where nothing was, or what is kept is damaged."""
    try:
        kept = json.loads(file.read_text()) if file else {}
        found = {Form.parse(name): float(each) for name, each in kept["seconds"].items()}
        spent = float(kept["spent"])
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return None
    alone = {form for form in forms if form.devices == 1}
    needed = {form for form in alone if form.library != "xla"} or alone  # XLA's may be left to a longer training
    is_whole = needed <= set(found) <= set(forms) and all(0 < each < math.inf for each in (*found.values(), spent))
    return Measured(found, spent) if is_whole else None


def keep(file: Path | None, known: Measured) -> None:
    """Keeps what was measured; where that fails, it is measured again the next time."""
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, json.dumps({"seconds": as_text(known.seconds), "spent": known.spent}))
    except (OSError, UserError):
        pass


def as_text(seconds: Mapping[Form, float]) -> dict[str, float]:
    """Returns times by the texts of their forms."""
    return {str(form): each for form, each in seconds.items()}
