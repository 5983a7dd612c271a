from __future__ import annotations

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.data.log_mel import LogMel
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.spec import Spec
from jaxdl.ops.mel import log_mel


def on_device(**arrays):
    return {name: jnp.asarray(array) for name, array in arrays.items()}


def test_seconds_become_samples_and_the_transform_a_power_of_two():
    assert LogMel.of_seconds(16000, 0.025, 0.01, 80) == LogMel(16000, 400, 160, 512, 80, 0, 8000)
    assert LogMel.of_seconds(8000, 0.032, 0.01, 8).transform == 256


def test_a_sound_has_a_frame_for_each_hop_and_one_more_but_none_without_a_sample():
    mel = LogMel(8000, 50, 20, 64, 8)
    assert mel.frames(np.array([0, 1, 19, 20, 399])).tolist() == [0, 1, 1, 2, 20]
    assert Preprocess(mel=mel).shape((399,)) == (20, 8)
    waves = np.ones((2, 399), np.float32)
    assert jax.eval_shape(mel, waves, np.array([399, 5])).shape == (2, 20, 8)


def test_it_is_the_operation_with_its_own_numbers():
    mel, waves = LogMel(8000, 50, 20, 64, 8, 100, 3000, 1e-5), np.random.RandomState(0).rand(2, 300).astype(np.float32)
    numbers = {"rate": 8000, "window": 50, "hop": 20, "transform": 64, "bands": 8, "low": 100, "high": 3000}
    expected = jax.jit(lambda given: log_mel(given, None, floor=1e-5, **numbers))(waves)
    assert np.array_equal(jax.jit(lambda given: mel(given, None))(waves), expected)


def test_preprocessing_with_it_goes_through_json_and_standardises_bands():
    preprocess = Preprocess(1 / 32768, (-3.0,) * 4, (2.0,) * 4, mel=LogMel(8000, 50, 20, 64, 4))
    spec = Spec((300,), "int16", preprocess, (), 2, ("a", "b"), lengths=True, rate=8000)
    again = Spec.from_json(json.loads(json.dumps(dataclasses.asdict(spec))))
    assert again == spec and again.model_shape == (16, 4) and again.model_dtype == "float32"
    stored, lengths = np.arange(600, dtype=np.int16).reshape(2, 300), np.array([300, 30])
    batch = jax.jit(preprocess.of_batch)(on_device(inputs=stored, lengths=lengths, targets=[0, 1]))
    assert preprocess.mel is not None
    bare = jax.jit(preprocess.mel)(stored.astype(np.float32) / 32768, lengths)
    np.testing.assert_allclose(batch["inputs"], (bare + 3) / 2, rtol=1e-6)
    assert batch["lengths"].tolist() == [16, 2] and batch["targets"].tolist() == [0, 1]


def test_without_it_a_batch_keeps_its_lengths():
    batch = Preprocess(scale=2).of_batch(on_device(inputs=np.ones((1, 3), np.float32), lengths=[2]))
    assert batch["inputs"].tolist() == [[2, 2, 2]] and batch["lengths"].tolist() == [2]
    assert Preprocess().shape((4, 5)) == (4, 5)


@pytest.mark.parametrize(
    "wrong", [{"hop": 0}, {"bands": 0}, {"window": 65}, {"floor": 0}, {"low": 5000}, {"high": 4001}, {"low": -1}]
)
def test_numbers_out_of_their_range_are_refused(wrong):
    with pytest.raises(ValueError):
        dataclasses.replace(LogMel(8000, 50, 20, 64, 8), **wrong)
    with pytest.raises(ValueError, match="ids"):
        Preprocess(cast="none", mel=LogMel(8000, 50, 20, 64, 8))


def test_bands_without_a_frequency_are_counted():
    assert LogMel(8000, 50, 20, 64, 8).empty_bands() == 0
    assert LogMel(8000, 50, 20, 64, 60).empty_bands() > 5
