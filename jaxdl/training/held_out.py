"""What the model of one fold predicts for the examples that it was validated on."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxdl.backend.memory import on_host
from jaxdl.data import Dataset
from jaxdl.errors import UserError
from jaxdl.files.atomic import replace_file
from jaxdl.steps.functions import TrainState
from jaxdl.training.loop import Trainer

HELD_OUT = "held_out.npz"


def write_held_out(run_dir: Path, trainer: Trainer, dataset: Dataset, state: TrainState) -> None:
    """Writes ``held_out.npz``: ``examples``, their numbers in the source, ``predictions`` for them, and ``targets``.

    Predictions of several outputs are under ``predictions/NAME``, targets alike.

    Args:
        run_dir: the run directory.
        trainer: the training, of one fold.
        dataset: its data.
        state: whose predictions.

    Raises:
        UserError: the file cannot be written.
    """
    assert dataset.rows is not None
    split = dataset.splits["validation"]
    count = len(dataset.rows.validation)
    size = min(trainer.experiment.training.eval_batch_size, count)
    predict, hparams = trainer.programs.steps.predict_step, trainer.hparams()
    read = {key: array for key, array in split.items() if key.partition("/")[0] in ("inputs", "lengths")}
    found = []
    for first in range(0, count, size):
        rows = np.minimum(np.arange(first, first + size), count - 1)
        batch = {key: np.asarray(array[rows]) for key, array in read.items()}
        made = on_host(predict(trainer.placed(state), batch, hparams))
        found.append(made)
    predictions = jax.tree.map(lambda *parts: np.concatenate(parts)[:count], *found)
    arrays = {"examples": dataset.rows.validation, **_named("predictions", predictions)}
    arrays |= {key: array for key, array in split.items() if key.partition("/")[0] in ("targets", "lengths")}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    replace_file(run_dir / HELD_OUT, buffer.getvalue())


def read_held_out(run_dir: Path) -> dict[str, np.ndarray]:
    """Returns what `write_held_out` wrote.

    Raises:
        UserError: the file is not there, or damaged.
    """
    try:
        with np.load(run_dir / HELD_OUT, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise UserError(
            f"{run_dir / HELD_OUT} cannot be read ({type(error).__name__}): train the fold again."
        ) from error


def _named(kind: str, arrays: Any) -> dict[str, np.ndarray]:
    return {f"{kind}/{name}": each for name, each in arrays.items()} if isinstance(arrays, dict) else {kind: arrays}
