"""What is made of the figures."""

from __future__ import annotations

from benchmarks.from_files import table


def test_ratios_are_those_of_each_round() -> None:
    def figures(seconds: float, core: float, epoch: float, accuracy: float) -> dict[str, float]:
        return {"seconds": seconds, "core_seconds": core, "epoch": epoch, "accuracy": accuracy}

    rounds = [
        {"jaxdl": figures(10, 5, 1, 0.9), "torch": figures(20, 20, 3, 0.8)},
        {"jaxdl": figures(30, 6, 2, 1.0), "torch": figures(30, 12, 4, 0.9)},
        {"jaxdl": figures(20, 7, 3, 0.95)},
    ]
    assert table(rounds, ["jaxdl", "torch", "keras"]).splitlines()[2:] == [
        "| jaxdl | 20 s | 6 s | 2 s | 0.9500 |",
        "| torch | 25 s (1.50) | 16 s (3.00) | 3.5 s (2.50) | 0.8500 |",
    ]
