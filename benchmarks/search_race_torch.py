"""The search with Optuna and PyTorch in `benchmarks.search_race`, and PyTorch's training for the one with Ray Tune.

    python -m benchmarks.search_race_torch DATA.npz --space=digits_mlp --seconds=600 --seed=0

It prints a line of JSON for each setting that ended, or with ``--settings`` for each training with a fresh seed. It
needs NumPy, Optuna and PyTorch, and nothing of jaxdl.

Network, initial values, optimizer and schedule are those of jaxdl's recipes: kernels from a normal distribution cut off
at two deviations, with the variance 1 / inputs (LeCun et al. 1998), biases 0, recurrent kernels orthogonal and the bias
of the forget gate 1; AdamW, fused, that decays kernels only; half a cosine. PyTorch's LSTM has a second bias. Tensors
lie in memory, batches are drawn by a permutation, and the last, smaller batch is trained on, too.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search_race_spaces import KEPT_OF, SPACES, SearchSpace

Splits = Mapping[str, tuple[Any, Any]]
_EVAL_BATCH = 1000
_TIMED = 1280  # examples
# The deviation of a normal distribution with deviation 1 that is cut off at two.
_CUT_DEVIATION = 0.87962566103423978


def load(file: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns inputs (examples, ...) float32 and targets (examples,) int64 of each split."""
    with np.load(file) as arrays:
        scale = np.float32(arrays["scale"])
        return {
            split: (arrays[f"{split}_inputs"] * scale, arrays[f"{split}_targets"].astype(np.int64))
            for split in ("train", "validation", "test")
        }


