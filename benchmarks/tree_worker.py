"""One framework trains the Tree-LSTM of an experiment on a file of trees, and its speed is measured.

    python -m benchmarks.tree_worker jaxdl FILE RECIPE BATCHES
    python -m benchmarks.tree_worker torch FILE RECIPE BATCHES

RECIPE is what `recipe` gives, as JSON. Prints JSON: the trees, the seconds that they took, and the seconds that cores
worked for them. Reading the file, compiling and the first batches are not counted.

``jaxdl`` trains through `jaxdl.Trainer`, as `jaxdl.train` does. ``torch`` calls the same model recursively, one tree at
a time, as texts on recursive networks do: the nodes of a tree are one product after another, its classes one product
for all of them; gradients are added up over the trees of a batch. It takes one thread or all, whichever is faster.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

WARM_UP = 3  # batches
_TOKENS = re.compile(r"[()]|[^()\s]+", re.ASCII)


def jaxdl_batches(file: Path, recipe: Mapping[str, Any]) -> Callable[[int], int]:
    """Returns a function that trains on so many batches and returns the number of their trees."""
    import jaxdl
    from jaxdl.experiment.config import from_config

    experiment = from_config(recipe["config"])
    experiment = jaxdl.replace(
        experiment, {"data": jaxdl.Trees(str(file), validation=0.0, test=0.05), "training.watch": "train/loss"}
    )
    trainer = jaxdl.Trainer(experiment, experiment.data.load(notify=lambda line: None))
    trainer.compile()
    state = trainer.init_state()

    def train(count: int) -> int:
        nonlocal state
        state, _ = trainer.advance(state, count)
        return count * experiment.training.batch_size

    return train


def torch_batches(file: Path, recipe: Mapping[str, Any]) -> Callable[[int], int]:
    """As `jaxdl_batches`."""
    import torch
    from torch import nn

    trees = [nested(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    counts = Counter(word for tree in trees for word in words(tree))
    ids = {word: number for number, (word, count) in enumerate(counts.items(), 2) if count > 1}
    size, units = recipe["embed"], recipe["features"]

    class TreeLSTM(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(recipe["vocabulary"], size)
            self.leaf = nn.Linear(size, 3 * units)
            self.node = nn.Linear(2 * units, 5 * units)
            self.output = nn.Linear(units, recipe["outputs"])
            self.dropout = nn.Dropout(recipe["dropout"])

        def visit(self, tree: Any, found: list[tuple[Any, int]]) -> tuple[Any, Any]:
            if isinstance(tree[1], str):
                word = torch.tensor(min(ids.get(tree[1].lower(), 1), recipe["vocabulary"] - 1))
                i, o, u = self.leaf(self.dropout(self.embed(word))).chunk(3)
                c = torch.sigmoid(i) * torch.tanh(u)
            else:
                (h_l, c_l), (h_r, c_r) = self.visit(tree[1], found), self.visit(tree[2], found)
                i, f_l, f_r, o, u = self.node(torch.cat([h_l, h_r])).chunk(5)
                c = torch.sigmoid(i) * torch.tanh(u) + torch.sigmoid(f_l) * c_l + torch.sigmoid(f_r) * c_r
            h = torch.sigmoid(o) * torch.tanh(c)
            found.append((h, int(tree[0])))
            return h, c

        def forward(self, tree: Any) -> Any:
            found: list[tuple[Any, int]] = []
            self.visit(tree, found)
            logits = self.output(self.dropout(torch.stack([h for h, _ in found])))
            labels = torch.tensor([label for _, label in found])
            return nn.functional.cross_entropy(logits, labels, reduction="sum"), len(found)

    model = TreeLSTM()
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe["learning_rate"])
    batch_size = recipe["batch_size"]
    batches = _batches(trees, batch_size)

    def train(count: int) -> int:
        for _ in range(count):
            optimizer.zero_grad()
            nodes = 0
            for tree in next(batches):
                loss, number = model(tree)
                loss.backward()
                nodes += number
            for param in model.parameters():
                param.grad /= nodes
            optimizer.step()
        return count * int(batch_size)

    def seconds(threads: int) -> float:
        torch.set_num_threads(threads)
        train(1)
        begin = time.perf_counter()
        train(2)
        return time.perf_counter() - begin

    torch.set_num_threads(min({1, torch.get_num_threads()}, key=seconds))
    return train


def nested(line: str) -> Any:
    """Returns a tree as (label, word) or (label, left, right)."""
    stack: list[list[Any]] = [[]]
    for token in _TOKENS.findall(line):
        if token == "(":
            stack.append([])
        elif token == ")":
            closed = tuple(stack.pop())
            stack[-1].append(closed)
        else:
            stack[-1].append(token)
    return stack[0][0]


def words(tree: Any) -> Iterator[str]:
    """Yields the words of a tree in lower case."""
    if isinstance(tree[1], str):
        yield tree[1].lower()
    else:
        for child in tree[1:]:
            yield from words(child)


def _batches(trees: list[Any], size: int) -> Iterator[list[Any]]:
    import random

    draw = random.Random(0)
    while True:
        order = draw.sample(trees, len(trees))
        yield from (order[start : start + size] for start in range(0, len(order) - size + 1, size))


FRAMEWORKS = {"jaxdl": jaxdl_batches, "torch": torch_batches}


def main(arguments: list[str]) -> int:
    """Trains and prints the figures."""
    framework, file, recipe, batches = arguments
    train = FRAMEWORKS[framework](Path(file), json.loads(recipe))
    train(WARM_UP)
    begin, worked = time.perf_counter(), time.process_time()
    count = train(int(batches))
    seconds, core_seconds = time.perf_counter() - begin, time.process_time() - worked
    print(json.dumps({"trees": count, "seconds": seconds, "core_seconds": core_seconds}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
