"""What a hook sees of a training; see `jaxdl.experiment.hooks.Moment`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxdl.backend.memory import on_host
from jaxdl.data import Dataset, Split
from jaxdl.data.stream import blocks
from jaxdl.errors import UserError, brief
from jaxdl.inference import TrainedModel
from jaxdl.inference.evaluation import figures_on
from jaxdl.steps.functions import Steps, TrainState
from jaxdl.training.loop import Trainer


class MomentOf:
    """One call of one hook: a `jaxdl.experiment.hooks.Moment`, valid until the hook returns.

    Args:
        trainer: the training.
        steps: the pure functions of its recipe, for one device.
        dataset: its data.
        run_dir: the run directory.
        state: the state now.
        epoch: epochs done.
        figures: the last figures by ``SPLIT/METRIC``.

    Attributes:
        numbers: what the hook logged, by name.
        arrays: pictures, (height, width[, channels]) uint8, and values, (number,), that it logged, by name.
        texts: texts that it logged, by name.
        reason: why it asked to stop; None: it did not.
    """

    def __init__(
        self,
        trainer: Trainer,
        steps: Steps,
        dataset: Dataset,
        run_dir: Path,
        state: TrainState,
        epoch: int,
        figures: Mapping[str, Any],
    ):
        self.step, self.epoch, self.figures = int(state.step), epoch, dict(figures)
        self.run_dir, self.dataset = run_dir, dataset
        self.numbers: dict[str, float | int] = {}
        self.arrays: dict[str, np.ndarray] = {}
        self.texts: dict[str, str] = {}
        self.reason: str | None = None
        self._trainer, self._steps = trainer, steps
        self._now: TrainState | None = state

    @property
    def _state(self) -> TrainState:
        if self._now is None:
            raise UserError("this moment of the training is over: a hook must use it before it returns.")
        return self._now

    def end(self) -> None:
        """Ends the moment: the training goes on in the memory of its state."""
        self._now = None

    @functools.cached_property
    def params(self) -> Any:
        # A copy: on a CPU, the arrays share the memory of the state, which the next step writes to.
        return jax.tree.map(np.array, on_host(self._state.params))

    @functools.cached_property
    def _model(self) -> TrainedModel:
        state = self._state
        if self._trainer.layout is not None:  # the inputs lie on one device
            kept = on_host({"params": state.params, "model_state": state.model_state, "opt_state": state.opt_state})
            state = state.replace(**kept)
        return TrainedModel(self._trainer.experiment, self._trainer.spec, self._steps, state)

    def predict(self, inputs: Any, lengths: Any = None) -> np.ndarray:
        """Returns what the model predicts now."""
        self._state  # noqa: B018  # raises where the moment is over
        return self._model.predict(inputs, lengths)

    def predictions(self, split: str = "validation") -> Any:
        """Returns what the model predicts now for a whole split."""
        inputs = [name for name, _ in self.dataset.spec.inputs]
        of_inputs = ("inputs", "lengths")
        read = {key: array for key, array in self._split(split).items() if key.partition("/")[0] in of_inputs}
        found = []
        for _, part in blocks(read):
            given = [
                {name: part[f"{kind}/{name}"] for name in inputs if f"{kind}/{name}" in part} for kind in of_inputs
            ]
            named = (given[0], given[1] or None)
            found.append(self.predict(*(named if inputs else (part["inputs"], part.get("lengths")))))
        return jax.tree.map(lambda *each: np.concatenate(each), *found)

    def evaluate(self, split: str = "validation") -> dict[str, Any]:
        """Returns the loss and the metrics over a whole split, by name."""
        self._split(split)
        layout = self._trainer.layout
        if layout is not None and layout.spans_processes:  # the others do not take part
            return figures_on(self._model, self.dataset, (split,))[split]
        return self._trainer.evaluate(self._state, split)

    def _split(self, name: str) -> Split:
        if name not in self.dataset.splits:
            raise UserError(f"there is no split {name!r}; the splits are {', '.join(self.dataset.splits)}.")
        return self.dataset.splits[name]

    def log(self, name: str, value: Any) -> None:
        """Records a number, a picture, the values of a histogram or a text under a name."""
        if isinstance(value, str):
            self.texts[name] = str(value)
            return
        array = np.asarray(value)
        numbers = array.dtype.kind in "biuf"
        if numbers and not array.ndim:
            self.numbers[name] = array.item()
        elif numbers and array.ndim == 1:
            self.arrays[name] = array
        elif numbers and (array.ndim == 2 or (array.ndim == 3 and array.shape[-1] in (1, 3, 4))):
            self.arrays[name] = array if array.dtype == np.uint8 else _as_bytes(name, array)
        else:
            raise UserError(
                f"log({name!r}): give a number, values of one axis, a picture (height, width[, channels]), or a text, "
                f"not {brief(value)}."
            )

    def stop(self, reason: str) -> None:
        """Ends the training here."""
        self.reason = str(reason)


def _as_bytes(name: str, picture: np.ndarray) -> np.ndarray:
    if picture.size and not (np.isfinite(picture).all() and picture.min() >= 0 and picture.max() <= 1):
        raise UserError(f"log({name!r}): a picture of {picture.dtype} must have values from 0 to 1; uint8 up to 255.")
    return np.rint(picture.astype(np.float64) * 255).astype(np.uint8)
