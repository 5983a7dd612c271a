"""jaxdl through its public interface; the recipes on MNIST are those of ``experiments/`` without changes.

MNIST is loaded as its users load it, from the prepared set. The validation split is dropped after loading, because no
peer evaluates one.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from pathlib import Path
from typing import Any

import jax

import jaxdl
from benchmarks import data
from benchmarks.recorder import Recorder
from benchmarks.task import Task
from benchmarks.workloads import Conv, Dense, Dropout, Layer, Pool, Recurrent, Workload
from jaxdl.backend.cores import usable_cores

_EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"


@dataclasses.dataclass(frozen=True)
class Stored(jaxdl.Data):
    """A generated set, from the ``.npy`` files that the peers load too.

    Attributes:
        folder: folder of the files.
        classes: number of classes.
    """

    folder: str = ""
    classes: int = 10

    @property
    def requested(self) -> str:
        return Path(self.folder).name

    def spec(self, data_dir: Path) -> jaxdl.Spec:
        return self._spec(data.load(Path(self.folder), "test")[0])

    def read(self, data_dir: Path, notify: Any) -> jaxdl.Dataset:
        splits = {}
        for name in ("train", "test"):
            inputs, targets = data.load(Path(self.folder), name)
            splits[name] = {"inputs": inputs, "targets": targets}
        train = splits["train"]["inputs"]
        return jaxdl.Dataset(self._spec(train), splits, self.requested, self.requested, "not computed", len(train))

    def _spec(self, inputs: Any) -> jaxdl.Spec:
        scale = 1 / 255 if inputs.dtype == "uint8" else 1.0
        names = tuple(map(str, range(self.classes)))
        return jaxdl.Spec(inputs.shape[1:], inputs.dtype.name, jaxdl.Preprocess(scale), (), self.classes, names)


def experiment_of(name: str, workload: Workload, folder: str) -> jaxdl.Experiment:
    """Returns a workload as an experiment on the set in `folder`."""
    adam = workload.optimizer
    warmup = jaxdl.Cosine(warmup=adam.warmup) if adam.schedule == "cosine" else jaxdl.Constant()
    options: dict[str, Any] = {"learning_rate": adam.learning_rate, "schedule": warmup}
    if adam.clip_norm:
        options["clip_norm"] = adam.clip_norm
    optimizer: jaxdl.Optimizer = jaxdl.Adam(**options)
    if adam.weight_decay:
        optimizer = jaxdl.AdamW(weight_decay=adam.weight_decay, **options)
    return jaxdl.Experiment(
        name=name,
        data=Stored(folder, workload.classes, validation=0.0),
        model=model_of(workload.layers),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=optimizer,
        training=jaxdl.Training(epochs=workload.epochs, batch_size=workload.batch_size),
    )


def model_of(layers: tuple[Layer, ...]) -> Any:
    """Returns a workload's layers as one of jaxdl's models."""
    if isinstance(layers[0], Recurrent):
        (layer,) = layers
        assert isinstance(layer, Recurrent)
        return jaxdl.RNN(features=(layer.units,), cell=layer.cell, bidirectional=layer.bidirectional)
    dense = tuple(layer.units for layer in layers if isinstance(layer, Dense))
    convolutions = [layer for layer in layers if isinstance(layer, Conv)]
    if not convolutions:
        return jaxdl.MLP(features=dense)
    pool_after, rates, number = [], {"convolutions": 0.0, "dense": 0.0}, 0
    for layer in layers:
        number += isinstance(layer, Conv)
        if isinstance(layer, Pool):
            pool_after.append(number)
        if isinstance(layer, Dropout):
            rates["dense" if layers.index(layer) > _first_dense(layers) else "convolutions"] = layer.rate
    return jaxdl.CNN(
        features=tuple(layer.features for layer in convolutions),
        pool_after=tuple(pool_after),
        dropout=rates["convolutions"],
        dense=dense,
        dense_dropout=rates["dense"],
    )


def _first_dense(layers: tuple[Layer, ...]) -> int:
    return next((i for i, layer in enumerate(layers) if isinstance(layer, Dense)), len(layers))


def run(task: Task, recorder: Recorder) -> None:
    """Trains for `task` and reports to `recorder`."""
    jaxdl.configure(platform=task.device, cpu_devices=len(usable_cores()))
    if task.recipe.data == "mnist":
        experiment = jaxdl.load_experiment(task.workload, _EXPERIMENTS)
    else:
        experiment = experiment_of(task.workload, task.recipe, task.data)
    changes: dict[str, Any] = {"training.epochs": task.epochs, "metrics": ("accuracy",), "seed": task.seed}
    if task.precision != "float32":
        changes["training.precision"] = task.precision
    experiment = jaxdl.replace(experiment, changes)
    data_dir = Path(task.data_dir) if task.data_dir else jaxdl.default_data_dir()
    dataset = experiment.data.load(data_dir, lambda line: print(line, file=sys.stderr))
    if dataset.substituted:
        raise RuntimeError(f"{dataset.used} stands in for {dataset.requested}")
    train = {name: array[: task.train_examples] for name, array in dataset.splits["train"].items()}
    dataset = dataclasses.replace(dataset, splits={"train": train, "test": dataset.splits["test"]})

    # As the command does: a few steps are timed with one device of the CPU and with several, once for a machine.
    chosen = jaxdl.Tuner().choose(experiment.for_spec(dataset.spec), lambda each: jaxdl.Trainer(each, dataset))
    if chosen is not None:
        experiment = chosen.form.of(experiment)
    trainer = jaxdl.Trainer(experiment, dataset)
    recorder.parameters = sum(leaf.size for leaf in jax.tree.leaves(trainer.state_shapes().params))
    recorder.library = "jax"
    state = trainer.init_state()
    recorder.begin_epoch()
    for epoch in trainer.train(state, on_progress=lambda *_: recorder.first_step()):
        evaluate = functools.partial(_accuracy, trainer, epoch.state)
        if not recorder.end_epoch(evaluate):
            break
        recorder.begin_epoch()


def _accuracy(trainer: jaxdl.Trainer, state: jaxdl.TrainState) -> float:
    accuracy: float = trainer.evaluate(state, "test")["accuracy"]
    return accuracy
