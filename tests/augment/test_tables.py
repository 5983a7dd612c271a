"""Random changes of the rows of a table."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest
import scipy.stats

import jaxdl
from jaxdl.errors import UserError

ROWS = np.random.default_rng(0).normal((5, -100, 0.1), (2, 30, 0.01), (3000, 3)).astype(np.float32)
MEAN, DEVIATION = (5.0, -100.0, 0.1), (2.0, 30.0, 0.01)
PREPROCESS = jaxdl.Preprocess(mean=MEAN, deviation=DEVIATION)
STANDARD = (ROWS - np.array(MEAN)) / np.array(DEVIATION)


def changed(**fields: float) -> np.ndarray:
    augmentation = jaxdl.TableAugmentation(**fields)
    batch = {"inputs": jax.numpy.asarray(ROWS), "targets": jax.numpy.zeros(3000)}
    got = augmentation.apply(batch, PREPROCESS, jax.random.key(0))
    assert got["targets"] is batch["targets"]
    return np.asarray(got["inputs"])


def test_nothing_is_changed_unless_asked_for() -> None:
    np.testing.assert_allclose(changed(), PREPROCESS(ROWS), rtol=1e-5, atol=1e-5)


def test_noise_has_the_unit_of_each_features_deviation() -> None:
    noise = (changed(noise=0.3) - STANDARD) * DEVIATION
    for feature, deviation in zip(noise.T, DEVIATION, strict=True):
        assert scipy.stats.kstest(feature, scipy.stats.norm(0, 0.3 * deviation).cdf).pvalue > 1e-4
    assert np.abs(np.corrcoef(noise.T) - np.eye(3)).max() < 0.08


def test_a_feature_that_is_left_out_has_its_mean_and_each_is_left_out_by_itself() -> None:
    got = changed(feature_dropout=0.3)
    left_out = got == 0
    np.testing.assert_allclose(got[~left_out], STANDARD[~left_out], atol=1e-4)
    assert scipy.stats.binomtest(int(left_out.sum()), left_out.size, 0.3).pvalue > 1e-4
    assert np.abs(np.corrcoef(left_out.T) - np.eye(3)).max() < 0.08


def test_noise_and_what_is_left_out_are_drawn_apart() -> None:
    both, noise = changed(noise=0.3, feature_dropout=0.3), changed(noise=0.3)
    kept = both != 0
    np.testing.assert_array_equal(both[kept], noise[kept])
    assert abs(scipy.stats.pearsonr(kept.ravel(), noise.ravel()).statistic) < 0.05


def recipe(data: jaxdl.Data, **fields: float) -> jaxdl.Experiment:
    return jaxdl.Experiment(
        name="table",
        data=data,
        model=jaxdl.MLP(features=(4,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
        training=jaxdl.Training(epochs=1, batch_size=16),
        augmentation=jaxdl.TableAugmentation(**fields),
    )


def test_it_is_for_rows_of_numbers() -> None:
    images = jaxdl.Digits()
    with pytest.raises(UserError, match=r"augmentation\.noise=0\.1: needs rows of numbers, .* shape \(8, 8, 1\)"):
        recipe(images, noise=0.1).for_spec(images.spec(Path(".")))
    assert recipe(images).for_spec(images.spec(Path("."))).augmentation == jaxdl.TableAugmentation()
    words = (np.array([[1, 2], [3, 0]] * 10), [0, 1] * 10)
    ids = jaxdl.Arrays(words, words, ids=True)
    with pytest.raises(UserError, match=r"augmentation\.feature_dropout=0\.5: .* holds ids"):
        recipe(ids, feature_dropout=0.5).for_spec(ids.spec(Path(".")))
    for fields in ({"noise": -0.1}, {"feature_dropout": 1.0}):
        with pytest.raises(UserError, match=rf"augmentation\.{next(iter(fields))}="):
            recipe(jaxdl.Digits(), **fields).for_spec(images.spec(Path(".")))


@pytest.mark.slow
def test_a_table_trains_with_it_and_goes_on_to_the_same_bits() -> None:
    labels = (STANDARD[:, 0] > 0).astype(int)
    data = jaxdl.Arrays((STANDARD, labels), (STANDARD, labels))
    experiment = recipe(data, noise=0.1, feature_dropout=0.2)
    assert {"augmentation.noise", "augmentation.feature_dropout"} <= jaxdl.hyperparameters(experiment).keys()
    trainer = jaxdl.Trainer(experiment, data.load(Path("."), print))
    straight, _ = trainer.advance(trainer.init_state(), 30)
    stopped, _ = trainer.advance(trainer.init_state(), 11)
    resumed, _ = trainer.advance(stopped, 19)
    assert jaxdl.params_sha256(resumed.params) == jaxdl.params_sha256(straight.params)
