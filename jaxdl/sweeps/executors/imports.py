"""What a sweep imports while something else takes its time."""

from __future__ import annotations

import contextlib
import importlib


def import_what_trials_need() -> None:
    """Imports what the trial table, checkpoints and event files need, which takes a quarter of a second.

    It must be done before trials begin: where several threads import the same packages for the first time, Python would
    rather give one of them half a module than let them wait for each other forever, and that trial fails.
    """
    _import(
        "optuna.storages.journal",
        "optuna.pruners",
        "optuna.samplers",
        "optuna.trial",
        "orbax.checkpoint",
        "tensorboard.summary.writer.record_writer",
    )


def import_what_reports_need() -> None:
    """Imports what the report needs, which takes a second or two."""
    _import("matplotlib.backends.backend_svg", "matplotlib.figure", "sklearn.ensemble")


def _import(*names: str) -> None:
    for name in names:
        with contextlib.suppress(ImportError):  # who needs it will say so
            importlib.import_module(name)
