"""The search with Optuna and PyTorch in `benchmarks.search_race`; prints a line of JSON for each trial.

It needs only NumPy, Optuna and PyTorch. The space is here, so that this module imports nothing of jaxdl.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import time
from typing import Any

BEGAN = time.monotonic()
LOGARITHMIC = {"learning_rate": (1e-4, 1e-1), "weight_decay": (1e-6, 1e-1)}
UNIFORM = {"dropout": (0.01, 0.6), "label_smoothing": (0.001, 0.2)}
LISTED = {"batch_size": ("16", "32", "64", "128"), "model.features": ("(64)", "(128)", "(256)", "(128,128)")}
EPOCHS = 30


def train(splits: Any, values: Any, seed: int, report: Any = lambda epoch, accuracy: None) -> tuple[float, float]:
    """Trains one setting; returns its accuracies on validation and test."""
    import torch

    torch.manual_seed(seed)
    inputs, targets = splits["train"]
    sizes = [64, *map(int, values["model.features"].strip("()").split(",")), 10]
    layers: list[Any] = []
    for wide, narrow in itertools.pairwise(sizes[:-1]):
        layers += [torch.nn.Linear(wide, narrow), torch.nn.ReLU(), torch.nn.Dropout(values["dropout"])]
    network = torch.nn.Sequential(*layers, torch.nn.Linear(sizes[-2], 10))
    size = int(values["batch_size"])
    steps = -(-len(targets) // size)
    optimizer = torch.optim.AdamW(
        network.parameters(), values["learning_rate"], weight_decay=values["weight_decay"], foreach=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * steps)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=values["label_smoothing"])

    def accuracy(split: str) -> float:
        network.eval()
        with torch.inference_mode():
            return float((network(splits[split][0]).argmax(-1) == splits[split][1]).float().mean())

    for epoch in range(1, EPOCHS + 1):
        network.train()
        for rows in torch.randperm(len(targets)).split(size):
            loss = loss_of(network(inputs[rows]), targets[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        report(epoch, accuracy("validation"))
    return accuracy("validation"), accuracy("test")


def search(splits: Any, seconds: float, seed: int) -> None:
    """Searches with TPE and ASHA until the time is over."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: Any) -> float:
        values = {name: trial.suggest_float(name, *bounds, log=True) for name, bounds in LOGARITHMIC.items()}
        values |= {name: trial.suggest_float(name, *bounds) for name, bounds in UNIFORM.items()}
        values |= {name: trial.suggest_categorical(name, listed) for name, listed in LISTED.items()}

        def report(epoch: int, accuracy: float) -> None:
            trial.report(accuracy, epoch)
            if time.monotonic() - BEGAN > seconds:
                trial.study.stop()
                raise optuna.TrialPruned
            if trial.should_prune():
                say(accuracy, values, whole=False)
                raise optuna.TrialPruned

        figure, _ = train(splits, values, trial.number, report)
        say(figure, values, whole=True)
        return figure

    def say(figure: float, values: Any, whole: bool) -> None:
        line = {"seconds": time.monotonic() - BEGAN, "figure": figure, "values": {**values, "whole": whole}}
        print(json.dumps(line), flush=True)

    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, warn_independent_sampling=False)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    study.optimize(objective, timeout=max(0.1, seconds - (time.monotonic() - BEGAN)))


def main(arguments: list[str]) -> None:
    """Searches, or trains one setting with fresh seeds."""
    import numpy as np
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--values", type=json.loads)
    parser.add_argument("--retrained", type=int, default=5)
    options = parser.parse_args(arguments)
    splits = {}
    with np.load(options.data) as file:
        for split in ("train", "validation", "test"):
            inputs = file[f"{split}_inputs"].reshape(-1, 64).astype(np.float32) / 16
            splits[split] = torch.from_numpy(inputs), torch.from_numpy(file[f"{split}_targets"]).long()
    if options.values is None:
        search(splits, options.seconds, options.seed)
        return
    for seed in range(1000, 1000 + options.retrained):
        print(json.dumps({"test": train(splits, options.values, seed)[1]}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
