"""Predictions for sounds: from files and from waves in memory, through the path of the training."""

from __future__ import annotations

import jax.export
import numpy as np
import pytest
import scipy.io.wavfile

import jaxdl
from jaxdl.data import Preprocess, Spec
from jaxdl.errors import UserError
from jaxdl.inference import read_examples
from jaxdl.inference.inputs import as_batch
from jaxdl.inference.sounds import as_stored
from tests.data.recordings import FAULTS, tone, write_wav
from tests.padded import untrained

SPEC = Spec((100,), "int16", Preprocess(1 / 32768), (), 2, ("a", "b"), lengths=True, rate=8000)


@pytest.fixture(scope="module")
def model():
    data = jaxdl.Vowels(train_examples=20, test_examples=10, bands=6)
    recipe = jaxdl.Experiment(
        "sounds", data, jaxdl.RNN(features=(4,), cell="gru"), jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam()
    )
    return untrained(recipe)


def test_files_waves_and_stored_numbers_give_the_same_predictions(model, tmp_path):
    waves = [tone(0.2, hertz=400), tone(0.35, hertz=1500, level=0.2)]
    held = [write_wav(tmp_path / f"{number}.wav", wave).astype(np.float32) for number, wave in enumerate(waves)]
    names, inputs, lengths = read_examples(tmp_path, model.spec)
    assert [name.rpartition("/")[2] for name in names] == ["0.wav", "1.wav"]
    expected = model.predict(inputs, lengths)
    assert expected.shape == (2, 10) and np.ptp(expected, 0).max() > 1e-4
    assert np.array_equal(model.predict(held), expected)  # floats, as sound libraries read them
    numbers = [scipy.io.wavfile.read(tmp_path / f"{number}.wav")[1] for number in range(2)]
    assert np.array_equal(model.predict(numbers), expected)
    assert np.array_equal(model.predict(inputs / 32768, lengths), expected)
    np.savez(tmp_path / "x.npz", inputs=inputs, lengths=lengths)
    _, again, of_them = read_examples(tmp_path / "x.npz", model.spec)
    assert np.array_equal(model.predict(again, of_them), expected)


def test_what_lies_past_the_length_does_not_change_a_prediction(model):
    inputs = np.zeros((2, *model.spec.input_shape), np.int16)
    inputs[:, :1000] = (tone(0.125) * 32768).astype(np.int16)
    inputs[1, 1000:] = 12345
    found = model.predict(inputs, [1000, 1000])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_a_longer_sound_is_cut_as_those_of_the_training_were_and_that_is_said(tmp_path):
    lines: list[str] = []
    long, short = tone(0.02), tone(0.01)
    inputs, lengths = as_batch([long, short], None, SPEC, "inputs", lines.append)
    assert inputs.shape == (2, 100) and lengths is not None and lengths.tolist() == [100, 80]
    write_wav(tmp_path / "long.wav", long)
    found = read_examples(tmp_path / "long.wav", SPEC, lines.append)
    assert np.array_equal(found.inputs, inputs[:1]) and found.lengths is not None and found.lengths.tolist() == [100]
    assert lines == [
        "1 of 2 sounds are cut after 0.0125 s, as those of the training were.",
        "1 of 1 sounds are cut after 0.0125 s, as those of the training were.",
    ]


def test_floats_beyond_full_scale_are_clipped_and_integers_stay():
    floats, whole = as_stored([np.array([2.0, -2.0, 0.5]), np.array([3], np.int32)], SPEC, "inputs", print)
    assert floats.tolist() == [32767, -32768, 16384] and whole.dtype == np.int32


def test_sounds_that_the_model_does_not_take_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"inputs\[1\]: the sound has a sample that is NaN or infinite"):
        as_batch([np.zeros(3), np.array([np.nan])], None, SPEC, "inputs")
    with pytest.raises(UserError, match=r"inputs\[0\] has shape \(3, 2\)"):
        as_batch([np.zeros((3, 2))], None, SPEC, "inputs")
    with pytest.raises(UserError, match="give a list of examples without padding"):
        as_batch(np.zeros((1, 100)), None, SPEC, "inputs")
    with pytest.raises(UserError, match="the folder has no sound file"):
        read_examples(tmp_path, SPEC)
    FAULTS["cut short"][0](tmp_path / "bad.wav")
    with pytest.raises(UserError, match="bad.wav: the sound is cut short"):
        read_examples(tmp_path, SPEC)


def test_an_exported_program_hears_what_the_model_hears(model):
    inputs = np.zeros((2, *model.spec.input_shape), np.int16)
    inputs[0, :1600], inputs[1, :800] = (
        (tone(0.2) * 32768).astype(np.int16),
        (tone(0.1, hertz=900) * 32768).astype(np.int16),
    )
    lengths = np.array([1600, 800], np.int32)
    program = jax.export.deserialize(bytearray(jaxdl.export_program(model)))
    np.testing.assert_allclose(program.call(inputs, lengths), model.predict(inputs, lengths), rtol=1e-4, atol=1e-6)
