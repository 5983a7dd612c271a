"""Random changes of training examples: what each may do, how it is drawn, and that nothing but training sees them."""

from __future__ import annotations

import colorsys
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

import jaxdl
from jaxdl.errors import UserError
from tests.small import blobs

SCALE = 1 / 255
ALL = jaxdl.Augmentation("both", 1, 20.0, 0.2, 0.3, 0.2, 3, 0.05)


def pictures(
    count: int, height: int = 8, width: int = 6, channels: int = 2, low: int = 1, high: int = 256
) -> np.ndarray:
    return np.random.default_rng(0).integers(low, high, (count, height, width, channels)).astype(np.uint8)


def changed(augmentation: jaxdl.Augmentation, images: np.ndarray, seed: int = 0) -> np.ndarray:
    batch = {"inputs": jnp.asarray(images)}
    return np.asarray(augmentation.apply(batch, jaxdl.Preprocess(SCALE), jax.random.key(seed))["inputs"])


def stored(images: np.ndarray) -> np.ndarray:
    """What was scaled to [0, 1], as bytes again."""
    return np.rint(images / SCALE).astype(np.int64)


def evenly(counts: list[int]) -> bool:
    """Whether counts that should be equal are, so far as chance goes."""
    return scipy.stats.chisquare(counts).pvalue > 1e-6


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_nothing_is_changed_unless_asked_for(shape: list[int], seed: int) -> None:
    inputs = np.random.default_rng(seed).integers(0, 256, (3, *shape)).astype(np.uint8)
    np.testing.assert_array_equal(changed(jaxdl.Augmentation(), inputs, seed), inputs.astype(np.float32) * SCALE)


@pytest.mark.parametrize(("flip", "axes"), [("horizontal", [(), (1,)]), ("vertical", [(), (0,)])])
def test_a_flip_mirrors_half_of_the_images(flip: str, axes: list[tuple[int, ...]]) -> None:
    images = pictures(2000)
    counts = [0, 0]
    for image, got in zip(images, stored(changed(jaxdl.Augmentation(flip=flip), images)), strict=True):
        equal = [np.array_equal(got, np.flip(image, axis)) for axis in axes]
        assert sum(equal) == 1
        counts[equal.index(True)] += 1
    assert evenly(counts)


def test_both_flips_are_drawn_apart() -> None:
    images = pictures(2000)
    axes: list[tuple[int, ...]] = [(), (0,), (1,), (0, 1)]
    counts = [0] * 4
    for image, got in zip(images, stored(changed(jaxdl.Augmentation(flip="both"), images)), strict=True):
        counts[[np.array_equal(got, np.flip(image, axis)) for axis in axes].index(True)] += 1
    assert evenly(counts)


@pytest.mark.slow
def test_a_shift_is_a_random_crop_of_the_padded_image_and_all_are_equally_likely() -> None:
    images = pictures(2500)
    height, width = images.shape[1:3]
    crops = [(y, x) for y in range(5) for x in range(5)]
    counts = [0] * 25
    for image, got in zip(images, stored(changed(jaxdl.Augmentation(shift=2), images)), strict=True):
        padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
        equal = [np.array_equal(got, padded[y : y + height, x : x + width]) for y, x in crops]
        assert sum(equal) == 1
        counts[equal.index(True)] += 1
    assert evenly(counts)


