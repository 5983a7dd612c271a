"""Searches for a learning rate and for a batch size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jaxdl.cli.options import Options
from jaxdl.experiment import Experiment
from jaxdl.record import new_run_dir
from jaxdl.report.terminal import announce
from jaxdl.search import batch_size, learning_rate


def lr_find(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    """Prints the learning rate that a range test suggests, and writes its plot."""
    found = learning_rate.lr_find(
        experiment,
        data_dir=Path(options.data_folder),
        low=options.lr_low,
        high=options.lr_high,
        steps=options.lr_steps,
        notify=announce,
    )
    folder = Path(options.run_dir) if options.run_dir else new_run_dir(Path("runs"), f"{experiment.name}-lr_find")
    print(found.text())
    print(f"plot: {learning_rate.write_range_test(found, experiment.name, folder)}")
    return 0


def batch_find(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    """Prints the fastest of the batch sizes that were tried, and the largest that fits into memory."""
    found = batch_size.batch_find(experiment, data_dir=Path(options.data_folder), notify=announce)
    best, most = batch_size.fastest(found), batch_size.largest(found)
    print(f"fastest: --batch_size={best.size}, {best.examples_per_second:,.0f} examples/s")
    print(f"largest that fits: --batch_size={most.size}, of those tried")
    print("Another batch size is another training: choose its learning rate again, with --mode=lr_find.")
    return 0
