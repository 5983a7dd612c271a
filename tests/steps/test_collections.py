"""Collections of a user's own Linen module: state is carried, sown losses are added, other sown values are metrics."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.errors import UserError
from tests.small import blobs

SPEC = blobs().spec


class Gate(nn.Module):
    """Sows in each call of a submodule."""

    @nn.compact
    def __call__(self, hidden: jax.Array) -> jax.Array:
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (hidden.shape[-1], 4))
        self.sow("losses", "decay", 0.1 * (kernel**2).sum())
        self.sow("intermediates", "hidden", hidden)
        return hidden @ kernel


class Own(nn.Module):
    """Counts its training steps, keeps a running mean of its outputs, and sows losses and figures."""

    outputs: int = 3

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        hidden = Gate(name="gate")(inputs.reshape(len(inputs), -1))
        outputs = nn.Dense(self.outputs, name="output")(hidden)
        count = self.variable("counts", "steps", lambda: jnp.zeros((), jnp.int32))
        mean = self.variable("averages", "outputs", jnp.zeros, (self.outputs,))
        if not self.is_initializing():  # also in evaluation, where it is dropped
            count.value += 1
            mean.value = 0.9 * mean.value + 0.1 * outputs.mean(0)
        self.sow("figures", "largest", outputs.max())
        self.sow("figures", "loss", jnp.full((2,), 7.0))
        self.sow("losses", "added", 0.25, reduce_fn=lambda a, b: a + b, init_fn=lambda: 0.0)
        return outputs


def experiment(model: nn.Module, **changes: Any) -> jaxdl.Experiment:
    recipe = jaxdl.Experiment(
        name="own",
        data=jaxdl.Digits(),
        model=model,
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.SGD(learning_rate=0.1),
    )
    return jaxdl.replace(recipe, changes)


def batch(count: int = 8) -> dict[str, np.ndarray]:
    return {name: array[:count] for name, array in blobs().splits["train"].items()}


@pytest.fixture(scope="module")
def stepped() -> tuple[jaxdl.Steps, jaxdl.TrainState, jaxdl.TrainState, dict[str, Any]]:
    recipe = experiment(Own())
    steps = jaxdl.make_steps(recipe, SPEC, 10)
    state = steps.init_state(0)
    after, metrics = steps.train_step(state, batch(), jaxdl.hyperparameters(recipe))
    return steps, state, after, metrics


def test_state_is_carried_and_what_is_sown_is_not(stepped: Any) -> None:
    steps, state, after, _ = stepped
    assert state.model_state.keys() == {"counts", "averages"}
    assert (int(state.model_state["counts"]["steps"]), int(after.model_state["counts"]["steps"])) == (0, 1)
    kernel, output = state.params["gate"]["kernel"], state.params["output"]
    inputs = batch()["inputs"].reshape(8, -1) / 255
    outputs = inputs @ np.asarray(kernel, np.float64) @ np.asarray(output["kernel"], np.float64)
    np.testing.assert_allclose(after.model_state["averages"]["outputs"], 0.1 * outputs.mean(0), rtol=1e-4, atol=1e-6)
    again, _ = steps.train_step(after, batch(), {"optimizer.learning_rate": 0.1})
    assert int(again.model_state["counts"]["steps"]) == 2


def test_sown_losses_are_added_to_the_loss_and_its_gradient(stepped: Any) -> None:
    steps, state, after, metrics = stepped
    kernel = np.asarray(state.params["gate"]["kernel"], np.float64)
    decay = 0.1 * (kernel**2).sum()
    plain = steps.eval_step(state, batch())["loss"] / 8  # evaluation measures the objective alone
    np.testing.assert_allclose(metrics["loss"], plain + decay + 0.25, rtol=1e-5)
    recipe = experiment(Own())
    without = jax.grad(lambda params: steps.eval_step(state.replace(params=params), batch())["loss"] / 8)(state.params)
    expected = kernel - 0.1 * (np.asarray(without["gate"]["kernel"]) + 0.2 * kernel)
    np.testing.assert_allclose(after.params["gate"]["kernel"], expected, rtol=1e-4, atol=1e-6)
    assert recipe.model == Own()


def test_sown_values_are_metrics_of_training_by_name(stepped: Any) -> None:
    steps, state, _, metrics = stepped
    assert metrics.keys() == {
        "loss", "accuracy", "gate.decay", "gate.hidden", "largest", "figures.loss", "added"
    }  # fmt: skip
    assert all(value.shape == () and value.dtype == jnp.float32 for value in metrics.values())
    np.testing.assert_allclose(metrics["gate.hidden"], batch()["inputs"].mean() / 255, rtol=1e-5)
    assert (float(metrics["figures.loss"]), float(metrics["added"])) == (7.0, 0.25)
    assert not {"largest", "gate.hidden", "added"} & steps.eval_step(state, batch()).keys()


def test_prediction_reads_the_state_and_changes_nothing(stepped: Any) -> None:
    steps, _, after, _ = stepped
    first, second = (np.asarray(steps.predict_step(after, batch())) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_variable_that_is_made_late_is_named() -> None:
    class Late(nn.Module):
        @nn.compact
        def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
            if train:
                self.variable("counts", "steps", jnp.zeros, ())
            return nn.Dense(3)(inputs.reshape(len(inputs), -1))

    with pytest.raises(UserError, match="the model makes the variable counts/steps in training, but not when"):
        jaxdl.Trainer(experiment(Late()), blobs()).compile()


def test_a_variable_of_another_shape_is_named() -> None:
    class Growing(nn.Module):
        @nn.compact
        def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
            kept = self.variable("kept", "inputs", lambda: inputs)
            kept.value = inputs
            return nn.Dense(3)(inputs.reshape(len(inputs), -1))

    message = r"the model's variable kept/inputs is first float32\[1, 4, 4, 1\] and then float32\[50, 4, 4, 1\]"
    with pytest.raises(UserError, match=message):
        jaxdl.Trainer(experiment(Growing(), **{"training.batch_size": 50}), blobs()).compile()


def test_a_model_without_parameters_is_evaluated() -> None:
    class Fixed(nn.Module):
        @nn.compact
        def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
            return inputs.reshape(len(inputs), -1)[:, :3]

    steps = jaxdl.make_steps(experiment(Fixed()), SPEC, 10)
    assert np.isfinite(steps.eval_step(steps.init_state(0), batch())["loss"])
