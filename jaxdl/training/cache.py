"""What the trainings of one process share: the data set, also on the device, and compiled programs."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jaxdl.checkpoint import SharedCheckpoints
from jaxdl.data import Dataset
from jaxdl.experiment import Experiment
from jaxdl.experiment.load import most_examples
from jaxdl.fields import show, walk
from jaxdl.record import provenance
from jaxdl.training.loaded import Loaded
from jaxdl.training.loop import Trainer
from jaxdl.training.programs import Key
from jaxdl.training.stacked import Stacked

# Programs are kept for so many kinds of recipes. Trials that are compared as they end come in any order, and compiling
# one kind takes as long as training 30 small networks for an epoch.
_MOST_TRAINERS = 64


class Cache:
    """Keeps what one training made for the next ones that need the same, in any thread.

    That is the last data set, and the programs of the recipes that were trained on it: of the 64 kinds used last.

    Args:
        data_dir: folder of prepared data sets and original archives.
        notify: called with messages.

    Attributes:
        side_by_side: how many trainings with the same programs share one stacked program, each in its own thread; 1: no
            sharing.
        programs_dir: folder of the checkpoints that trainings with the same programs share; None: there are none.
    """

    def __init__(self, data_dir: Path, notify: Callable[[str], None]):
        self._data_dir = data_dir
        self._notify = notify
        self.side_by_side = 1
        self.programs_dir: Path | None = None
        self._shared: dict[Key, SharedCheckpoints] = {}
        self._stacked: dict[Key, Stacked] = {}
        self._expected: dict[str, Stacked] = {}
        self._lock = threading.RLock()
        self._surroundings: dict[str, Any] | None = None
        self._compiled: Counter[str] = Counter()  # of programs that are no longer kept
        self._data_key: Any = None
        self._loaded: Loaded | None = None
        self._trainers: dict[Key, Trainer] = {}
        self._last_key: tuple[Experiment, Key] | None = None

    def dataset(self, experiment: Experiment) -> Dataset:
        """Returns the experiment's data set; see `jaxdl.experiment.load.load_data`."""
        with self._lock:
            return self._load(experiment).dataset(experiment)

    def _key(self, experiment: Experiment) -> Key:
        """Returns the key of a recipe's programs: the last one for the same object, as a training asks for it twice."""
        last = self._last_key
        if last is None or last[0] is not experiment:
            last = self._last_key = experiment, self._load(experiment).key(experiment)
        return last[1]

    def _load(self, experiment: Experiment) -> Loaded:
        key = data_key(experiment)
        if self._loaded is None or key != self._data_key:
            # Drop the old ones first: two large data sets may not fit in memory together.
            self._let_go(list(self._trainers))
            self._loaded = self._last_key = None
            self._loaded = Loaded(experiment, self._data_dir, self._notify)
            self._data_key = key
        return self._loaded

    def trainer(self, experiment: Experiment, place_of: str | None = None) -> Trainer:
        """Returns a trainer for an experiment that is fitted to its data; it shares programs if possible.

        Args:
            experiment: the recipe.
            place_of: a name for the training. With `side_by_side` above 1, or where `expect` named it, it then has a
                place in a stacked program until `jaxdl.training.loop.Trainer.close` is called.

        Raises:
            UserError: the data cannot be loaded, the recipe does not fit them, or it has too many steps to count.
        """
        with self._lock:
            key, loaded = self._key(experiment), self._loaded
            assert loaded is not None  # the key is on these data
            dataset, examples = loaded.dataset(experiment), loaded.examples(experiment)
            fold = (dataset.spec, examples) if experiment.data.folds else None
            if key not in self._trainers:
                if len(self._trainers) >= _MOST_TRAINERS:  # running trainings keep theirs
                    self._let_go([next(iter(self._trainers))])
                self._trainers[key] = Trainer(experiment, dataset, examples)
                self._trainers[key].key = key
            trainer = self._trainers[key] = self._trainers.pop(key)  # now the one that was used last
            if dataset.streamed:  # each training has an order of its own, and so chunks of its own
                return trainer.variant(experiment, fold=fold)
            if place_of in self._expected:
                return trainer.variant(experiment, self._expected[place_of].join(place_of), fold)
            if place_of is None or self.side_by_side < 2:
                return trainer.variant(experiment, fold=fold)
            return trainer.variant(experiment, self._stacked_of(trainer).join(place_of), fold)

    def compile_ahead(self, experiment: Experiment) -> bool:
        """Compiles the programs of a recipe for a later training; returns False where there is no room to keep them.

        Nothing is done for a recipe with other data than the last one: two data sets may not fit in memory together.

        Args:
            experiment: the recipe.

        Raises:
            UserError: the recipe does not fit the data.
        """
        with self._lock:
            if self._loaded is None or data_key(experiment) != self._data_key:
                return True
            fitted = experiment.for_spec(self.dataset(experiment).spec)
            if len(self._trainers) >= _MOST_TRAINERS and self._key(fitted) not in self._trainers:
                return False
            trainer = self.trainer(fitted)
        trainer.compile()
        return True

    def _stacked_of(self, trainer: Trainer) -> Stacked:
        if trainer.key not in self._stacked:
            self._stacked[trainer.key] = Stacked(trainer, self.side_by_side)
        return self._stacked[trainer.key]

    def shared(self, trainer: Trainer) -> SharedCheckpoints | None:
        """Returns the checkpoints that trainings with a trainer's programs share, in `programs_dir`.

        A training that runs alone reads its row there, if an earlier process trained it with others.
        """
        key = trainer.key
        with self._lock:
            if self.programs_dir is None:
                return None
            if key not in self._shared:
                digest = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
                self._shared[key] = SharedCheckpoints(
                    self.programs_dir / digest / "checkpoints",
                    self.programs_dir.with_name("trials"),
                    trainer.state_shapes(),
                    trainer.programs.row_shapes,
                    keep=trainer.experiment.checkpoint.keep,
                    notify=self._notify,
                    read_only=self.side_by_side < 2,
                )
            return self._shared[key]

    def expect(self, experiment: Experiment, name: str) -> None:
        """Makes the trainings of a stacked program wait for one more that will join under `name`, until `forget`."""
        with self._lock:
            if self.dataset(experiment).streamed:
                return
            fitted = experiment.for_spec(self.dataset(experiment).spec)
            self._expected[name] = self._stacked_of(self.trainer(fitted))
            self._expected[name].expect(name)

    def forget(self, name: str) -> None:
        """Takes back `expect`, whether the training has joined or not."""
        with self._lock:
            stacked = self._expected.pop(name, None)
        if stacked is not None:
            stacked.forget(name)

    def narrow(self) -> None:
        """Halves the number of places in stacked programs that are made from now on, because memory ran out."""
        with self._lock:
            self.side_by_side = max(1, self.side_by_side // 2)
            self._compiled["train"] += sum(stacked.compile_seconds > 0 for stacked in self._stacked.values())
            self._stacked = {}

    def measured(self, stacked: Stacked, trainer: Trainer, *, keep: bool) -> None:
        """Counts a stacked program that was compiled to be measured, and keeps it where it is to be used.

        Args:
            stacked: the program.
            trainer: a trainer of one of the trainings that it is for.
            keep: whether those will train side by side in it.
        """
        with self._lock:
            if not keep:
                self._compiled["train"] += 1
                return
            self._compiled["train"] += trainer.key in self._stacked
            self.side_by_side = stacked.size
            self._stacked[trainer.key] = stacked

    def surroundings(self) -> dict[str, Any]:
        """Returns `jaxdl.record.provenance.surroundings`, collected once, since git takes some time."""
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
        """Returns how many programs of each name were compiled for recipes with a key."""
        stacked = self._stacked.get(key)
        more = ["train"] if stacked is not None and stacked.compile_seconds else []
        return Counter([*self._trainers[key].programs.present, *more])

    def free(self, experiments: Sequence[Experiment]) -> None:
        """Frees the programs of recipes that are not trained after all, and the data that only they need."""
        with self._lock:
            self._let_go([key for key in map(self._key, experiments) if key in self._trainers])

    def _let_go(self, keys: Sequence[Key]) -> None:
        """Frees the programs of recipes with some keys, and counts them among those that were compiled."""
        for key in keys:
            self._compiled += self._programs_of(key)
            del self._trainers[key]
            self._stacked.pop(key, None)


def data_key(experiment: Experiment) -> Any:
    """Returns what the loaded data depend on: recipes with the same key train on the same examples."""
    fields = [field for field in walk(experiment) if "data" in field.affects]
    values = [(field.path, type(field.value).__qualname__ if field.is_part else show(field.value)) for field in fields]
    return (*values, most_examples(experiment))
