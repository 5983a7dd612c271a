"""The data of one recipe in a process: one set, or the folds of one, in memory and on the device."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from jaxdl.data import Dataset
from jaxdl.data.chunks import InParts, on_device_or_in_parts
from jaxdl.data.folded import in_parts, shared
from jaxdl.data.resident import Resident
from jaxdl.experiment import Experiment
from jaxdl.experiment.load import load_data, load_folds
from jaxdl.training.programs import Key, program_key


class Loaded:
    """The data of one recipe, and of all that differ from it in nothing but the fold that validates.

    Args:
        experiment: the recipe.
        data_dir: folder of prepared data sets and original archives.
        notify: called with messages.

    Raises:
        UserError: the data cannot be loaded.
    """

    def __init__(self, experiment: Experiment, data_dir: Path, notify: Callable[[str], None]):
        folded = experiment.data.folds > 0 and experiment.data.fold is not None
        load = load_folds if folded else lambda *given: [load_data(*given)]
        self._datasets = load(experiment, data_dir, notify)
        self._examples: dict[int, Resident | InParts] = {}

    def dataset(self, experiment: Experiment) -> Dataset:
        """Returns the set of a recipe."""
        return self._datasets[self._number(experiment)]

    def examples(self, experiment: Experiment) -> Resident | InParts:
        """Returns the set of a recipe on the device, or what brings it there in parts."""
        number = self._number(experiment)
        if self._shared is not None:
            return self._shared[number]
        if number not in self._examples:
            self._examples = {number: on_device_or_in_parts(self._datasets[number])}
        return self._examples[number]

    def key(self, experiment: Experiment) -> Key:
        """Returns the key of a recipe's programs on these data: folds have the same where they can share one.

        Weights of classes that follow from a fold's train are constants of its programs.
        """
        key = program_key(experiment)
        own = self._shared is None or experiment.training.class_weight == "balanced"
        return (*key, ("data.fold", str(experiment.data.fold))) if len(self._datasets) > 1 and own else key

    @functools.cached_property
    def _shared(self) -> Sequence[Resident | InParts] | None:
        if len(self._datasets) == 1:
            return None
        return in_parts(self._datasets) if self._datasets[0].streamed else shared(self._datasets)

    def _number(self, experiment: Experiment) -> int:
        return experiment.data.fold or 0 if len(self._datasets) > 1 else 0
