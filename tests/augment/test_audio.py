"""Random changes of sounds, against plain loops in NumPy."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest
import scipy.stats

import jaxdl
from jaxdl.augment.audio import drawn_spans, moved, with_noise
from jaxdl.data.log_mel import LogMel
from jaxdl.errors import UserError

DRAWN = np.random.RandomState(0)
WAVES = DRAWN.uniform(-1, 1, (6, 200)).astype(np.float32)
LENGTHS = np.array([200, 150, 1, 0, 77, 200])
MEL = LogMel(8000, 40, 20, 64, 10)
PREPROCESS = jaxdl.Preprocess(1.0, (-4.0,) * 10, (3.0,) * 10, mel=MEL)


def changes(preprocess=PREPROCESS, count=300, **fields):
    """Returns a compiled function of a seed, which gives spectrograms of one sound, changed, and the same unchanged."""
    wave = np.tile(WAVES[0], (count, 1))
    batch = {"inputs": jax.numpy.asarray(wave), "lengths": jax.numpy.full(count, 150), "targets": jax.numpy.ones(count)}

    @jax.jit
    def both(key):
        return jaxdl.AudioAugmentation(**fields).apply(batch, preprocess, key), preprocess.of_batch(batch)

    def run(seed=0):
        got, plain = both(jax.random.key(seed))
        assert set(got) == {"inputs", "lengths", "targets"} and np.array_equal(got["lengths"], plain["lengths"])
        return np.asarray(got["inputs"]), np.asarray(plain["inputs"])

    return run


def test_nothing_is_changed_unless_asked_for():
    got, plain = changes(count=3)()
    assert np.array_equal(got, plain) and got.shape == (3, 11, 10)


def test_a_move_is_by_whole_samples_within_the_sound():
    moves = np.array([-200, 30, 1, 0, -7, 0])
    expected = np.zeros_like(WAVES)
    for row, (length, move) in enumerate(zip(LENGTHS, moves, strict=True)):
        for place in range(length):
            if 0 <= place - move < length:
                expected[row, place] = WAVES[row, place - move]
    assert np.array_equal(jax.jit(moved)(WAVES, LENGTHS, moves), expected)


def test_noise_has_its_share_of_the_sounds_own_root_mean_square():
    shares, noise = DRAWN.rand(6).astype(np.float32), DRAWN.randn(6, 200).astype(np.float32)
    found = jax.jit(with_noise)(WAVES, LENGTHS, shares, noise)
    for row, length in enumerate(LENGTHS):
        rms = np.sqrt(np.mean(WAVES[row, :length].astype(np.float64) ** 2)) if length else 0.0
        np.testing.assert_allclose(found[row], WAVES[row] + shares[row] * rms * noise[row], rtol=1e-5, atol=1e-6)


def test_the_signal_to_noise_ratio_is_at_least_what_the_field_says():
    raw = jaxdl.Preprocess()
    got, plain = changes(raw, count=400, noise=0.1)()
    added = (got - plain)[:, :150]
    ratio = 10 * np.log10((plain[0, :150] ** 2).mean() / (added**2).mean(1))
    assert ratio.min() > 19  # 20 dB, as far as 150 samples tell
    share = 10 ** (-ratio / 20)
    assert scipy.stats.kstest(share, scipy.stats.uniform(0, 0.1).cdf).pvalue > 1e-3


def test_shifts_are_uniform_in_both_directions():
    ramp = np.tile(np.arange(1, 201, dtype=np.float32), (2000, 1))
    batch = {"inputs": jax.numpy.asarray(ramp), "lengths": jax.numpy.full(2000, 150)}
    augmentation = jaxdl.AudioAugmentation(shift=0.4)
    got = np.asarray(augmentation.apply(batch, jaxdl.Preprocess(), jax.random.key(1))["inputs"])
    moves = 76 - got[:, 75]
    assert moves.min() >= -60 and moves.max() <= 60 and (got[:, 150:] == 0).all()
    assert scipy.stats.kstest(moves, scipy.stats.uniform(-60, 120).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("most", "masks"), [(3, 1), (20, 2), (1, 3)])
def test_spans_have_every_width_up_to_the_largest_and_lie_where_they_fit(most, masks):
    sizes = np.repeat([12, 5, 0], 2000)
    spans = np.asarray(jax.jit(lambda key: drawn_spans(key, most, sizes, masks, 15))(jax.random.key(2)))
    assert not (spans & (np.arange(15) >= sizes[:, None])).any()
    widths = spans.sum(1)
    for size in (12, 5):
        own = widths[sizes == size]
        assert own.max() <= min(size, most * masks)
        if masks == 1:  # equally often each, in one piece
            counts = np.bincount(own, minlength=most + 1)
            assert scipy.stats.chisquare(counts).pvalue > 1e-3
            edges = np.abs(np.diff(np.pad(spans[sizes == size].astype(int), ((0, 0), (1, 1))), axis=1)).sum(1)
            assert set(edges) == {0, 2}
            starts = spans[sizes == size][own == most].argmax(1)
            assert scipy.stats.chisquare(np.bincount(starts, minlength=size - most + 1)).pvalue > 1e-3


def test_masks_hide_whole_frames_and_whole_bands_with_the_mean_of_train():
    got, plain = changes(time_mask=4, frequency_mask=3, time_masks=2)()
    hidden = got == 0
    np.testing.assert_array_equal(got[~hidden], plain[~hidden])
    frames, bands = hidden.all(2), hidden.all(1)
    assert np.array_equal(hidden, frames[:, :, None] | bands[:, None, :])
    assert not frames[:, 8:].any()  # 150 samples are 8 frames
    assert frames.sum(1).max() in range(5, 9) and bands.sum(1).max() == 3 and (bands.sum(1) == 0).any()


def test_where_data_are_not_standardised_masks_hide_with_the_sounds_own_mean():
    got, plain = changes(jaxdl.Preprocess(mel=MEL), frequency_mask=9)()
    mean = plain[0, :8].mean()
    different = got != plain
    np.testing.assert_allclose(got[different], mean, rtol=1e-5)


def test_the_same_key_gives_the_same_changes_and_each_sound_its_own():
    fields = {"shift": 0.2, "noise": 0.3, "time_mask": 3, "frequency_mask": 3}
    run = changes(count=4, **fields)
    first, again, other = (run(seed)[0] for seed in (5, 5, 6))
    assert len({row.tobytes() for row in first}) == 4
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_it_is_for_sounds_and_masks_are_for_spectrograms():
    vowels = jaxdl.Vowels(bands=8)
    spec, raw = vowels.spec(Path()), dataclasses.replace(vowels, representation="raw").spec(Path())
    jaxdl.AudioAugmentation(shift=0.1, noise=0.1, time_mask=100, frequency_mask=7).check(spec)
    jaxdl.AudioAugmentation(shift=0.1, noise=0.1).check(raw)
    jaxdl.AudioAugmentation().check(jaxdl.Digits().spec(Path()))
    with pytest.raises(UserError, match=r"augmentation\.noise=0\.1: needs sounds.*shape \(8, 8, 1\)"):
        jaxdl.AudioAugmentation(noise=0.1).check(jaxdl.Digits().spec(Path()))
    with pytest.raises(UserError, match=r"augmentation\.time_mask=3: masks are for data.representation=mel"):
        jaxdl.AudioAugmentation(time_mask=3).check(raw)
    with pytest.raises(UserError, match=r"frequency_mask=8: must be below the number of bands, 8"):
        jaxdl.AudioAugmentation(frequency_mask=8).check(spec)


@pytest.mark.slow
def test_sounds_train_with_it_and_go_on_to_the_same_bits():
    experiment = jaxdl.Experiment(
        name="sounds",
        data=jaxdl.Vowels(bands=8, train_examples=40, test_examples=10),
        model=jaxdl.RNN(features=(8,), cell="gru"),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
        training=jaxdl.Training(epochs=5, batch_size=10),
        augmentation=jaxdl.AudioAugmentation(shift=0.1, noise=0.1, time_mask=3, frequency_mask=2),
    )
    names = {"augmentation.shift", "augmentation.noise", "augmentation.time_mask", "augmentation.frequency_mask"}
    assert names <= jaxdl.hyperparameters(experiment).keys()
    trainer = jaxdl.Trainer(experiment, experiment.data.load(Path("."), print))
    straight, _ = trainer.advance(trainer.init_state(), 12)
    stopped, _ = trainer.advance(trainer.init_state(), 5)
    resumed, _ = trainer.advance(stopped, 7)
    assert jaxdl.params_sha256(resumed.params) == jaxdl.params_sha256(straight.params)