@pytest.mark.slow
@pytest.mark.parametrize("field", ["rotation", "zoom"])
def test_turns_and_zooms_are_uniform_up_to_the_bound(field: str) -> None:
    """A ray of light on a dark disc tells how far it was turned, a bright ring how much it was enlarged."""
    y, x = np.mgrid[-20:21, -20:21]
    radius = np.hypot(y, x)
    if field == "rotation":
        image, bound = np.exp(-((y / 1.5) ** 2)) * (x > 4) * (radius < 18), 30.0
    else:
        image, bound = np.exp(-(((radius - 12) / 1.5) ** 2)), 0.4
    images = np.repeat(np.rint(image * 255).astype(np.uint8)[None, ..., None], 400, 0)
    got = changed(jaxdl.Augmentation(**{field: bound}), images)[..., 0]
    weight = got.sum((1, 2))
    if field == "rotation":
        drawn = -np.degrees(np.arctan2((got * y).sum((1, 2)), (got * x).sum((1, 2))))
    else:
        drawn = (got * radius).sum((1, 2)) / weight / ((image * radius).sum() / image.sum()) - 1
    assert np.abs(drawn).max() < bound * 1.05
    assert scipy.stats.kstest(drawn, scipy.stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("side", [1, 2, 3, 5])
def test_cutout_sets_a_square_about_a_random_pixel_to_zero(side: int) -> None:
    images = pictures(3000)
    height, width = images.shape[1:3]
    centres = [(y, x) for y in range(height) for x in range(width)]
    counts = dict.fromkeys(centres, 0)
    holes = {}
    for y, x in centres:
        hole = np.zeros((height, width), bool)
        top, left = y - side // 2, x - side // 2
        hole[max(0, top) : top + side, max(0, left) : left + side] = True
        holes[hole.tobytes()] = (y, x)
    assert len(holes) == len(centres)
    for image, got in zip(images, stored(changed(jaxdl.Augmentation(cutout=side), images)), strict=True):
        hole = (got == 0).all(-1)
        counts[holes[hole.tobytes()]] += 1
        np.testing.assert_array_equal(got, np.where(hole[..., None], 0, image))
    assert evenly(list(counts.values()))


def test_brightness_adds_one_number_to_an_image() -> None:
    images = pictures(2000, low=100, high=150)
    added = changed(jaxdl.Augmentation(brightness=0.3), images) - images * SCALE
    np.testing.assert_allclose(added.std((1, 2, 3)), 0, atol=1e-6)
    assert scipy.stats.kstest(added.mean((1, 2, 3)), scipy.stats.uniform(-0.3, 0.6).cdf).pvalue > 1e-4


def test_contrast_stretches_about_the_mean_of_each_channel() -> None:
    images = pictures(2000, low=100, high=150)
    given_images = images * SCALE
    got = changed(jaxdl.Augmentation(contrast=0.4), images)
    mean = given_images.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(got.mean((1, 2), keepdims=True), mean, atol=1e-5)
    factors = (got - mean).std((1, 2, 3)) / (given_images - mean).std((1, 2, 3))
    np.testing.assert_allclose(got, mean + factors[:, None, None, None] * (given_images - mean), atol=1e-5)
    assert scipy.stats.kstest(factors, scipy.stats.uniform(0.6, 0.8).cdf).pvalue > 1e-4


def test_contrast_and_brightness_are_drawn_apart() -> None:
    images = pictures(2000, low=120, high=136)
    got = changed(jaxdl.Augmentation(contrast=0.4, brightness=0.2), images)
    added = got.mean((1, 2, 3)) - images.mean((1, 2, 3)) * SCALE
    factors = got.std((1, 2)).mean(-1) / images.std((1, 2)).mean(-1)
    assert abs(scipy.stats.pearsonr(added, factors).statistic) < 0.1


@pytest.mark.slow
def test_turn_and_zoom_are_drawn_apart() -> None:
    y, x = np.mgrid[-20:21, -20:21]
    dot = np.exp(-((y**2 + (x - 8) ** 2) / 3))
    images = np.repeat(np.rint(dot * 255).astype(np.uint8)[None, ..., None], 1000, 0)
    got = changed(jaxdl.Augmentation(rotation=60.0, zoom=0.5), images)[..., 0]
    height, right = ((got * axis).sum((1, 2)) / got.sum((1, 2)) for axis in (-y, x))
    angle, distance = np.arctan2(height, right), np.hypot(height, right)
    assert angle.std() > 0.5 and distance.std() > 1
    assert abs(scipy.stats.pearsonr(angle, distance).statistic) < 0.15


@pytest.mark.slow
def test_saturation_and_hue_are_uniform_up_to_the_bound() -> None:
    images = np.broadcast_to(np.array([180, 120, 60], np.uint8), (2000, 2, 2, 3))
    reds = changed(jaxdl.Augmentation(saturation=0.5), images)[:, 0, 0]
    grey = images[0, 0, 0] @ [0.299, 0.587, 0.114] / 255
    factors = (reds - grey) / (images[0, 0, 0] / 255 - grey)
    np.testing.assert_allclose(factors.std(1), 0, atol=1e-4)
    assert scipy.stats.kstest(factors[:, 0], scipy.stats.uniform(0.5, 1.0).cdf).pvalue > 1e-4
    turned = changed(jaxdl.Augmentation(hue=0.3), images)[:, 0, 0]
    hues = np.array([colorsys.rgb_to_hsv(*map(float, pixel))[0] for pixel in turned])
    turns = (hues - colorsys.rgb_to_hsv(180, 120, 60)[0] + 0.5) % 1 - 0.5
    assert scipy.stats.kstest(turns, scipy.stats.uniform(-0.3, 0.6).cdf).pvalue > 1e-4


@pytest.mark.parametrize("augmentation", [jaxdl.Augmentation(brightness=1.0), jaxdl.Augmentation(contrast=0.9)])
def test_light_stays_between_black_and_white(augmentation: jaxdl.Augmentation) -> None:
    got = changed(augmentation, pictures(200))
    assert got.min() == 0 and got.max() == 1


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(7,), (20, 3), (5, 4, 2)])
def test_noise_is_normal_for_inputs_of_any_shape(shape: tuple[int, ...]) -> None:
    inputs = np.random.default_rng(0).integers(0, 256, (300, *shape)).astype(np.uint8)
    noise = (changed(jaxdl.Augmentation(gaussian_noise=0.2), inputs) - inputs * SCALE).ravel()
    assert scipy.stats.kstest(noise, scipy.stats.norm(0, 0.2).cdf).pvalue > 1e-4


