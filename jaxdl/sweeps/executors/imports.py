"""Imports for a sweep, made while something else runs."""

from __future__ import annotations

import contextlib
import importlib


def import_what_trials_need() -> None:
    """Imports what the trial table, checkpoints and event files need, which takes a quarter of a second.

    It must be done before trials start: if several threads import the same packages for the first time, Python avoids a
    deadlock by giving one of them an incomplete module, and that trial fails.
    """
    _import(
        "optuna.storages.journal",
        "optuna.pruners",
        "optuna.samplers",
        "optuna.trial",
        "orbax.checkpoint",
        "tensorboard.plugins.hparams.api_pb2",
        "tensorboard.plugins.hparams.plugin_data_pb2",
        "tensorboard.summary.writer.record_writer",
    )


def import_what_reports_need() -> None:
    """Imports what the report needs, which takes most of a second."""
    _import("sklearn.tree")


def _import(*names: str) -> None:
    for name in names:
        with contextlib.suppress(ImportError):  # reported when it is used
            importlib.import_module(name)
