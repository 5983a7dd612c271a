"""Text written by a language model: each unit is drawn from what the model predicts, and read in its turn."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.backend.memory import on_host
from jaxdl.data.texts.coding import SPECIAL, UNKNOWN, TextCoding, units
from jaxdl.errors import UserError
from jaxdl.models.stepping import advance, cannot_step, first_states
from jaxdl.steps.averages import averaged

if TYPE_CHECKING:
    from jaxdl.inference.predictor import TrainedModel


def sample(model: TrainedModel, prompt: str, length: int, temperature: float, seed: int) -> str:
    """Returns what a language model writes after a prompt, without the prompt.

    The model reads the prompt once and then each unit that it has drawn, with its state carried; one compiled program
    does all of it. A model of lines is also given the end of a line before the prompt, with which its lines begin.

    Args:
        model: a model that was trained to predict the units that follow.
        prompt: what comes before; empty only for a model of lines.
        length: how many units are drawn, such as characters or words.
        temperature: divides the logits: below 1 the probable becomes more probable. 0: always the most probable unit.
        seed: of the draws; the same one gives the same text.

    Raises:
        UserError: the model is no language model, or cannot be run step by step; a unit of the prompt is not in its
            vocabulary; or `length` or `temperature` is not allowed.
    """
    coding = _coding(model)
    if length < 1 or temperature < 0 or not np.isfinite(temperature):
        raise UserError(
            f"length={length}, temperature={temperature:g}: the length must be at least 1, and the temperature 0 or "
            "more."
        )
    ids = _prompt_ids(prompt, coding, model.spec.lengths)
    dtype = jnp.dtype(model.experiment.training.precision)
    state = averaged(model.state) or model.state
    params = jax.tree.map(lambda leaf: leaf.astype(dtype) if leaf.dtype == jnp.float32 else leaf, state.params)
    banned = 0 if coding.level == "byte" else len(SPECIAL)
    key = jax.random.key(seed)
    network = model.experiment.model
    drawn = _continued(network, length, banned, params, jnp.asarray(ids)[None], np.float32(temperature), key)
    return coding.text(on_host(drawn))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))  # kept by JAX, so that the next text compiles nothing
def _continued(
    network: Any, length: int, banned: int, params: Any, prompt: jax.Array, temperature: jax.Array, key: jax.Array
) -> jax.Array:
    """Returns the ids that follow a prompt (1, steps), (length,) int32; pure."""
    dtype = jax.tree.leaves(params)[0].dtype
    outputs, states = advance(network, params, prompt, first_states(network, 1, dtype))

    def draw(logits: jax.Array, number: jax.Array) -> jax.Array:
        logits = logits.astype(jnp.float32)
        # What stands for padding and unknown units is nothing that can be written.
        logits = jnp.where(jnp.arange(logits.shape[-1]) < banned, -jnp.inf, logits)
        random = jax.random.categorical(jax.random.fold_in(key, number), logits / jnp.maximum(temperature, 1e-6))
        return jnp.where(temperature > 0, random, jnp.argmax(logits)).astype(jnp.int32)

    def step(carry: tuple[Any, jax.Array], number: jax.Array) -> tuple[tuple[Any, jax.Array], jax.Array]:
        states, logits = carry
        drawn = draw(logits, number)
        outputs, states = advance(network, params, drawn[None, None], states)
        return (states, outputs[0, -1]), drawn

    _, ids = jax.lax.scan(step, (states, outputs[0, -1]), jnp.arange(length))
    return ids


def _coding(model: TrainedModel) -> TextCoding:
    coding = model.spec.coding
    if coding is None or not coding.following:
        what = "numbers or classes" if coding is None else "what its texts are"
        raise UserError(
            f"this run is no language model: it predicts {what}, not the text that follows. One is trained on a "
            "running text, as by --experiment=shakespeare_lstm --data=text:FILE."
        )
    problem = cannot_step(model.experiment.model)
    if problem:
        raise UserError(f"this run's model cannot be sampled from: {problem}.")
    return coding


def _prompt_ids(prompt: str, coding: TextCoding, of_lines: bool) -> np.ndarray:
    ids = coding.ids(("\n" if of_lines else "") + prompt)
    if not len(ids):
        raise UserError("the prompt is empty; give a text to begin with, such as a name or a word.")
    unknown = np.flatnonzero(ids == UNKNOWN) if coding.has_unknown else ()
    if len(unknown):
        strange = _strange(prompt, coding)
        raise UserError(
            f"the prompt has {coding.units} that the model does not know: {strange}; they do not occur in its train "
            "text, or too seldom."
        )
    return ids


def _strange(prompt: str, coding: TextCoding) -> str:
    found = dict.fromkeys(units(prompt, coding.level, coding.lowercase, coding.following))
    return ", ".join(repr(unit) for unit in found if (coding.ids(unit) == UNKNOWN).any())
