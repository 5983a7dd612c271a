"""Weights of PyTorch models give PyTorch's outputs; the expected ones are torch 2.13.0's, see `tests.foreign`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.errors import UserError
from tests.foreign import IMAGES, SEQUENCES, some, variances

NORMALIZATION: dict[str, tuple[int, ...]] = {
    "weight": (3,),
    "bias": (3,),
    "running_mean": (3,),
    "running_var": (3,),
    "num_batches_tracked": (),
}
CNN: dict[str, dict[str, tuple[int, ...]]] = {
    "0": {"weight": (3, 2, 3, 3), "bias": (3,)},
    "1": NORMALIZATION,
    "5": {"weight": (4, 12), "bias": (4,)},
    "6": {name: (4,) for name in NORMALIZATION},
    "8": {"weight": (3, 4), "bias": (3,)},
}
MLP: dict[str, dict[str, tuple[int, ...]]] = {
    "1": {"weight": (3, 72), "bias": (3,)},
    "3": {"weight": (2, 3), "bias": (2,)},
}


def of(layers: dict[str, dict[str, tuple[int, ...]]]) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for prefix, arrays in layers.items():
        for name, shape in arrays.items():
            if name != "num_batches_tracked":
                found[f"{prefix}.{name}"] = (variances if name == "running_var" else some)(len(found), shape)
    return found


def recurrence(gates: int, features: int, suffix: str) -> dict[str, tuple[int, ...]]:
    rows = 2 * gates
    return {
        f"weight_ih_{suffix}": (rows, features),
        f"weight_hh_{suffix}": (rows, 2),
        f"bias_ih_{suffix}": (rows,),
        f"bias_hh_{suffix}": (rows,),
    }


def recurrent(gates: int, ways: int = 1, layers: int = 1) -> dict[str, np.ndarray]:
    arrays: dict[str, tuple[int, ...]] = {}
    for layer in range(layers):
        for end in ("", "_reverse")[:ways]:
            arrays |= recurrence(gates, 2 * ways if layer else 3, f"l{layer}{end}")
    return of({"rnn": arrays, "out": {"weight": (2, 2 * ways), "bias": (2,)}})


@pytest.mark.parametrize(
    ("state_dict", "model", "inputs", "expected"),
    [
        (
            of(CNN),
            jaxdl.CNN(features=(3,), pool_after=(1,), dense=(4,), normalization="batch", outputs=3),
            IMAGES,
            [
                [-0.006444111466407776, 0.4081684947013855, 0.19055280089378357],
                [-0.005841881036758423, 0.408286452293396, 0.19006109237670898],
            ],
        ),
        (
            of(MLP),
            jaxdl.MLP(features=(3,), activation="tanh", outputs=2),
            IMAGES,
            [[0.27087923884391785, -0.2869742214679718], [0.2287532091140747, -0.27849000692367554]],
        ),
        (
            recurrent(4, ways=2, layers=2),
            jaxdl.RNN(features=(2, 2), cell="lstm", bidirectional=True, outputs=2),
            SEQUENCES,
            [[-0.303417831659317, -0.29455500841140747], [-0.3046688437461853, -0.29500681161880493]],
        ),
        (
            recurrent(3),
            jaxdl.RNN(features=(2,), cell="gru", outputs=2),
            SEQUENCES,
            [[-0.833415687084198, 0.2612406015396118], [-0.8253791332244873, 0.2699625492095947]],
        ),
        (
            recurrent(1),
            jaxdl.RNN(features=(2,), cell="simple", outputs=2),
            SEQUENCES,
            [[-0.5651429891586304, -0.006873833015561104], [-0.6353325843811035, 0.052376680076122284]],
        ),
    ],
    ids=["cnn", "mlp", "lstm", "gru", "simple"],
)
def test_outputs_are_those_of_pytorch(state_dict: Any, model: nn.Module, inputs: np.ndarray, expected: Any) -> None:
    variables = jaxdl.from_torch(state_dict, model, inputs.shape[1:])
    np.testing.assert_allclose(model.apply(variables, inputs), expected, atol=1e-5, rtol=0)


def test_another_architecture_is_refused_with_the_layers_that_differ() -> None:
    with pytest.raises(UserError, match=r"2 layers with weights are given \(1, 3\), and the model has 1 \(output\)"):
        jaxdl.from_torch(of(MLP), jaxdl.MLP(features=(), outputs=2), (6, 6, 2))
    with pytest.raises(UserError, match=r"1 becomes dense_1: (kernel|bias) has shape .* there, and .* here"):
        jaxdl.from_torch(of(MLP), jaxdl.MLP(features=(9,), outputs=2), (6, 6, 2))
    lstm = recurrent(4)
    with pytest.raises(UserError, match=r"rnn\.l0 has 4 gates, and forward_1 is gru"):
        jaxdl.from_torch(lstm, jaxdl.RNN(features=(2,), cell="gru", outputs=2), (5, 3))
    with pytest.raises(UserError, match=r"comes where the model has dense_1, dense"):
        jaxdl.from_torch(of({"a": CNN["0"], "b": MLP["3"]}), jaxdl.MLP(features=(3,), outputs=2), (6, 6, 2))
    with pytest.raises(UserError, match=r"give the shape of one example"):
        jaxdl.from_torch(of(MLP), jaxdl.MLP(features=(3,), outputs=2))


def test_an_epsilon_that_cannot_be_made_good_is_refused() -> None:
    model = jaxdl.MLP(features=(3,), normalization="layer", outputs=2)
    weights = of({"1": MLP["1"], "2": {"weight": (3,), "bias": (3,)}, "3": MLP["3"]})
    with pytest.raises(UserError, match=r"2: this normalisation adds 1e-06 .* and give epsilon=1e-06"):
        jaxdl.from_torch(weights, model, (6, 6, 2))
    variables = jaxdl.from_torch(weights, model, (6, 6, 2), epsilon=1e-6)
    np.testing.assert_array_equal(variables["params"]["normalize_1"]["layer"]["scale"], weights["2.weight"])


def test_weights_are_saved_for_a_training_to_begin_with(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    variables = jaxdl.from_torch(of(MLP), jaxdl.MLP(features=(3,), outputs=2), (6, 6, 2))
    jaxdl.save_weights(tmp_path / "some.safetensors", variables)
    from jaxdl.checkpoint.weights import read_weights

    read = read_weights(tmp_path / "some.safetensors", "init_from").arrays
    np.testing.assert_array_equal(read["params/dense_1/kernel"], variables["params"]["dense_1"]["kernel"])
    with pytest.raises(UserError, match=r"some\.npz: weights are written as \.safetensors"):
        jaxdl.save_weights(tmp_path / "some.npz", variables)
