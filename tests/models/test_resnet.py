"""The residual network against NumPy and SciPy, and the parameters that its paper names."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

import jaxdl
from jaxdl import ResNet
from jaxdl.models.resnet import ResidualBlock


def count(model: ResNet) -> int:
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3))))
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(variables["params"]))


@pytest.mark.parametrize(
    ("depth", "millions", "exact"),
    [(20, "0.27", 269_722), (32, "0.46", 464_154), (44, "0.66", 658_586), (56, "0.85", 853_018), (110, "1.7", None)],
)
def test_its_parameters_are_those_of_table_6(depth: int, millions: str, exact: int | None) -> None:
    """Exactly: 9 times the product of channels for each convolution, twice the channels for each normalisation."""
    blocks = (depth - 2) // 6
    layers = [(3, 16), *[(16, 16)] * (2 * blocks)]
    for before, after in ((16, 32), (32, 64)):
        layers += [(before, after), *[(after, after)] * (2 * blocks - 1)]
    expected = sum(9 * before * after + 2 * after for before, after in layers) + 64 * 10 + 10
    found = count(ResNet(depth=depth, outputs=10))
    assert found == expected
    assert exact is None or found == exact
    assert f"{found / 1e6:.{len(millions) - 2}f}" == millions


def test_option_b_adds_two_convolutions_of_one_pixel_with_their_normalisation() -> None:
    more = count(ResNet(shortcut="B", outputs=10)) - count(ResNet(outputs=10))
    assert more == 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64


def convolved(images: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """Correlates by SciPy, with zeros around; every `stride`-th pixel, from the first."""
    maps = [
        [
            sum(scipy.signal.correlate(image[..., c], kernel[..., c, f], "same") for c in range(kernel.shape[2]))
            for f in range(kernel.shape[3])
        ]
        for image in images
    ]
    return np.moveaxis(np.array(maps), 1, -1)[:, ::stride, ::stride]


def drawn(model: ResNet, images: jax.Array) -> Any:
    """Returns variables drawn at random, all above zero, as variances must be; quicker than the model's own."""
    shapes = jax.eval_shape(model.init, jax.random.key(0), images)
    random = np.random.default_rng(2)
    return jax.tree.map(lambda leaf: random.uniform(0.1, 0.5, leaf.shape).astype(np.float32), shapes)


def reference(variables: dict[str, Any], images: np.ndarray, model: ResNet) -> np.ndarray:
    """The forward pass with running statistics, in 64 bits."""
    params, stats = (jax.tree.map(np.float64, variables[name]) for name in ("params", "batch_stats"))

    def normalized(hidden: np.ndarray, of: Any, by: Any) -> np.ndarray:
        return (hidden - by["mean"]) / np.sqrt(by["var"] + 1e-5) * of["scale"] + of["bias"]

    def layer(hidden: np.ndarray, of: Any, by: Any, names: tuple[str, str], stride: int = 1) -> np.ndarray:
        return normalized(convolved(hidden, of[names[0]]["kernel"], stride), of[names[1]], by[names[1]])

    hidden = np.maximum(layer(images, params, stats, ("convolution", "normalize")), 0)
    for stage, channels in enumerate(model.features, 1):
        for number in range(1, (model.depth - 2) // 6 + 1):
            name, stride = f"stage_{stage}_block_{number}", 2 if stage > 1 and number == 1 else 1
            of, by = params[name], stats[name]
            inner = np.maximum(layer(hidden, of, by, ("convolution_1", "normalize_1"), stride), 0)
            inner = layer(inner, of, by, ("convolution_2", "normalize_2"))
            if "projection" in of:
                hidden = layer(hidden, of, by, ("projection", "normalize_projection"), stride)
            elif stride > 1:
                kept = hidden[:, ::stride, ::stride]
                hidden = np.zeros((*kept.shape[:3], channels))
                hidden[..., : kept.shape[3]] = kept
            hidden = np.maximum(inner + hidden, 0)
    return hidden.mean((1, 2)) @ params["output"]["kernel"] + params["output"]["bias"]


@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize("size", [(8, 8), (7, 10)], ids=["even", "odd"])
def test_outputs_equal_numpy(shortcut: Any, size: tuple[int, int]) -> None:
    model = ResNet(depth=8, features=(2, 3, 4), shortcut=shortcut, outputs=3)
    images = jax.random.normal(jax.random.key(0), (2, *size, 2))
    variables = drawn(model, images)
    expected = reference(variables, np.asarray(images, np.float64), model)
    np.testing.assert_allclose(jax.jit(model.apply)(variables, images), expected, rtol=1e-4, atol=1e-4)


def test_initial_weights_have_the_variance_of_he() -> None:
    block = ResidualBlock(64)
    variables = block.init(jax.random.key(0), jnp.zeros((1, 2, 2, 64)), False)
    kernel = variables["params"]["convolution_2"]["kernel"]
    assert float(kernel.std()) == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.02)


def test_each_normalisation_collects_its_statistics_in_training() -> None:
    model, images = ResNet(depth=8, features=(2, 3, 4), outputs=2), jax.random.normal(jax.random.key(0), (4, 8, 8, 3))
    variables = drawn(model, images)
    train = jax.jit(lambda variables: model.apply(variables, images, train=True, mutable=["batch_stats"])[1])
    state = train(variables)
    same = jax.tree.map(lambda a, b: bool((a == b).all()), variables["batch_stats"], state["batch_stats"])
    assert jax.tree.leaves(same) == [False] * 14


@given(st.integers(-20, 200).filter(lambda depth: depth < 8 or depth % 6 != 2))
def test_another_depth_is_refused_with_the_nearest_right_ones(depth: int) -> None:
    below = max(8, depth - (depth - 2) % 6)
    message = f"depth={depth}: must be 6n \\+ 2 .*such as {below} or {below + 6}"
    with pytest.raises(jaxdl.UserError, match=message):
        jaxdl.Experiment(
            name="wrong",
            data=jaxdl.Digits(),
            model=ResNet(depth=depth),
            objective=jaxdl.SoftmaxCrossEntropy(),
            optimizer=jaxdl.SGD(),
        )
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(ResNet(depth=depth, outputs=2).init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (ResNet(outputs=2), (1, 64), r"takes images of shape \(batch, height, width, channels\), got \(1, 64\)"),
        (ResNet(outputs=2, features=(16, 8, 8)), (1, 8, 8, 3), "a stage cannot have fewer .* take shortcut='B'"),
        (ResNet(outputs=2, shortcut="C"), (1, 8, 8, 3), "shortcut='C': must be A or B"),  # type: ignore[arg-type]
        (ResNet(), (1, 8, 8, 3), r"ResNet: outputs is None.*ResNet\(outputs=10\)"),
    ],
)
def test_what_does_not_fit_is_named_with_the_way_out(model: ResNet, shape: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.init(jax.random.key(0), jnp.zeros(shape))
