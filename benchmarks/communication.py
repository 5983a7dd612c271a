"""How long devices take to tell each other what a train step needs, by a model: bytes of compiled programs over links.

The bytes are those that `benchmarks.devices` counted in compiled programs, on the digits of scikit-learn: as many as
the parameters, and 8 more. So those of models on MNIST follow from their parameters. What a link carries is its maker's
figure. Nothing is measured here.

    python -m benchmarks.communication
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

from benchmarks.process import ROOT
from benchmarks.workloads import WORKLOADS

COUNTED = ROOT / "benchmarks" / "results" / "devices-virtual-jax-0.10.json"
DEVICES = (8, 64, 512)
# As many bytes as the gradients of a model of 25 million parameters in float32, such as a ResNet-50.
LARGE = ("25 million parameters", 100_000_000)


@dataclasses.dataclass(frozen=True)
class Link:
    """By what devices are connected.

    Attributes:
        name: of it.
        bytes_per_second: that one device sends, while it receives as many.
        hop_seconds: until the first byte has come to the next device.
        is_torus: whether each device has neighbours along three axes, as in a TPU; otherwise all reach each other.
    """

    name: str
    bytes_per_second: float
    hop_seconds: float
    is_torus: bool = False

    def hops(self, devices: int) -> float:
        """Returns how many devices the first byte passes in an all-reduce: there and back."""
        if not self.is_torus:
            return 2 * math.log2(devices)  # a tree, as NCCL takes for small sums
        side = round(math.exp(math.log(devices) / 3))
        return 2 * 3 * (side - 1)  # a ring along each axis


# NVLink 4 with NVSwitch: 900 GB/s, half of it in each direction. InfiniBand NDR: 400 Gb/s for each GPU. TPU v5p: 4,800
# Gb/s over all six connections of a chip, half of it in each direction.
LINKS = (
    Link("NVLink 4", 450e9, 1e-6),
    Link("InfiniBand NDR, one for each GPU", 50e9, 5e-6),
    Link("TPU v5p, ICI", 300e9, 1e-6, is_torus=True),
)


def seconds(size: float, calls: int, devices: int, link: Link) -> float:
    """Returns how long the all-reduces of a step take where nothing is computed meanwhile.

    Each device sends, and receives, the size twice, except its own share: once to add up, once to give out.

    Args:
        size: bytes of all results.
        calls: number of all-reduces.
        devices: how many take part.
        link: by what they are connected.
    """
    return 2 * size * (devices - 1) / devices / link.bytes_per_second + calls * link.hops(devices) * link.hop_seconds


def counted(path: Path = COUNTED) -> dict[str, tuple[int, int]]:
    """Returns bytes and calls of a step with ``replicated`` by experiment.

    Raises:
        ValueError: they depend on the number of devices, which the model does not allow.
    """
    figures: dict[str, Any] = json.loads(path.read_text())["figures"]
    found = {}
    for name, layouts in figures.items():
        of_counts = {
            (each["bytes_per_step"], sum(each["collectives"].values()))
            for layout, each in layouts.items()
            if layout.endswith("replicated")
        }
        if len(of_counts) != 1:
            raise ValueError(f"{name}: what is told depends on the number of devices: {sorted(of_counts)}")
        found[name] = of_counts.pop()
    return found


def on_mnist(name: str) -> tuple[int, int]:
    """Returns the same for an experiment on MNIST, which has more parameters than on the digits."""
    return 4 * WORKLOADS[name].parameters + 8, 2


def table(sizes: dict[str, tuple[int, int]]) -> str:
    """Returns the model's figures as a table of Markdown, in microseconds."""
    head = ["| model | told in a step, KB | link | " + " | ".join(f"{n} devices, µs" for n in DEVICES) + " |"]
    lines = [*head, "|" + "---|" * (3 + len(DEVICES))]
    for name, (size, calls) in sizes.items():
        for link in LINKS:
            times = " | ".join(f"{seconds(size, calls, n, link) * 1e6:,.0f}" for n in DEVICES)
            lines.append(f"| {name} | {size / 1e3:,.0f} | {link.name} | {times} |")
    return "\n".join(lines)


def main() -> None:
    """Prints the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    sizes = {f"`{name}`, digits": each for name, each in counted().items()}
    sizes |= {f"`{name}`, MNIST": on_mnist(name) for name in ("mnist_mlp", "mnist_cnn")}
    print(table(sizes | {LARGE[0]: (LARGE[1], 2)}))


if __name__ == "__main__":
    main()
