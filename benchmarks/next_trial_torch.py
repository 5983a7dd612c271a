"""The trials of `benchmarks.next_trial` with Optuna and PyTorch.

    python -m benchmarks.next_trial_torch DATA.npz --trials=64

The recipe is that of digits_mlp, trained as `benchmarks.search_race_torch` does: all tensors in memory, fused Adam, one
thread or one for each core, whichever is faster. Accuracy on validation is measured after the epochs 1, 3, 9, 27 and
30; jaxdl measures it, the F1 score and the confusion matrix after each. Nothing is written, where jaxdl keeps a record
and a checkpoint of each trial. It needs NumPy, Optuna and PyTorch, and nothing of jaxdl.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from benchmarks.search_race_spaces import SPACES
from benchmarks.search_race_torch import accuracy, as_tensors, faster_threads, load, train

# What the recipe fixes. Without decay of weights, AdamW is Adam.
_FIXED = {"weight_decay": 0.0, "label_smoothing": 0.0, "batch_size": "32", "model.features": "(128)"}


def main(arguments: list[str]) -> None:
    """Trains as many settings as asked for, one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the file that benchmarks.next_trial writes")
    parser.add_argument("--trials", type=int, required=True)
    options = parser.parse_args(arguments)
    import optuna
    import torch

    space = SPACES["digits_mlp"]
    splits = as_tensors(space, load(options.data))
    torch.set_num_threads(faster_threads(space, splits))
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: Any) -> float:
        values = {
            "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True),
            "dropout": trial.suggest_float("dropout", 0.05, 0.5),
        }
        network = train(space, splits, {**_FIXED, **values}, trial.number, lambda *_: None)
        return accuracy(network, splits["validation"])

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=options.trials)
    print(study.best_value)


if __name__ == "__main__":
    main(sys.argv[1:])
