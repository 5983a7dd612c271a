"""Four workloads in float32 and bfloat16 on one accelerator within a given time: speed, memory, and whether they learn.

    python -m benchmarks.accelerator [--minutes=8] [--output=accelerator.json] [--tiny]

For a machine that is bare and lent for minutes: it needs jaxdl and its dependencies, no data and no other framework.
The examples are made here, a pattern for each class with noise, in the sizes of MNIST, CIFAR-10 and a sequence. The
float32 and the bfloat16 training of a workload are timed in turns. The file is written again after each workload, and
none begins once the time is up. ``--tiny`` has small sizes, to try the script on any machine.

Exit status: 0; 1 if a training did not learn, or float32 and bfloat16 end far apart.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from benchmarks import machine
from benchmarks.process import ROOT

PRECISIONS: tuple[Literal["float32", "bfloat16"], ...] = ("float32", "bfloat16")
_CLASSES = 10
# How far the losses of both precisions may lie apart at the end, in units of the first loss.
_APART = 0.1


@dataclasses.dataclass(frozen=True)
class Workload:
    """A model and its examples.

    Attributes:
        model: its name in jaxdl, with fields.
        shape: of one example.
        batch: examples in a step.
        steps: train steps of a timed round.
    """

    model: tuple[str, dict[str, Any]]
    shape: tuple[int, ...]
    batch: int
    steps: int

    def tiny(self) -> Workload:
        """Returns the same for any machine: small sizes, the same layers."""
        shape = tuple(min(size, 8) for size in self.shape)
        return dataclasses.replace(self, shape=shape, batch=32, steps=20)


WORKLOADS = {
    "mlp": Workload(("MLP", {"features": (1024, 1024), "dropout": 0.2}), (28, 28, 1), 1024, 200),
    "cnn": Workload(("CNN", {"features": (32, 64), "padding": "SAME", "dropout": 0.25}), (28, 28, 1), 512, 200),
    "resnet": Workload(("ResNet", {"depth": 20}), (32, 32, 3), 512, 50),
    "lstm": Workload(("RNN", {"features": (256,)}), (100, 32), 256, 50),
}


def examples(workload: Workload, count: int, seed: int) -> tuple[Any, Any]:
    """Returns inputs (count, *shape) uint8, a pattern for each class with noise, and targets (count,) int32."""
    import numpy as np

    random = np.random.RandomState(seed)
    patterns = np.random.RandomState(0).randint(0, 128, (_CLASSES, *workload.shape))
    targets = random.randint(0, _CLASSES, count).astype(np.int32)
    return (patterns[targets] + random.randint(0, 128, (count, *workload.shape))).astype(np.uint8), targets


def measure(workload: Workload, rounds: int) -> dict[str, dict[str, Any]]:
    """Returns the figures of a workload by precision; both are timed in turns after a round that compiles."""
    import jaxdl
    from jaxdl.steps.prediction import batch_shapes, predicted_memory

    (train, test) = (examples(workload, count, seed) for seed, count in enumerate((8 * workload.batch, workload.batch)))
    name, fields = workload.model
    data = jaxdl.Arrays(train=train, test=test, validation=0.0)
    found: dict[str, dict[str, Any]] = {}
    trainers, states = {}, {}
    for precision in PRECISIONS:
        recipe = jaxdl.Experiment(
            name=name.lower(),
            data=data,
            model=getattr(jaxdl, name)(**fields),
            objective=jaxdl.SoftmaxCrossEntropy(),
            optimizer=jaxdl.Adam(learning_rate=1e-3),
            training=jaxdl.Training(batch_size=workload.batch, epochs=1000, precision=precision, devices=1),
        )
        begin = time.perf_counter()
        trainer = trainers[precision] = jaxdl.Trainer(recipe, data.load(Path(), lambda line: None))
        states[precision], losses = trainer.advance(trainer.init_state(), workload.steps)
        spec, fitted = trainer.spec, trainer.experiment
        found[precision] = {
            "first_round_seconds": time.perf_counter() - begin,
            "losses": [float(losses[0]), float(losses[-1])],
            "step_seconds": [],
            "step_flops": trainer.programs.step_flops,
            "compiled_bytes": trainer.programs.memory_needed(),
            "predicted_bytes": predicted_memory(fitted, spec, batch_shapes(fitted, spec)).needed,
        }
    for _ in range(rounds):
        for precision, trainer in trainers.items():
            begin = time.perf_counter()
            states[precision], losses = trainer.advance(states[precision], workload.steps)
            found[precision]["step_seconds"].append((time.perf_counter() - begin) / workload.steps)
            found[precision]["losses"].append(float(losses[-1]))
    return found


def problems(name: str, found: dict[str, dict[str, Any]]) -> list[str]:
    """Returns what is wrong with the figures of a workload: it did not learn, or its precisions differ."""
    wrong = [
        f"{name} in {precision}: the loss went from {each['losses'][0]:.3f} to {each['losses'][-1]:.3f}"
        for precision, each in found.items()
        if not each["losses"][-1] < 0.7 * each["losses"][0]
    ]
    first, last = found["float32"]["losses"][0], [each["losses"][-1] for each in found.values()]
    if not max(last) - min(last) <= _APART * first:
        wrong.append(f"{name}: the precisions end with losses of {last}")
    return wrong


def table(figures: Mapping[str, dict[str, dict[str, Any]]], peaks: Mapping[str, float]) -> str:
    """Returns the figures as a table of Markdown.

    Args:
        figures: of `measure`, by workload.
        peaks: the measured rate of products by dtype, in operations per second.
    """
    lines = [
        "| workload | precision | step, ms | TFLOP/s | of the measured peak | compiled, MB | predicted | loss |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, by_precision in figures.items():
        for precision, each in by_precision.items():
            step = statistics.median(each["step_seconds"])
            rate = sum(each["step_flops"].values()) / step
            share = f"{rate / peaks[precision]:.0%}" if precision in peaks else "-"
            memory = f"{each['compiled_bytes'] / 1e6:,.1f} | x{each['predicted_bytes'] / each['compiled_bytes']:.2f}"
            loss = f"{each['losses'][0]:.2f} to {each['losses'][-1]:.3f}"
            lines.append(
                f"| {name} | {precision} | {step * 1e3:.3f} | {rate / 1e12:.3g} | {share} | {memory} | {loss} |"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Measures, writes the figures after each workload, and prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="no workload begins when it would end later (8)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workloads", default=",".join(WORKLOADS), help="names, with commas between")
    parser.add_argument("--output", type=Path, default=Path("accelerator.json"))
    parser.add_argument("--tiny", action="store_true", help="small sizes, to try the script")
    options = parser.parse_args(arguments)
    begin = time.monotonic()
    import jax

    from jaxdl.backend.rates import measured_peak

    peaks: dict[str, float] = {
        name: measured_peak(name, 0.01 if options.tiny else 1.0).flops_per_second for name in PRECISIONS
    }
    about = {
        "command": f"python -m benchmarks.accelerator {' '.join(arguments)}".strip(),
        "jax": jax.__version__,
        "device": jax.devices()[0].device_kind,
        "machine": machine.describe(),
        "commit": machine.commit(ROOT),
        "peaks": peaks,
    }
    figures: dict[str, dict[str, dict[str, Any]]] = {}
    longest, left_out, wrong = 0.0, list[str](), list[str]()
    for name in options.workloads.split(","):
        now = time.monotonic() - begin
        if now + longest >= 60 * options.minutes:
            left_out.append(name)
            continue
        workload = WORKLOADS[name].tiny() if options.tiny else WORKLOADS[name]
        figures[name] = measure(workload, options.rounds)
        wrong += problems(name, figures[name])
        longest = max(longest, time.monotonic() - begin - now)
        whole = {**about, "seconds": time.monotonic() - begin, "left_out": left_out, "figures": figures}
        options.output.write_text(json.dumps(whole, indent=2) + "\n")
        print(f"{name}: {time.monotonic() - begin:.0f} s so far", flush=True)
    print(table(figures, peaks))
    for line in [*wrong, *(f"{name}: left out, the time is up" for name in left_out)]:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
