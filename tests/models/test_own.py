"""Models that are functions of their inputs: a Linen module's parameters, fields that are flags, several inputs."""

from __future__ import annotations

import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.cli.flags import parse_command_line

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, 3)).astype(np.float32)
LABELS = np.arange(64) % 2


@jaxdl.model
def network(
    inputs: Any, *, outputs: int | None = None, width: int = 4, size: float = jaxdl.traced(1.0), train: bool = False
) -> Any:
    hidden = nn.Dropout(0.5, deterministic=not train)(nn.relu(nn.Dense(width)(inputs)))
    return size * nn.Dense(outputs or 1)(hidden)


class Written(nn.Module):
    """The same as a class."""

    outputs: int | None = None
    width: int = 4
    size: float = 1.0

    @nn.compact
    def __call__(self, inputs: Any, *, train: bool = False, lengths: Any = None) -> Any:
        hidden = nn.Dropout(0.5, deterministic=not train)(nn.relu(nn.Dense(self.width)(inputs)))
        return self.size * nn.Dense(self.outputs or 1)(hidden)


@jaxdl.model
def joined(left: Any, right: Any, *, outputs: Any) -> Any:
    return nn.Dense(outputs)(jnp.concatenate([left, right], -1))


def recipe(model: Any) -> jaxdl.Experiment:
    return jaxdl.Experiment(
        name="own",
        data=jaxdl.Arrays(train=(X, LABELS), test=(X, LABELS), validation=0.0),
        model=model,
        objective="softmax_cross_entropy",
        optimizer="adam",
        training=jaxdl.Training(epochs=2, batch_size=32, watch="train/loss"),
    )


def test_it_is_the_module_that_a_class_is() -> None:
    key = jax.random.key(0)
    ours, theirs = network(outputs=2, width=5), Written(outputs=2, width=5)
    variables = ours.init(key, X)
    jax.tree.map(np.testing.assert_array_equal, variables, theirs.init(key, X))
    rngs = {"dropout": jax.random.key(1)}
    for train in (False, True):
        np.testing.assert_array_equal(
            ours.apply(variables, X, train=train, rngs=rngs, lengths=None),
            theirs.apply(variables, X, train=train, rngs=rngs),
        )
    assert ours == network(outputs=2, width=5) != network(outputs=2)
    assert pickle.loads(pickle.dumps(ours)) == ours


def test_its_keyword_arguments_are_fields_and_flags() -> None:
    assert recipe(network) == recipe(network())
    _, flagged = parse_command_line(["--width=7", "--size=2"], recipe(network))
    assert flagged == recipe(network(width=7, size=2.0))
    assert jaxdl.hyperparameters(recipe(network))["model.size"] == 1.0
    config = jaxdl.to_config(recipe(network(width=7)))
    assert config["model"] == {"type": "network", "outputs": None, "width": 7, "size": 1.0}
    assert "model" in config["code"]
    assert jaxdl.from_config(config, recipe(network)) == recipe(network(width=7))
    with pytest.raises(jaxdl.UserError, match="the model 'network' is not a part of jaxdl"):
        jaxdl.from_config(config)


def test_a_bare_function_with_several_inputs_is_trained() -> None:
    def wide(left: Any, right: Any, *, outputs: Any, width: int = 3) -> Any:
        return joined.function(nn.Dense(width)(left), right, outputs=outputs)

    given = {"left": X, "right": X[:, :1]}
    result = jaxdl.fit(wide, (given, LABELS), epochs=1, width=5, notify=None)
    assert result.predict(given).shape == (64, 2)
    assert result.experiment.model == jaxdl.model(wide)(width=5)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(jaxdl.UserError, match=r"joined \(test_own.py:\d+\) does not take the inputs .*a single one"):
        jaxdl.fit(joined, (X, LABELS), notify=None)
    with pytest.raises(jaxdl.UserError, match="unknown keyword argument of network .*'widht'. Did you mean 'width'"):
        network(widht=3)
    with pytest.raises(ValueError, match="does not take lengths"):
        network(outputs=2).init(jax.random.key(0), X, lengths=np.ones(64, np.int32))

    def without_default(inputs: Any, *, width: int) -> Any:
        return nn.Dense(width)(inputs)

    with pytest.raises(jaxdl.UserError, match="the argument width needs a default"):
        jaxdl.model(without_default)
