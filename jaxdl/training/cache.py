"""What trainings of one process share: data sets, on the device too, and compiled programs."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jaxdl.data import Dataset, examples
from jaxdl.data.resident import ResidentData, put_on_device
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields import show, walk
from jaxdl.record import provenance
from jaxdl.training.loop import Trainer, program_key
from jaxdl.training.stacked import Together

Key = tuple[tuple[str, str], ...]
# Beside those of the data set itself, the fields that say what is kept of it.
_CUT_BY = ("training.overfit_batches", "training.fast_dev_run", "training.batch_size")
# Programs of so many recipes are kept; where nothing else decides, trials with the same ones follow one another.
_MOST_TRAINERS = 16


def load_data(experiment: Experiment, data_dir: Path, notify: Callable[[str], None]) -> Dataset:
    """Loads the experiment's data set, cut to what ``--fast_dev_run`` or ``--overfit_batches`` leaves of it.

    Raises:
        UserError: the data cannot be had, or a split is empty.
    """
    dataset = experiment.data.load(data_dir, notify)
    training = experiment.training
    splits = {name: dict(arrays) for name, arrays in dataset.splits.items()}
    if _is_cut(experiment):
        dataset = dataclasses.replace(dataset, passes=1)
    if training.overfit_batches:
        wanted = training.overfit_batches * training.batch_size
        splits["train"] = _first(splits["train"], wanted)
        splits["validation"] = splits["train"]
    if training.fast_dev_run:
        splits = {name: _first(arrays, training.batch_size) for name, arrays in splits.items()}
    for name in ("train", "test"):
        if not examples(splits[name]):
            raise UserError(f"the {name} split of {dataset.used} holds no example; check --data and --data.validation.")
    return dataclasses.replace(dataset, splits=splits)


def _is_cut(experiment: Experiment) -> bool:
    return bool(experiment.training.overfit_batches or experiment.training.fast_dev_run)


def _first(arrays: dict[str, Any], count: int) -> dict[str, Any]:
    return {name: array[:count] for name, array in arrays.items()}


class Workshop:
    """Keeps what one training made for the next ones that need the same, in whichever thread they run.

    The last data set is kept, and with it the programs of every recipe that was trained on it.

    Args:
        data_dir: folder of prepared data sets and original archives.
        notify: takes messages.

    Attributes:
        side_by_side: how many trainings with the same programs are made by one batched program, each in a thread of its
            own; 1: each trains by itself.
    """

    def __init__(self, data_dir: Path, notify: Callable[[str], None]):
        self._data_dir = data_dir
        self._notify = notify
        self.side_by_side = 1
        self._together: dict[Key, Together] = {}
        self._expected: dict[str, Together] = {}
        self._lock = threading.RLock()
        self._surroundings: dict[str, Any] | None = None
        self._compiled: Counter[str] = Counter()  # of what is no longer kept
        self._data_key: Key | None = None
        self._dataset: Dataset | None = None
        self._on_device: ResidentData | None = None
        self._trainers: dict[Key, Trainer] = {}

    def dataset(self, experiment: Experiment) -> Dataset:
        """Returns the experiment's data set; see `load_data`."""
        key = _data_key(experiment)
        with self._lock:
            if self._dataset is None or key != self._data_key:
                # Let go of the old ones first: two large data sets need not fit in memory.
                self._let_go(list(self._trainers))
                self._dataset, self._on_device = None, None
                self._dataset = load_data(experiment, self._data_dir, self._notify)
                self._data_key = key
            return self._dataset

    def trainer(self, experiment: Experiment, joins: str | None = None) -> Trainer:
        """Returns a trainer for an experiment that is fitted to its data, sharing programs where it can.

        Args:
            experiment: the recipe.
            joins: a name for the training, which then is one of those side by side, where there are any, until
                `jaxdl.training.loop.Trainer.close` is called.

        Raises:
            UserError: the data cannot be had, or the model does not fit them.
        """
        key = program_key(experiment)
        with self._lock:
            dataset = self.dataset(experiment)
            if self._on_device is None:
                self._on_device = put_on_device(dataset)
            if key not in self._trainers:
                if len(self._trainers) >= _MOST_TRAINERS:  # the oldest, which those that train keep for themselves
                    self._let_go([next(iter(self._trainers))])
                self._trainers[key] = Trainer(experiment, dataset, self._on_device)
            trainer = self._trainers[key]
            if joins in self._expected:
                return trainer.variant(experiment, self._expected[joins], joins)
            if joins is None or self.side_by_side < 2:
                return trainer.variant(experiment)
            return trainer.variant(experiment, self._together_of(trainer), joins)

    def _together_of(self, trainer: Trainer) -> Together:
        key = program_key(trainer.experiment)
        if key not in self._together:
            self._together[key] = Together(trainer, self.side_by_side)
        return self._together[key]

    def expect(self, experiment: Experiment, name: str) -> None:
        """Lets those that train side by side wait for a training that will join them under a name; see `forget`."""
        with self._lock:
            fitted = experiment.for_spec(self.dataset(experiment).spec)
            self._expected[name] = self._together_of(self.trainer(fitted))
            self._expected[name].expect(name)

    def forget(self, name: str) -> None:
        """Waits no longer for a training, whether it has joined or not."""
        with self._lock:
            together = self._expected.pop(name, None)
        if together is not None:
            together.forget(name)

    def narrow(self) -> None:
        """Halves how many trainings the next batched programs have places for: memory ran out."""
        with self._lock:
            self.side_by_side = max(1, self.side_by_side // 2)
            self._compiled["train"] += sum(together.compile_seconds > 0 for together in self._together.values())
            self._together = {}

    def measured(self, together: Together, trainer: Trainer, *, keep: bool) -> None:
        """Takes note of a batched program that was compiled to be measured.

        Args:
            together: the program.
            trainer: a trainer of one of those that it is for.
            keep: whether those are to train side by side in it.
        """
        with self._lock:
            key = program_key(trainer.experiment)
            if not keep:
                self._compiled["train"] += 1
                return
            self._compiled["train"] += key in self._together
            self.side_by_side = together.size
            self._together[key] = together

    def surroundings(self) -> dict[str, Any]:
        """Returns `jaxdl.record.provenance.surroundings`, asked once, since it takes git some time."""
        with self._lock:
            if self._surroundings is None:
                self._surroundings = provenance.surroundings()
            return self._surroundings

    def compiled(self) -> dict[str, int]:
        """Returns how many train and eval programs were compiled so far, or read from the cache."""
        with self._lock:
            count = self._compiled + sum(map(self._programs_of, self._trainers), Counter())
        return {"train": count["train"], "eval": count["eval"]}

    def _programs_of(self, key: Key) -> Counter[str]:
        """Returns how many programs there are of a kind of recipe."""
        together = self._together.get(key)
        batched = ["train"] if together is not None and together.compile_seconds else []
        return Counter([*self._trainers[key].compiled, *batched])

    def _let_go(self, keys: Sequence[Key]) -> None:
        """Keeps the programs of some recipes no longer, and counts them."""
        for key in keys:
            self._compiled += self._programs_of(key)
            del self._trainers[key]
            self._together.pop(key, None)


def _data_key(experiment: Experiment) -> Key:
    cut = _CUT_BY if _is_cut(experiment) else ()
    fields = [f for f in walk(experiment) if f.path.startswith("data.") or f.path in cut]
    source = type(experiment.data).__qualname__
    return (("data", source), *((f.path, show(f.value)) for f in fields))
