"""What several devices cost: the time of a train step, and what the devices tell each other in it.

On virtual devices, which share the cores of one processor, so that the times show only what dividing costs; how much
faster real devices are does not follow from them. What the devices tell each other is read from the compiled program.

python -m benchmarks.devices
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.process import ROOT

# Fields of the training by the name of a row.
LAYOUTS: dict[str, dict[str, Any]] = {
    "1": {"devices": 1},
    **{f"{count}, replicated": {"devices": count} for count in (2, 4, 8)},
    **{f"{count}, fsdp": {"devices": count, "shard": "fsdp"} for count in (2, 4, 8)},
    **{f"{2 * count}, rules": {"mesh": f"data:{count},model:2", "shard": "rules"} for count in (1, 2, 4)},
}
WORKLOADS = ("mnist_mlp", "mnist_cnn", "mnist_rnn")
BATCH = 128


def main() -> None:
    """Measures, writes the figures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", default=",".join(WORKLOADS), help="names of experiments, on the digits")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("devices.json"))
    options = parser.parse_args()
    import jax

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", 8)
    figures = {name: measure(name, options.rounds) for name in options.workloads.split(",")}
    about = {
        "command": f"python -m benchmarks.devices --workloads={options.workloads} --rounds={options.rounds}",
        "jax": jax.__version__,
        "machine": machine.describe(),
        "load": os.getloadavg(),
        "commit": machine.commit(ROOT),
    }
    options.output.write_text(json.dumps({**about, "figures": figures}, indent=2) + "\n")
    print(table(figures))


def measure(name: str, rounds: int) -> dict[str, dict[str, Any]]:
    """Returns the figures of each layout for one experiment; the layouts are timed in turns.

    Args:
        name: of an experiment, which is trained on the digits.
        rounds: how often each is timed.
    """
    import jax

    import jaxdl
    from jaxdl.profiling.collectives import collectives

    recipe = jaxdl.replace(
        jaxdl.load_experiment(name, ROOT / "experiments"), {"data": jaxdl.Digits(), "training.batch_size": BATCH}
    )
    data = recipe.data.load(Path(), print)
    trainers = {
        layout: jaxdl.Trainer(jaxdl.replace(recipe, {f"training.{key}": value for key, value in fields.items()}), data)
        for layout, fields in LAYOUTS.items()
    }
    steps = trainers["1"].steps_per_epoch
    seconds: dict[str, list[float]] = {layout: [] for layout in LAYOUTS}
    for number in range(rounds + 1):
        for layout, trainer in trainers.items():
            taken = trainer.time_steps(steps) / steps
            if number:  # the first compiles, and uses the memory for the first time
                seconds[layout].append(taken)
    found = {}
    for layout, trainer in trainers.items():
        told = collectives(trainer.programs.optimized_text("train"))
        params = jax.tree.leaves(trainer.init_state().params)
        found[layout] = {
            "seconds_per_step": seconds[layout],
            "collectives": Counter(each.kind for each in told),
            "bytes_per_step": sum(each.bytes for each in told),
            "parameter_bytes": sum(array.addressable_shards[0].data.nbytes for array in params),
        }
    return found


def table(figures: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Returns the figures as a table of Markdown."""
    lines = [
        "| experiment | devices | step, ms | beside 1 | parameters on each, KB | told in a step, KB | by |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, layouts in figures.items():
        one = statistics.median(layouts["1"]["seconds_per_step"])
        for layout, found in layouts.items():
            step = statistics.median(found["seconds_per_step"])
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(found["collectives"].items())) or "-"
            sizes = f"{found['parameter_bytes'] / 1e3:,.1f} | {found['bytes_per_step'] / 1e3:,.1f}"
            lines.append(f"| `{name}` | {layout} | {step * 1e3:.2f} | x{step / one:.2f} | {sizes} | {kinds} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
