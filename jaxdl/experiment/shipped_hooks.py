"""Hooks that come with jaxdl; each is an example of how to write one."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import numpy as np

from jaxdl.data.npy import write_array
from jaxdl.experiment.hooks import Hook, Moment, hook


@hook
def save_predictions(now: Moment) -> None:
    """Saves what the model predicts for validation, or without one for test: ``predictions/STEP.npy`` of the run."""
    predictions = now.predictions("validation" if "validation" in now.dataset.splits else "test")
    folder = now.run_dir / "predictions"
    folder.mkdir(exist_ok=True)
    if isinstance(predictions, dict):  # of several outputs
        np.savez(folder / f"{now.step:07d}.npz", **predictions)
    else:
        write_array(folder / f"{now.step:07d}.npy", predictions)


@hook
def weight_histograms(now: Moment) -> None:
    """Shows TensorBoard how the values of each array of parameters are distributed."""
    for path, values in jax.tree_util.tree_leaves_with_path(now.params):
        now.log(jax.tree_util.keystr(path, simple=True, separator="/"), values.reshape(-1))


@hook(every="100steps")
def validate(now: Moment) -> None:
    """Measures the validation split, or without one the test split, also in the middle of an epoch."""
    split = "validation" if "validation" in now.dataset.splits else "test"
    for name, value in now.evaluate(split).items():
        if isinstance(value, float | int):
            now.log(f"{split}_{name}", value)


SHIPPED: Mapping[str, Hook] = {each.name: each for each in (save_predictions, weight_histograms, validate)}
