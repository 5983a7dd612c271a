"""The modes of ``--mode``: what each one does, what it needs, and its function."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Command:
    """One mode.

    Attributes:
        help: what it does, in one line.
        function: ``module:function`` below `jaxdl.cli`, imported only when it is called as
            ``function(options, experiment, arguments, begin)``, it returns the exit status; see `jaxdl.cli.run.run`.
        needs: options that must be given.
        own_options: options that apply only to the modes that list them.
        of_a_run: whether its experiment is taken from the run in ``--run_dir``.
        of_the_machine: whether it needs no experiment.
        of_runs: whether it reads run directories alone, and needs neither an experiment nor JAX; its function is called
            as ``function(options)``.
    """

    help: str
    function: str
    needs: tuple[str, ...] = ()
    own_options: tuple[str, ...] = ()
    of_a_run: bool = False
    of_the_machine: bool = False
    of_runs: bool = False


COMMANDS: Mapping[str, Command] = {
    "train": Command(
        "train, validate and test; with --sweep, many times", "training:train", own_options=("tag", "note")
    ),
    "eval": Command(
        "measure a finished run on its data again", "inference:evaluate", needs=("run_dir",), of_a_run=True
    ),
    "predict": Command(
        "predict for images or examples with a finished run",
        "inference:predict",
        needs=("run_dir", "input", "output"),
        own_options=("input", "output", "top_k", "runtime"),
        of_a_run=True,
    ),
    "sample": Command(
        "write text with a finished language model",
        "inference:sample",
        needs=("run_dir",),
        own_options=("prompt", "length", "temperature"),
        of_a_run=True,
    ),
    "data": Command("describe the data, name what looks wrong, and write a page with examples", "data:look"),
    "summary": Command("print the model's layers with their sizes", "training:summary"),
    "devices": Command(
        "list the devices and measure how fast they are; needs no experiment", "devices:look", of_the_machine=True
    ),
    "export": Command(
        "write a finished run's model as a program that needs no jaxdl, or its weights",
        "inference:export",
        needs=("run_dir", "output"),
        own_options=("output", "format"),
        of_a_run=True,
    ),
    "serve": Command(
        "answer requests for predictions over HTTP with a finished run, with a page to try it on",
        "serving:serve",
        needs=("run_dir",),
        own_options=("runtime", "host", "port", "max_batch", "max_body", "max_seconds"),
        of_a_run=True,
    ),
    "runs": Command(
        "list runs, with --filter and --sort", "runs:list_runs", own_options=("runs", "filter", "sort"), of_runs=True
    ),
    "tag": Command(
        "change the tags and the note of the runs of --runs, also of running ones",
        "runs:tag_runs",
        needs=("runs",),
        own_options=("runs", "filter", "tag", "note"),
        of_runs=True,
    ),
    "clean": Command(
        "show what old runs hold on the disk; with --keep and --yes remove a part of it",
        "cleaning:clean",
        own_options=("runs", "filter", "older_than", "keep", "yes"),
        of_runs=True,
    ),
    "report": Command(
        "write the report of a run again, also of one that is running, was stopped or failed",
        "reporting:report",
        needs=("run_dir",),
        of_runs=True,
    ),
    "compare": Command(
        "compare the runs of --runs: means over seeds, differences, what differs; as a page with --output=FILE.html",
        "comparing:compare_runs",
        needs=("runs",),
        own_options=("runs", "filter", "figures", "baseline", "output"),
        of_runs=True,
    ),
    "follow": Command(
        "show what the running runs of --runs log, until they end",
        "following:follow_runs",
        own_options=("runs", "filter", "figures"),
        of_runs=True,
    ),
    "reproduce": Command(
        "train a finished run again and compare the bits", "proofs:reproduce", needs=("run_dir",), of_a_run=True
    ),
    "verify_resume": Command(
        "stop and resume a training many times and compare the bits with an uninterrupted one",
        "proofs:verify_resume",
        own_options=("kills",),
    ),
    "lr_find": Command(
        "find a learning rate by a range test", "searches:lr_find", own_options=("lr_low", "lr_high", "lr_steps")
    ),
    "batch_find": Command("measure the speed of batch sizes", "searches:batch_find"),
}


def function_of(mode: str) -> Any:
    """Returns the function of a mode; imports its module."""
    module, _, function = COMMANDS[mode].function.partition(":")
    return getattr(importlib.import_module(f"jaxdl.cli.{module}"), function)


STATUSES: Mapping[str, str] = {
    "0": "done",
    "1": "a training diverged, a trial failed, or a comparison found a difference",
    "2": "a mistake that you can mend, named in the last line; nothing was changed",
    "124": "a call of a compiled program did not come back within --hang_after; the same command goes on",
    "134": "another process of the training was lost, as JAX says or jaxdl; the same command on all hosts goes on",
    "128 + N": "stopped by the signal N, and saved: 130 Ctrl-C, 142 --max_time, 143 SIGTERM, 129 SIGHUP, 138 SIGUSR1",
}
"""The exit statuses of all commands, and what they mean."""
