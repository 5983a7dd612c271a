"""Text written by a language model, compared with the whole model over the growing prefix."""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np
import pytest

import jaxdl
from jaxdl.data.texts.coding import TextCoding
from jaxdl.inference import TrainedModel
from jaxdl.steps import averages
from jaxdl.steps.functions import make_steps
from jaxdl.steps.state import with_others

LETTERS = TextCoding("character", tuple("abcdefgh \n"), 6, following=True)
WORDS = TextCoding("word", ("the", "film", "end", "\n"), 6, lowercase=True, following=True)


@functools.cache
def model_of(coding: TextCoding, lengths: bool = False, **fields) -> TrainedModel:
    """Returns a model with random weights, so large that its predictions are far from each other."""
    spec = jaxdl.Spec(
        (coding.length,),
        coding.dtype,
        jaxdl.Preprocess(cast="none"),
        (coding.length,) if coding.following else (),
        coding.size if coding.following else 2,
        lengths=lengths,
        vocabulary=coding.size,
        coding=coding,
    )
    experiment = jaxdl.Experiment(
        name="language",
        data=jaxdl.Text("a.txt"),
        model=jaxdl.RNN(**{"features": (16,), "embed": 8, "every_step": True, **fields}),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
    ).for_spec(spec)
    steps = make_steps(experiment, spec, 1)
    random = np.random.RandomState(0)
    state = jax.eval_shape(steps.init_state, np.uint32(0))  # only shapes: nothing is compiled
    params = jax.tree.map(lambda leaf: random.normal(size=leaf.shape).astype(np.float32), state.params)
    return TrainedModel(experiment, spec, steps, state.replace(params=params))


def logits_of(model: TrainedModel, text: str) -> np.ndarray:
    """Returns the logits of the whole model after each unit of a text, without those that cannot be written."""
    assert model.spec.coding is not None
    ids = model.spec.coding.ids(text)[None]
    outputs: Any = jax.jit(model.experiment.model.apply)({"params": model.state.params}, ids)
    logits = np.array(outputs[0])
    logits[:, :2] = -np.inf
    return logits


@pytest.mark.parametrize("fields", [{}, {"cell": "gru", "features": (12, 10)}])
def test_greedy_choice_is_that_of_the_whole_model_over_the_growing_prefix(fields):
    model = model_of(LETTERS, **fields)
    written = model.sample("ab", length=20, temperature=0)  # more than the length of the windows of the training
    assert len(written) == 20
    assert len(set(written)) > 1
    # The whole model is causal: what it gives after each unit is what it gives for the prefix that ends there.
    expected = logits_of(model, "ab" + written)[1:-1].argmax(-1)
    assert LETTERS.ids(written).tolist() == expected.tolist()


def test_a_seed_gives_a_text_and_another_one_another():
    model = model_of(LETTERS)
    one = model.sample("ab", length=20, seed=1)
    assert one == model.sample("ab", length=20, seed=1)
    assert one != model.sample("ab", length=20, seed=2)


def test_a_model_with_an_average_of_its_parameters_writes_what_the_average_would():
    model = model_of(LETTERS)
    turned = jax.tree.map(lambda leaf: -leaf, model.state.params)
    first = averages.first_average(model.state.params, {})
    average = {averages.AVERAGE: averages.following(first, 0.9, turned, {})}
    with_average = model.state.replace(opt_state=with_others(model.state.opt_state, average))
    written = dataclasses.replace(model, state=with_average).sample("ab", length=20, temperature=0)
    assert written == dataclasses.replace(model, state=model.state.replace(params=turned)).sample("ab", 20, 0.0)
    assert written != model.sample("ab", length=20, temperature=0)


def test_draws_follow_the_probabilities_at_the_temperature():
    model = model_of(LETTERS)
    for temperature in (0.5, 2.0):
        logits = logits_of(model, "ba")[-1] / temperature
        expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        drawn = [model.sample("ba", length=20, temperature=temperature, seed=seed) for seed in range(150)]
        counts = np.bincount([LETTERS.ids(each)[0] for each in drawn], minlength=LETTERS.size)
        assert np.abs(counts / 150 - expected).max() < 0.15


def test_what_stands_for_padding_and_unknown_units_is_never_written():
    model = model_of(LETTERS)
    assert not any("<" in model.sample("ab", length=20, temperature=100.0, seed=seed) for seed in range(10))


def test_words_and_bytes():
    assert set(model_of(WORDS).sample("The film", length=30).split()) <= {"the", "film", "end"}
    assert len(model_of(TextCoding("byte", (), 6, following=True)).sample("a", length=5)) >= 1


def test_a_model_of_lines_reads_the_end_of_a_line_before_the_prompt():
    written = model_of(LETTERS).sample("\na", length=20, temperature=0)
    assert model_of(LETTERS, lengths=True).sample("a", length=20, temperature=0) == written


@pytest.mark.parametrize(
    ("prompt", "fields", "message"),
    [
        ("axyb", {}, "the prompt has characters that the model does not know: 'x', 'y'"),
        ("", {}, "the prompt is empty"),
        ("a", {"length": 0}, "the length must be at least 1"),
        ("a", {"temperature": -1.0}, "the temperature 0 or more"),
    ],
)
def test_what_is_refused(prompt, fields, message):
    with pytest.raises(jaxdl.UserError, match=message):
        model_of(LETTERS).sample(prompt, **fields)


def test_a_run_that_is_no_language_model_is_refused():
    classifier = model_of(TextCoding("word", ("a",), 6), every_step=False)
    with pytest.raises(jaxdl.UserError, match="this run is no language model: it predicts what its texts are"):
        classifier.sample("a")
    with pytest.raises(jaxdl.UserError, match="cannot be sampled from: its steps attend"):
        model_of(LETTERS, features=(16,), attention=2).sample("a")
