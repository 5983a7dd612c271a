"""What is kept of the modules of a model is theirs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import jaxdl
from tests.inference.looked_at import QUICK, trained


@pytest.mark.slow
def test_states_of_both_directions_are_traced_up_to_the_length(tmp_path: Path) -> None:
    recipe = jaxdl.Experiment(
        "text", jaxdl.Text("reviews", fallback="embedded"), jaxdl.RNN(features=(5,), embed=4, bidirectional=True),
        jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam(learning_rate=1e-2), dataclasses.replace(QUICK, overfit_batches=2),
    )  # fmt: skip
    _, dataset, found = trained(tmp_path, recipe)
    (trace,) = found["traces"]
    tokens = found["example"]["tokens"]
    assert (trace["layer"], trace["units"], trace["steps"]) == ("forward_1", 10, len(tokens))
    assert found["worst"][0]["predicted"] in dataset.spec.class_names


def test_the_layers_that_are_shown_are_spread_over_the_calls_and_in_their_order(tmp_path: Path) -> None:
    recipe = jaxdl.Experiment(
        "deep", jaxdl.Digits(), jaxdl.CNN(features=(2,) * 11, padding="SAME", pool_after=(), dense=()),
        jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam(learning_rate=1e-2), dataclasses.replace(QUICK, overfit_batches=1),
    )  # fmt: skip
    layers = [each["layer"] for each in trained(tmp_path, recipe)[2]["activations"]]
    numbers = [int(layer.rpartition("_")[2]) for layer in layers]
    assert numbers == sorted(numbers) and (numbers[0], numbers[-1], len(numbers)) == (1, 11, 4)
