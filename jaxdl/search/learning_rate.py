"""The learning-rate range test: one short training in which the learning rate increases at each step.

Smith 2017, "Cyclical learning rates for training neural networks", arXiv:1506.01186.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.backend.memory import on_host
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.experiment.load import data_summary
from jaxdl.fields import replace
from jaxdl.files.atomic import named_cause, replace_file
from jaxdl.files.paths import expanded
from jaxdl.optim.schedules import Constant
from jaxdl.report.format import data_used
from jaxdl.report.terminal import say_nothing
from jaxdl.steps.functions import Batch, Steps, TrainState, model_errors
from jaxdl.steps.layout import Layout, known
from jaxdl.steps.many import batch_of_step
from jaxdl.training.cache import Cache
from jaxdl.training.feed import Feed

RATE = "optimizer.learning_rate"
# Weight of each loss in the running mean, which covers only a few steps around each rate.
_SMOOTHING = 0.1
# The test ends when the smoothed loss is this many times its minimum.
_RISEN = 4.0
# The running mean is not used before this many steps.
_FEWEST = 10


@dataclasses.dataclass(frozen=True)
class RangeTest:
    """The result of a learning-rate range test.

    Attributes:
        rates: (steps,) float64, the learning rate of each step.
        losses: (steps,) float64, the train loss of each step, before its update.
        smoothed: (steps,) float64, its exponential running mean, corrected for its start.
        suggestion: the rate at which the smoothed loss falls fastest over the logarithm of the rate; None if it does
            not fall.
        data: name of the data.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float | None
    data: str

    def text(self) -> str:
        """Returns the outcome in one line."""
        if self.suggestion is None:
            return f"the loss falls at no learning rate from {self.rates[0]:.1e} to {self.rates[-1]:.1e}."
        best = int(np.argmin(self.smoothed))
        return (
            f"suggested --learning_rate={self.suggestion:.2g}, where the loss on {self.data} falls fastest; it is "
            f"smallest, {self.smoothed[best]:.4g}, at {self.rates[best]:.2g} and grows beyond."
        )


