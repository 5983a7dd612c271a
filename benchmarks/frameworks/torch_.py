"""PyTorch, eager or through `torch.compile`: tensors on the device, batches by a permutation, no DataLoader.

Fused Adam and images in channels-last order (a step of mnist_cnn on 2 cores: 70 ms, 92 ms without both), gradients set
to None, no number read while an epoch runs. `torch.compile` compiles the forward pass with the loss (and generates the
backward pass), in the mode ``reduce-overhead`` on a GPU; recurrent layers are PyTorch's own, which dynamo does not
trace. The last, incomplete batch is skipped, as with `drop_last`, so that nothing is compiled for a second size. On a
GPU float32 products may use TF32, as in JAX. Only the loss is measured in training, as in PyTorch's own tutorials.
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import nn

from benchmarks import data
from benchmarks.recorder import Recorder
from benchmarks.task import Task
from benchmarks.workloads import Conv, Dense, Dropout, Pool, Recurrent, Workload

_EVAL_BATCH = 500


class LastState(nn.Module):
    """A recurrent layer's last state, or those of both directions joined: (batch, time, features) to (batch, n)."""

    def __init__(self, layer: Recurrent, features: int):
        super().__init__()
        kind = {"lstm": nn.LSTM, "gru": nn.GRU}[layer.cell]
        self.rnn = kind(features, layer.units, batch_first=True, bidirectional=layer.bidirectional)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Runs the layer."""
        _, last = self.rnn(x)
        state = last[0] if isinstance(last, tuple) else last
        return torch.cat(tuple(state), dim=-1)


def network_of(workload: Workload) -> nn.Module:
    """Returns the workload's layers and the dense output layer."""
    layers: list[nn.Module] = []
    for layer in workload.layers:
        match layer:
            case Conv(features, kernel):
                layers += [nn.LazyConv2d(features, kernel), nn.ReLU()]
            case Pool(window):
                layers += [nn.MaxPool2d(window)]
            case Dropout(rate):
                layers += [nn.Dropout(rate)]
            case Dense(units):
                layers += [nn.Flatten(), nn.LazyLinear(units), nn.ReLU()]
            case Recurrent():
                layers += [LastState(layer, workload.input_shape[1])]
    network = nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(workload.classes))
    with torch.no_grad():
        network(as_network_takes(torch.zeros(1, *workload.input_shape), workload))  # fixes the sizes of lazy layers
    return network


def as_network_takes(inputs: torch.Tensor, workload: Workload) -> torch.Tensor:
    """Returns images as a channels-first view of their channels-last memory, and rows of images as features."""
    if isinstance(workload.layers[0], Recurrent):
        return inputs.flatten(2)
    return inputs.permute(0, 3, 1, 2) if inputs.ndim == 4 else inputs


def optimizer_of(network: nn.Module, workload: Workload, total_steps: int) -> tuple[Any, Any]:
    """Returns the workload's optimizer, and its schedule or None."""
    adam = workload.optimizer
    kernels = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    biases = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": adam.weight_decay}, {"params": biases, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=adam.learning_rate, fused=True)
    if adam.schedule == "constant":
        return optimizer, None
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: adam.factor(step, total_steps))


def run(task: Task, recorder: Recorder) -> None:
    """Trains for `task` and reports to `recorder`."""
    recipe = task.recipe
    torch.manual_seed(task.seed)
    device = torch.device("cuda" if task.device == "gpu" else "cpu")
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
    recorder.library = "torch"

    def on_device(split: str, count: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        inputs, labels = data.load(task.data_folder, split, count)
        return torch.from_numpy(data.as_float(inputs)).to(device), torch.from_numpy(labels).long().to(device)

    inputs, labels = on_device("train", task.train_examples)
    steps = len(labels) // recipe.batch_size
    network = network_of(recipe).to(device)
    if isinstance(recipe.layers[0], Conv):
        network = network.to(memory_format=torch.channels_last)
    recorder.parameters = sum(parameter.numel() for parameter in network.parameters())
    optimizer, schedule = optimizer_of(network, recipe, steps * task.epochs)

    def mixed() -> contextlib.AbstractContextManager[Any]:
        if task.precision == "float32":
            return contextlib.nullcontext()
        autocast: contextlib.AbstractContextManager[Any] = torch.autocast(device.type, torch.bfloat16)
        return autocast

    def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        with mixed():
            return nn.functional.cross_entropy(network(x), y)

    if task.framework == "torch-compile":
        loss_of = torch.compile(loss_of, mode="reduce-overhead" if device.type == "cuda" else "default")
    # Also in the speed job, which does not read it: after a large array is freed, as in any training with a test split,
    # glibc keeps more of the freed memory. Without it, mnist_cnn_small takes 1.3 to 1.8 times as long.
    test = on_device("test")

    @torch.inference_mode()
    def accuracy() -> float:
        network.eval()
        correct = torch.zeros((), dtype=torch.int64, device=device)
        with mixed():
            for x, y in zip(*(tensor.split(_EVAL_BATCH) for tensor in test), strict=True):
                correct += (network(as_network_takes(x, recipe)).argmax(-1) == y).sum()
        return int(correct) / len(test[1])

    going = True
    while going:
        recorder.begin_epoch()
        network.train()
        total = torch.zeros((), device=device)
        permutation = torch.randperm(len(labels), device=device)[: steps * recipe.batch_size]
        for batch in permutation.split(recipe.batch_size):
            loss = loss_of(as_network_takes(inputs[batch], recipe), labels[batch])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if recipe.optimizer.clip_norm:
                nn.utils.clip_grad_norm_(network.parameters(), recipe.optimizer.clip_norm)
            optimizer.step()
            if schedule is not None:
                schedule.step()
            total += loss.detach()
            if recorder.first_step_seconds is None:
                loss.item()
                recorder.first_step()
        (total / steps).item()
        going = recorder.end_epoch(accuracy)
