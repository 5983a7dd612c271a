"""What an experiment takes for a part: names, kinds of parts, lists, functions."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax
import pytest

import jaxdl

X, Y = np.ones((6, 2), np.float32), np.arange(6) % 2


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


def test_a_list_or_a_number_stands_for_a_tuple() -> None:
    for features in ([8], 8, (8,)):
        assert experiment(model=jaxdl.MLP(features=features)).model == jaxdl.MLP(features=(8,))
    assert experiment(model=jaxdl.CNN(kernel=[5, 3])).model == jaxdl.CNN(kernel=(5, 3))
    assert experiment(data=jaxdl.Table("a.csv", columns=["a"])).data == jaxdl.Table("a.csv", columns=("a",))


def test_splits_by_name_are_arrays() -> None:
    splits = {"train": (X, Y), "test": {"inputs": X, "targets": Y}}
    assert experiment(data=splits).data == jaxdl.Arrays(train=splits["train"], test=splits["test"])
    made = experiment(data={**splits, "validation": (X, Y)}).data
    assert made == jaxdl.Arrays(train=(X, Y), test=(X, Y), validate_on=(X, Y))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"optimizer": "adm"}, "unknown optimizer 'adm'. Did you mean 'adam'"),
        ({"optimizer": 1e-3}, r"Experiment\(optimizer=...\) must be a part such as jaxdl.Adam"),
        ({"training": "long"}, r"Experiment\(training=...\) must be a part such as jaxdl.Training"),
        ({"objective": lambda: 0}, r"must take \(outputs, targets\)"),
        (
            {"data": (X, X)},
            r"jaxdl.Arrays\(train=\(x, y\).* not \(ndarray of float32 and shape \(6, 2\)",
        ),
        (
            {"optimizer": jaxdl.Adam(learning_rate=abs)},
            r"must be a number, not a function: .* schedule=f",
        ),
        ({"model": np.ones(3)}, r"must be a part such as jaxdl.MLP.* not ndarray of float64 and shape \(3,\)"),
        ({"metrics": ("accuracy", "acuracy")}, "unknown metric 'acuracy'. Did you mean 'accuracy'"),
        ({"metrics": {"shade": "acuracy"}}, "unknown metric 'acuracy'. Did you mean 'accuracy'"),
        ({"metrics": 3}, "metrics=3: must be a list of str"),
        ({"model": jaxdl.MLP(activation="rellu")}, "unknown activation 'rellu'. Did you mean 'relu'"),
        ({"optimizer": jaxdl.Adam(learning_rate=-1.0)}, "optimizer.learning_rate=-1.0: must be"),
        ({"training": jaxdl.Training(epochs=0)}, "training.epochs=0: must be at least 1"),
        ({"optimizer": optax.cosine_decay_schedule(1e-3, 9)}, "was given a schedule: give its form as schedule=f"),
        ({"hooks": ("save_prediction",)}, "Did you mean 'save_predictions'"),
    ],
)
def test_what_is_not_clear_is_refused_at_once(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(jaxdl.UserError, match=message):
        experiment(**parts)


def test_what_is_not_clear_is_refused_in_replace_too() -> None:
    made = experiment()
    for changes, message in (
        ({"metrics": "acuracy"}, "Did you mean 'accuracy'"),
        ({"optimizer": 3}, "must be a part such as jaxdl.Adam"),
        ({"epochs": 0}, "training.epochs=0: must be at least 1"),
    ):
        with pytest.raises(jaxdl.UserError, match=message):
            jaxdl.replace(made, **changes)


def test_numbers_of_a_compiled_program_are_taken() -> None:
    found = jax.jit(lambda rate: jaxdl.replace(experiment(), learning_rate=-rate).optimizer.learning_rate)(0.5)
    assert float(found) == -0.5