def lr_find(
    experiment: Experiment,
    *,
    data_dir: Path,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 300,
    cache: Cache | None = None,
    notify: Callable[[str], None] | None = print,
) -> RangeTest:
    """Trains a few steps, with learning rates from `low` to `high`, evenly spaced in the logarithm, without a schedule.

    Args:
        experiment: the recipe; its learning rate and schedule are ignored.
        data_dir: folder of prepared data sets.
        low: the first learning rate.
        high: the last one.
        steps: train steps, at least 20.
        cache: data of earlier trainings in this process.
        notify: called with messages; None: nothing is said.

    Raises:
        UserError: the range is empty, there are too few steps, or the data are not available.
    """
    if not 0 < low < high < math.inf or steps < 2 * _FEWEST:
        raise UserError(f"lr_find: give 0 < low < high and at least {2 * _FEWEST} steps, not {low}, {high}, {steps}.")
    notify = notify or say_nothing
    cache = cache or Cache(expanded(data_dir), notify)
    recipe = replace(experiment, {"optimizer.schedule": Constant(), "training.nan": "ignore"})
    dataset = cache.dataset(recipe)
    trainer = cache.trainer(recipe.for_spec(dataset.spec))
    rates = np.geomspace(low, high, steps)
    others = {path: value for path, value in trainer.hparams().items() if path != RATE}
    program = functools.partial(_run, trainer.programs.steps, recipe.training.batch_size, trainer.layout)
    with model_errors():
        state = trainer.init_state()
        run, numbers = jax.jit(program), jnp.asarray(rates, jnp.float32)
        if isinstance(trainer.feed, Feed):
            epochs = -(-steps // trainer.steps_per_epoch)
            order = jnp.concatenate([trainer.feed.order(epoch) for epoch in range(epochs)])
            _, losses = run(state, trainer.feed.data.arrays, order, others, numbers)
        else:
            positions, each = jnp.arange(recipe.training.batch_size, dtype=jnp.int32), []
            for step in range(steps):
                state, loss = run(state, trainer.feed.batch(step), positions, others, numbers[step : step + 1])
                each.append(loss)
            losses = jnp.concatenate(each)
    found = np.asarray(on_host(losses), np.float64)
    smoothed = _smoothed(found)
    end = _end(smoothed)
    if end < _FEWEST:
        raise UserError(
            f"lr_find: the loss is not finite from step {end + 1} on, at a learning rate of {rates[end]:.2g}; lower "
            "--lr_low, or look for an error in the model or the data."
        )
    used = data_used(data_summary(dataset, recipe))
    return RangeTest(rates[:end], found[:end], smoothed[:end], suggest(rates[:end], smoothed[:end]), used)


def _end(smoothed: np.ndarray) -> int:
    """Returns how many steps the test has: until the loss is not finite, or far above its minimum."""
    risen = smoothed > _RISEN * np.fmin.accumulate(smoothed)
    risen[:_FEWEST] = False
    over = np.flatnonzero(~np.isfinite(smoothed) | risen)
    return int(over[0]) if over.size else len(smoothed)


def _run(
    steps: Steps,
    batch_size: int,
    layout: Layout | None,
    state: TrainState,
    arrays: Batch,
    order: jax.Array,
    others: Mapping[str, Any],
    rates: jax.Array,
) -> tuple[TrainState, jax.Array]:
    """Returns the state after the steps, and the train loss of each, (steps,) float32."""

    def body(state: TrainState, item: tuple[jax.Array, jax.Array]) -> tuple[TrainState, jax.Array]:
        number, rate = item
        batch = batch_of_step(arrays, order, number, batch_size, layout)
        with known(layout):
            state, metrics = steps.train_step(state, batch, {**others, RATE: rate})
        return state if layout is None else layout.state(state), metrics["loss"]

    return jax.lax.scan(body, state, (jnp.arange(rates.shape[0], dtype=jnp.int32), rates))


def _smoothed(losses: np.ndarray) -> np.ndarray:
    """Returns the exponential running mean, bias-corrected as in Adam."""
    mean, means = 0.0, []
    for number, loss in enumerate(losses, 1):
        mean = (1 - _SMOOTHING) * mean + _SMOOTHING * loss
        means.append(mean / (1 - (1 - _SMOOTHING) ** number))
    return np.array(means)


def suggest(rates: np.ndarray, smoothed: np.ndarray) -> float | None:
    """Returns the rate at which a smoothed loss falls fastest, before its minimum; None if it does not fall.

    Args:
        rates: (steps,), evenly spaced in the logarithm.
        smoothed: (steps,), finite.
    """
    last = int(np.argmin(smoothed)) + 1
    if last <= _FEWEST:
        return None
    slope = np.gradient(smoothed[:last], np.log(rates[:last]))[_FEWEST // 2 :]
    steepest = int(np.argmin(slope))
    return float(rates[_FEWEST // 2 + steepest]) if slope[steepest] < 0 else None


def write_range_test(found: RangeTest, name: str, folder: Path) -> Path:
    """Writes ``lr_find.json`` and ``lr_find.html`` with the plot into a folder, and returns the page's path.

    Raises:
        UserError: they cannot be written.
    """
    from jaxdl.report.page import escaped, page, plotted
    from jaxdl.report.sweep_plots import range_test

    with named_cause(folder, "create the folder"):
        folder.mkdir(parents=True, exist_ok=True)
    value = {
        "experiment": name,
        "data": found.data,
        "suggestion": found.suggestion,
        "rates": found.rates.tolist(),
        "losses": [loss if math.isfinite(loss) else str(loss) for loss in found.losses.tolist()],
        "smoothed": found.smoothed.tolist(),
    }
    replace_file(folder / "lr_find.json", json.dumps(value) + "\n")
    title = f"train loss of {name} over the learning rate, {found.data}"
    plot = plotted(title, range_test(title, found.rates, found.losses, found.smoothed, found.suggestion))
    head = f'<h1>learning-rate range test of {escaped(name)}</h1>\n<p class="sub">{escaped(found.text())}</p>'
    replace_file(folder / "lr_find.html", page(f"lr_find of {name}", [head, plot]))
    return folder / "lr_find.html"