def recipe(**changes: object) -> jaxdl.Experiment:
    base = jaxdl.Experiment(
        name="augmented",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(16,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
        training=jaxdl.Training(epochs=2, batch_size=32),
        augmentation=jaxdl.Augmentation(shift=1, rotation=10.0, gaussian_noise=0.05),
    )
    return jaxdl.replace(base, changes)


@pytest.mark.slow
def test_each_step_draws_anew_and_the_seed_repeats_it() -> None:
    dataset = blobs()
    trained = jaxdl.replace(recipe(), {"augmentation": ALL})
    steps = jaxdl.make_steps(trained, dataset.spec, 10)
    batch = {name: array[:32] for name, array in dataset.splits["train"].items()}
    hparams = jaxdl.hyperparameters(trained)

    def loss(seed: int, step: int) -> float:
        state = steps.init_state(0).replace(step=jnp.int32(step), key=jax.random.key(seed))
        return float(steps.train_step(state, batch, hparams)[1]["loss"])

    assert len({loss(seed, step) for seed in (0, 1) for step in (0, 1, 2)}) == 6
    assert loss(1, 2) == loss(1, 2)


@pytest.mark.slow
def test_evaluation_and_prediction_see_the_examples_as_they_are() -> None:
    dataset = blobs()
    batch = {name: array[:20] for name, array in dataset.splits["test"].items()}
    augmented = jaxdl.make_steps(recipe(**{"augmentation.shift": 2}), dataset.spec, 10)
    plain = jaxdl.make_steps(recipe(augmentation=jaxdl.Augmentation()), dataset.spec, 10)
    state = plain.init_state(0)
    for name in ("eval_step", "predict_step"):
        results = [getattr(steps, name)(state, batch) for steps in (augmented, plain)]
        jax.tree.map(np.testing.assert_array_equal, *results)


@pytest.mark.slow
def test_another_amount_compiles_nothing_again(tmp_path: Path) -> None:
    results = jaxdl.sweep(
        jaxdl.replace(recipe(), {"training.epochs": 1}),
        {"augmentation.rotation": [5.0, 45.0], "augmentation.gaussian_noise": [0.01, 0.5]},
        sweep_dir=tmp_path / "sweep",
        data_dir=tmp_path,
        execution=jaxdl.Execution(batch="off"),
    )
    assert results.compiled == {"train": 1, "eval": 1}
    assert len({trial.objective for trial in results.trials}) == 4


@pytest.mark.slow
def test_a_training_that_stops_in_an_epoch_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    dataset = recipe().data.load(tmp_path, print)
    trainer = jaxdl.Trainer(jaxdl.replace(recipe(), {"augmentation": ALL, "augmentation.shift": 2}), dataset)
    straight, _ = trainer.advance(trainer.init_state(), 60)
    stopped, _ = trainer.advance(trainer.init_state(), 17)
    again = jaxdl.Trainer(trainer.experiment, dataset)
    resumed, _ = again.advance(jax.device_put(jax.device_get(stopped)), 43)
    assert jaxdl.params_sha256(resumed.params) == jaxdl.params_sha256(straight.params)


@pytest.mark.slow
def test_what_was_learned_with_it_holds_for_images_that_are_moved() -> None:
    """Trained on digits moved by up to a pixel, a network knows moved ones better than one that never saw any."""
    dataset = recipe().data.load(Path("."), print)
    validation = dataset.splits["validation"]
    moved = np.concatenate([np.roll(validation["inputs"], move, axis) for axis in (1, 2) for move in (-1, 1)])
    targets = np.tile(validation["targets"], 4)
    losses = []
    for augmentation in (jaxdl.Augmentation(), jaxdl.Augmentation(shift=1)):
        trained = recipe(augmentation=augmentation, **{"training.epochs": 20})
        trainer = jaxdl.Trainer(trained, dataset)
        *_, last = trainer.train(trainer.init_state())
        sums = trainer.programs.steps.eval_step(last.state, {"inputs": moved, "targets": targets})
        losses.append(float(sums["loss"]) / len(targets))
    assert losses[1] < 0.7 * losses[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rotation": 5.0}, r"augmentation\.rotation=5\.0: needs images .* shape \(32, 1\)\. gaussian_noise takes any"),
        ({"flip": "both"}, r"augmentation\.flip=both: needs images"),
        ({"shift": 1}, r"augmentation\.shift=1: needs images"),
        ({"zoom": 0.1}, r"augmentation\.zoom=0\.1: needs images"),
        ({"contrast": 0.1}, r"augmentation\.contrast=0\.1: needs images"),
        ({"brightness": 0.1}, r"augmentation\.brightness=0\.1: needs images"),
        ({"cutout": 3}, r"augmentation\.cutout=3: needs images"),
        ({"crop": 0.5}, r"augmentation\.crop=0\.5: needs images"),
        ({"mixup": 0.2}, r"augmentation\.mixup=0\.2: needs images"),
    ],
)
def test_what_needs_images_is_refused_for_sequences(changes: dict[str, object], message: str) -> None:
    sequences = jaxdl.Bits(train_examples=100, test_examples=10)
    augmentation = jaxdl.replace(jaxdl.Augmentation(), changes)
    with pytest.raises(UserError, match=message):
        recipe(data=sequences, augmentation=augmentation).for_spec(sequences.spec(Path(".")))
    noisy = recipe(data=sequences, augmentation=jaxdl.Augmentation(gaussian_noise=0.1))
    assert noisy.for_spec(sequences.spec(Path("."))).augmentation == jaxdl.Augmentation(gaussian_noise=0.1)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("shift", 8, "must be below the size of the images, 8x8 pixels"),
        ("cutout", 8, "must be below the size of the images, 8x8 pixels"),
        ("shift", -1, "must be at least 0"),
        ("rotation", 181.0, "must be at least 0 and at most 180 degrees"),
        ("zoom", 1.0, "must be at least 0 and at most 0.9"),
        ("contrast", 1.0, "must be at least 0 and below 1"),
        ("brightness", 30.0, "must be at least 0 and at most 1, the whole range of an image"),
        ("gaussian_noise", -0.1, "must be at least 0"),
        ("crop", 1.5, "must be at least 0 and at most 1"),
        ("hue", 0.6, "must be at least 0 and at most 0.5, half of the colour circle"),
        ("hue", 0.1, "needs the channels red, green and blue; these images have 1"),
        ("saturation", 0.1, "needs the channels red, green and blue; these images have 1"),
        ("cutmix", -1.0, "must be at least 0"),
        ("flip", "horizontl", "Did you mean 'horizontal'?"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_recipe_too(name: str, value: object, message: str) -> None:
    with pytest.raises(UserError, match=rf"augmentation\.{name}.*{re.escape(message)}"):
        recipe(**{f"augmentation.{name}": value}).for_spec(jaxdl.Digits().spec(Path(".")))


def test_a_sweep_with_one_such_value_is_refused_before_it_begins(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"augmentation\.shift=9: must be below the size of the images"):
        jaxdl.sweep(recipe(), {"augmentation.shift": [1, 9, 2]}, sweep_dir=tmp_path / "sweep", data_dir=tmp_path)
    assert not (tmp_path / "sweep").exists()
