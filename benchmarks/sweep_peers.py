"""The trials of a comparison of sweeps in Optuna and Hydra, trained with PyTorch and Keras."""

from __future__ import annotations

import functools
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.sweep_grid import Found, Grid
from benchmarks.workloads import Workload


def train_torch(folder: Path, recipe: Workload, seed: int, loader: bool = False) -> Found:
    """Trains one epoch in PyTorch, on tensors in memory or through a `DataLoader`; saves, and returns accuracies."""
    import torch

    from benchmarks.frameworks.torch_ import network_of, optimizer_of

    torch.manual_seed(seed)
    splits = {name: tuple(map(torch.from_numpy, arrays)) for name, arrays in _arrays(folder).items()}
    inputs, labels = splits["train"][0], splits["train"][1].long()
    network = network_of(recipe)
    steps = len(labels) // recipe.batch_size
    optimizer, schedule = optimizer_of(network, recipe, steps)
    if loader:
        dataset = torch.utils.data.TensorDataset(inputs, labels)
        batches = torch.utils.data.DataLoader(dataset, recipe.batch_size, shuffle=True, drop_last=True)
    else:
        order = torch.randperm(len(labels))[: steps * recipe.batch_size].split(recipe.batch_size)
        batches = ((inputs[batch], labels[batch]) for batch in order)
    network.train()
    for some_inputs, some_labels in batches:
        loss = torch.nn.functional.cross_entropy(network(some_inputs), some_labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    network.eval()
    torch.save(network.state_dict(), _new_folder() / "parameters.pt")

    def accuracy(split: str) -> float:
        with torch.inference_mode():
            return float((network(splits[split][0]).argmax(-1) == splits[split][1]).float().mean())

    return Found(accuracy("validation"), accuracy("test"))


def train_keras(folder: Path, recipe: Workload, seed: int) -> Found:
    """Trains one epoch in Keras on TensorFlow; saves, and returns accuracies."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    from benchmarks.frameworks.keras_ import network_of, optimizer_of

    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    splits = _arrays(folder)
    inputs, labels = splits["train"]
    network = network_of(keras, recipe)
    network.compile(
        optimizer=optimizer_of(keras, recipe, -(-len(labels) // recipe.batch_size)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=16,
    )
    network.fit(inputs, labels, batch_size=recipe.batch_size, epochs=1, verbose=0)
    network.save_weights(_new_folder() / "parameters.weights.h5")

    def accuracy(split: str) -> float:
        return float(network.evaluate(*splits[split], batch_size=500, verbose=0)[1])

    return Found(accuracy("validation"), accuracy("test"))


@functools.cache
def _arrays(folder: Path) -> dict[str, data.Split]:
    """Returns inputs and labels of each split, float32 and int32."""
    loaded = {split: data.load(folder, split) for split in ("train", "validation", "test")}
    return {split: (data.as_float(inputs), labels) for split, (inputs, labels) in loaded.items()}


def _new_folder() -> Path:
    """Creates a folder for one trial in the current one."""
    return Path(tempfile.mkdtemp(prefix="trial-", dir="."))


TRAIN: dict[str, Callable[[Path, Workload, int], Found]] = {
    "torch": train_torch,
    "loader": functools.partial(train_torch, loader=True),
    "keras": train_keras,
}


def run_optuna(library: str, folder: Path, grid: Grid) -> None:
    """Runs the trials in one study, stored in SQLite as in Optuna's tutorials, which takes 2 s of the total."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tested: dict[int, float] = {}

    def objective(trial: optuna.Trial) -> float:
        recipe = grid.recipe(trial.suggest_categorical("learning_rate", grid.rates))
        found = TRAIN[library](folder, recipe, trial.suggest_categorical("seed", grid.seeds))
        tested[trial.number] = found.test
        return found.validation

    sampler = optuna.samplers.GridSampler({"learning_rate": grid.rates, "seed": grid.seeds})
    study = optuna.create_study(direction="maximize", sampler=sampler, storage="sqlite:///study.db")
    study.optimize(objective, n_trials=len(grid.trials()))
    print(json.dumps({"best": tested[study.best_trial.number], "trials": len(study.trials)}))


def run_hydra(library: str, folder: Path, grid: Grid) -> None:
    """Runs the trials as Hydra's multirun; each job prints its accuracy."""
    import hydra
    from hydra.core.config_store import ConfigStore
    from omegaconf import OmegaConf

    ConfigStore.instance().store("config", OmegaConf.create({"learning_rate": 1e-3, "seed": 0}))
    figures = []

    @hydra.main(version_base=None, config_name="config")
    def job(config: Any) -> None:
        _arrays.cache_clear()
        figures.append(TRAIN[library](folder, grid.recipe(config.learning_rate), config.seed))

    sys.argv = [
        "hydra", "--multirun", "hydra.sweep.dir=multirun", "hydra/job_logging=disabled", "hydra/hydra_logging=disabled",
        f"learning_rate={','.join(map(str, grid.rates))}", f"seed={','.join(map(str, grid.seeds))}",
    ]  # fmt: skip
    job()
    print(json.dumps({"best": max(figures, key=lambda found: found.validation).test, "trials": len(figures)}))
