"""What an experiment takes for a part: names, kinds of parts, lists, functions."""

from __future__ import annotations

from typing import Any

import pytest

import jaxdl


def experiment(**parts: Any) -> jaxdl.Experiment:
    return jaxdl.Experiment(
        **{
            "name": "taken",
            "data": jaxdl.Digits(),
            "model": jaxdl.MLP(),
            "objective": jaxdl.SoftmaxCrossEntropy(),
            "optimizer": jaxdl.Adam(),
            **parts,
        }
    )


def test_names_and_kinds_stand_for_their_parts() -> None:
    taken = experiment(data="digits", model="mlp", objective="softmax_cross_entropy", optimizer=jaxdl.Adam)
    assert taken == experiment(model=jaxdl.MLP())
    assert experiment(metrics=["accuracy"]).metrics == experiment(metrics="accuracy").metrics == ("accuracy",)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"optimizer": "adm"}, "unknown optimizer 'adm'. Did you mean 'adam'"),
        ({"optimizer": 1e-3}, r"Experiment\(optimizer=...\) must be a part such as jaxdl.Adam"),
        ({"training": "long"}, r"Experiment\(training=...\) must be a part such as jaxdl.Training"),
        ({"objective": lambda: 0}, r"must take \(outputs, targets\)"),
    ],
)
def test_what_is_not_clear_is_refused_at_once(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(jaxdl.UserError, match=message):
        experiment(**parts)
