"""The benchmark of several processes: how they are run, and its table."""

from __future__ import annotations

import sys

from benchmarks.processes import run_together, table


def test_the_first_process_gives_the_figure() -> None:
    commands = [[sys.executable, "-c", "print('a line'); print(12.5)"], [sys.executable, "-c", "pass"]]
    assert run_together(commands) == (12.5, None)


def test_what_went_wrong_in_any_of_them_is_told() -> None:
    commands = [[sys.executable, "-c", "print(1.0)"], [sys.executable, "-c", "raise SystemExit('no torch here')"]]
    assert run_together(commands) == (0.0, "no torch here")


def test_the_table_has_medians_and_the_ratios_of_rounds() -> None:
    rounds = [{"jaxdl": {"mnist_mlp": 10.0 * n}, "torch-ddp": {"mnist_mlp": 5.0}} for n in (1, 3, 2)]
    assert table(rounds, ["mnist_mlp"]).splitlines()[2:] == ["| `mnist_mlp` | 20 | 5 | 4.00 [2.00, 6.00] |"]
    assert len(table([{"jaxdl": {"mnist_mlp": 1.0}}], ["mnist_mlp"]).splitlines()) == 2
