"""The benchmark of memory: its table, and what it refuses."""

from __future__ import annotations

import pytest

from benchmarks import memory


def test_medians_are_printed_with_what_jaxdl_needs_of_them() -> None:
    rounds = [
        {"jaxdl, first run": {"mnist_mlp": 500.0}, "jaxdl": {"mnist_mlp": size}, "torch": {"mnist_mlp": 400.0}}
        for size in (100.0, 300.0, 200.0)
    ]
    assert memory.table(rounds, ["mnist_mlp"]).splitlines() == [
        "| MiB | mnist_mlp |",
        "|---|---|",
        "| jaxdl, first run | 500 |",
        "| jaxdl | 200 |",
        "| torch | 400 (0.50) |",
    ]


def test_a_workload_that_is_not_on_mnist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        memory.main(["--data_dir=none", "--workloads=cnn_64"])
    assert stop.value.code == 2
    assert "--workloads=cnn_64: give workloads on MNIST" in capsys.readouterr().err
