"""Trains one kind of recipe for a step or two, and measures what its report costs at the end.

    python -m benchmarks.reports_worker KIND FOLDER

The data are generated, or come with a package, so that nothing is downloaded, and the test split is whole; train is cut
to one batch, since what the report costs does not depend on the training. Programs are compiled anew. Prints JSON:

| name | what |
|---|---|
| ``looking`` | seconds of looking at the model: tracing and compiling its program, predictions, pictures |
| ``keeping`` | seconds of writing what was seen |
| ``writing`` | seconds of making and writing ``report.html`` |
| ``core_seconds`` | what cores worked for all three |
| ``bytes`` | size of ``report.html`` |
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import jaxdl
from benchmarks.image_worker import core_seconds
from jaxdl.data import Notify, Spec
from jaxdl.data.sources.sounds import OfSounds
from jaxdl.data.sources.vowels import VOWELS, WORDS
from jaxdl.record import RunDirectory

_EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"
PARTS = ("looking", "keeping", "writing")


@dataclasses.dataclass(frozen=True)
class Letters(OfSounds):
    """Generated sounds of two vowels, whose answer is the two letters, in order."""

    @property
    def requested(self) -> str:
        return "vowels, by letters"

    def spec(self, data_dir: Path) -> Spec:
        said = jaxdl.Vowels().spec(data_dir)
        return self.heard(dataclasses.replace(said, target_shape=(2,), outputs=len(VOWELS), class_names=tuple(VOWELS)))

    def read(self, data_dir: Path, notify: Notify) -> jaxdl.Dataset:
        words = jaxdl.Vowels().read(data_dir, notify)
        letters = np.array([[list(VOWELS).index(letter) for letter in word] for word in WORDS], np.int32)
        splits = {
            name: {**split, "targets": letters[split["targets"]], "target_lengths": np.full(len(split["targets"]), 2)}
            for name, split in words.splits.items()
        }
        return dataclasses.replace(
            words, spec=self.spec(data_dir), splits=splits, used=self.requested, requested=self.requested
        )


def _ctc() -> jaxdl.Experiment:
    return jaxdl.Experiment(
        name="letters_ctc",
        data=Letters(),
        model=jaxdl.RNN(features=(64,), cell="gru", bidirectional=True, every_step=True),
        objective=jaxdl.CTC(),
        optimizer=jaxdl.Adam(learning_rate=5e-3),
        training=jaxdl.Training(epochs=1, batch_size=64),
    )


def _pictures() -> jaxdl.Shapes:
    """Returns what stands in for CIFAR-10."""
    return jaxdl.Shapes(kinds=10, size=32)


# What each kind is: the experiment, and the data in the place of its own where those would be downloaded.
KINDS: Mapping[str, tuple[str, Callable[[], Any] | None]] = {
    "mlp": ("mnist_mlp", jaxdl.Digits),
    "cnn": ("mnist_cnn", jaxdl.Digits),
    "resnet": ("cifar10_resnet", _pictures),
    "unet": ("segmentation_unet", None),
    "autoencoder": ("mnist_autoencoder", jaxdl.Digits),
    "rnn": ("mnist_rnn", jaxdl.Digits),
    "text": ("sentiment_lstm", None),
    "characters": ("shakespeare_lstm", None),
    "answers": ("addition_seq2seq", None),
    "table": ("iris_mlp", None),
    "numbers": ("diabetes_mlp", None),
    "trees": ("sst_tree", None),
    "series": ("temperature_rnn", None),
    "sound": ("spoken_digit_rnn", jaxdl.Vowels),
    "ctc": ("", None),
}


def recipe(kind: str, epochs: int = 1) -> jaxdl.Experiment:
    """Returns the recipe of a kind, cut to one batch of train."""
    name, data = KINDS[kind]
    found = jaxdl.load_experiment(name, _EXPERIMENTS) if name else _ctc()
    changes: dict[str, Any] = {"training.epochs": epochs, "training.overfit_batches": 1}
    return jaxdl.replace(found, changes | ({"data": data()} if data is not None else {}))


def measured(kind: str, folder: Path) -> dict[str, float]:
    """Trains a kind in a new folder below `folder`; returns the figures."""
    figures = dict.fromkeys((*PARTS, "core_seconds"), 0.0)

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*given: Any, **named: Any) -> Any:
            begin, before = time.perf_counter(), core_seconds()
            result = function(*given, **named)
            figures[name] += time.perf_counter() - begin
            figures["core_seconds"] += core_seconds() - before
            return result

        return call

    one_run: Any = importlib.import_module("jaxdl.training.one_run")  # where the parts are called
    jaxdl.configure(compilation_cache=False)
    one_run.inspect_model = timed("looking", one_run.inspect_model)
    RunDirectory.write_inspection = timed("keeping", RunDirectory.write_inspection)  # type: ignore[method-assign]
    one_run.write_report = timed("writing", one_run.write_report)
    run_dir = folder / kind
    jaxdl.train(recipe(kind), run_dir=run_dir, data_dir=folder, notify=None)
    return figures | {"bytes": (run_dir / "report.html").stat().st_size}


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], Path(sys.argv[2]))))