def as_tensors(space: SearchSpace, splits: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Splits:
    """Returns the splits as the network takes them: vectors, images with channels first, or rows as steps."""
    import torch

    def shaped(inputs: Any) -> Any:
        if space.network == "cnn":
            return inputs.permute(0, 3, 1, 2)  # a view: the memory is that of channels last
        return inputs.flatten(1) if space.network == "mlp" else inputs.flatten(2)

    return {name: (shaped(torch.from_numpy(x)), torch.from_numpy(y)) for name, (x, y) in splits.items()}


def network_of(space: SearchSpace, values: Mapping[str, Any], example: Any, classes: int = 10) -> Any:
    """Returns the network of a setting for examples like one of the inputs, (1, ...), with initial values."""
    import torch
    from torch import nn

    class LastState(nn.Module):
        """An LSTM's state after the last step: (batch, time, features) to (batch, units)."""

        def __init__(self, features: int, units: int):
            super().__init__()
            self.rnn = nn.LSTM(features, units, batch_first=True)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            _, (last, _) = self.rnn(inputs)
            return last[-1]

    sizes = [int(size) for size in values.get("model.features", space.features).strip("()").split(",")]
    layers: list[Any] = []
    if space.network == "mlp":
        for wide, narrow in itertools.pairwise([example.shape[1], *sizes]):
            layers += [nn.Linear(wide, narrow), nn.ReLU(), nn.Dropout(values["dropout"])]
    elif space.network == "cnn":
        for wide, narrow in itertools.pairwise([example.shape[1], *sizes]):
            layers += [nn.Conv2d(wide, narrow, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(values["dropout"])]
        layers.append(nn.Flatten())
    else:
        layers += [LastState(example.shape[2], sizes[0]), nn.Dropout(values["dropout"])]
    with torch.no_grad():
        width = nn.Sequential(*layers)(example).shape[1]
    network = nn.Sequential(*layers, nn.Linear(width, classes))
    initialise(network)
    return network.to(memory_format=torch.channels_last) if space.network == "cnn" else network


def initialise(network: Any) -> None:
    """Draws the initial values; see above."""
    import torch
    from torch import nn

    def draw(kernel: Any) -> None:
        deviation = math.sqrt(1 / kernel[0].numel()) / _CUT_DEVIATION
        nn.init.trunc_normal_(kernel, std=deviation, a=-2 * deviation, b=2 * deviation)

    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                draw(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LSTM):
                draw(module.weight_ih_l0)
                for gate in module.weight_hh_l0.chunk(4):
                    nn.init.orthogonal_(gate)
                for bias in (module.bias_ih_l0, module.bias_hh_l0):
                    nn.init.zeros_(bias)
                module.bias_ih_l0.chunk(4)[1].fill_(1.0)  # the forget gate's


def train(
    space: SearchSpace,
    splits: Splits,
    values: Mapping[str, Any],
    seed: int,
    report: Callable[[int, float], None] = lambda epoch, accuracy: None,
) -> Any:
    """Trains one setting; returns its network.

    Args:
        space: the recipe.
        splits: of `as_tensors`.
        values: of the fields that are searched.
        seed: of initial values, batches and dropout.
        report: called with the number of epochs and the accuracy on validation at each rung, the last epoch included.
    """
    import torch
    from torch import nn

    torch.manual_seed(seed)
    inputs, targets = splits["train"]
    network = network_of(space, values, inputs[:1])
    parameters = list(network.parameters())
    size, rate = int(values["batch_size"]), float(values["learning_rate"])
    total = -(-len(targets) // size) * space.epochs
    groups = [
        {"params": [each for each in parameters if each.ndim > 1], "weight_decay": float(values["weight_decay"])},
        {"params": [each for each in parameters if each.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, rate, fused=True)
    loss_of = nn.CrossEntropyLoss(label_smoothing=float(values.get("label_smoothing", 0.0)))
    clip = float(values.get("clip_norm", 0.0))
    step = 0
    for epoch in range(1, space.epochs + 1):
        network.train()
        for rows in torch.randperm(len(targets)).split(size):
            loss = loss_of(network(inputs[rows]), targets[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if clip:
                nn.utils.clip_grad_norm_(parameters, clip)
            for group in optimizer.param_groups:
                group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / total))
            optimizer.step()
            step += 1
        if epoch in space.rungs:
            report(epoch, accuracy(network, splits["validation"]))
    return network


def faster_threads(space: SearchSpace, splits: Splits) -> int:
    """Returns with how many threads PyTorch trains faster: one, or one for each core. A few steps of each are timed."""
    import torch

    values: dict[str, Any] = {name: low for name, (low, _) in {**space.logarithmic, **space.uniform}.items()}
    values |= {name: listed[len(listed) // 2] for name, listed in space.listed.items()}
    short = dataclasses.replace(space, epochs=1)
    few = {name: (inputs[:_TIMED], targets[:_TIMED]) for name, (inputs, targets) in splits.items()}
    seconds: dict[int, float] = {}
    for threads in {1, torch.get_num_threads()}:
        torch.set_num_threads(threads)
        for _ in range(2):  # the first is slower
            begin = time.perf_counter()
            train(short, few, values, 0)
            seconds[threads] = time.perf_counter() - begin
    return min(seconds, key=lambda threads: seconds[threads])


def accuracy(network: Any, split: tuple[Any, Any]) -> float:
    """Returns the share of the examples of a split that the network gets right."""
    import torch

    network.eval()
    with torch.inference_mode():
        batches = zip(*(tensor.split(_EVAL_BATCH) for tensor in split), strict=True)
        return sum(int((network(inputs).argmax(-1) == targets).sum()) for inputs, targets in batches) / len(split[1])


def say(figure: float, values: Mapping[str, Any], whole: bool, began: float) -> None:
    """Prints what a setting came to, whether it came to its end, and when: seconds after `began` (since 1970)."""
    line = {"seconds": time.time() - began, "figure": figure, "values": dict(values), "whole": whole}
    print(json.dumps(line), flush=True)


def search(space: SearchSpace, splits: Splits, seconds: float, seed: int, began: float) -> None:
    """Searches with TPE and ASHA until the time is over: `seconds` after `began`, which is since 1970."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: Any) -> float:
        values = {name: trial.suggest_float(name, *bounds, log=True) for name, bounds in space.logarithmic.items()}
        values |= {name: trial.suggest_float(name, *bounds) for name, bounds in space.uniform.items()}
        values |= {name: trial.suggest_categorical(name, listed) for name, listed in space.listed.items()}

        figures: list[float] = []

        def report(epoch: int, figure: float) -> None:
            figures.append(figure)
            trial.report(figure, epoch)
            if time.time() - began > seconds:
                trial.study.stop()
                raise optuna.TrialPruned
            if epoch == space.epochs:
                say(figure, values, True, began)
            elif trial.should_prune():
                say(figure, values, False, began)
                raise optuna.TrialPruned

        train(space, splits, values, trial.number, report)
        return figures[-1]

    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=KEPT_OF)
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, warn_independent_sampling=False)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    study.optimize(objective, timeout=max(0.1, seconds - (time.time() - began)))


def parser_of(document: str | None) -> argparse.ArgumentParser:
    """Returns the parser of a search with PyTorch."""
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--space", choices=SPACES, required=True)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--began", type=float, default=time.time(), help="when the search began, in seconds since 1970")
    return parser


def main(arguments: list[str]) -> None:
    """Searches, or trains settings with fresh seeds."""
    parser = parser_of(__doc__)
    parser.add_argument("--settings", type=json.loads, help="a list of settings to train with the seeds of --fresh")
    parser.add_argument("--fresh", type=json.loads, default=[], help="a list of these seeds")
    options = parser.parse_args(arguments)
    import torch

    space = SPACES[options.space]
    splits = as_tensors(space, load(options.data))
    torch.set_num_threads(faster_threads(space, splits))
    if options.settings is None:
        search(space, splits, options.seconds, options.seed, options.began)
        return
    for number, values in enumerate(options.settings):
        for seed in options.fresh:
            network = train(space, splits, values, seed)
            print(json.dumps({"setting": number, "test": accuracy(network, splits["test"])}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
