from __future__ import annotations

import numpy as np

from jaxdl.report.sounds import spectrogram_pictures, wave_pictures


def test_time_runs_to_the_right_low_bands_lie_below_and_loud_is_dark():
    spectrograms = np.zeros((2, 4, 3))
    spectrograms[0, 1, 0] = 5.0  # loud, early, low
    found = spectrogram_pictures(spectrograms, [4, 2])
    assert found.shape == (2, 3, 4, 1)
    assert found[0, 2, 1, 0] == 0 and (found[0].sum() == 11)
    assert (found[1] == 1).all()  # as quiet as it gets, and white beyond its end
    assert spectrogram_pictures(np.full((1, 2, 2), 7.0), [2]).min() == 1


def test_frames_past_the_end_do_not_set_the_scale():
    spectrograms = np.zeros((1, 3, 1))
    spectrograms[0, :, 0] = [0, 1, 99]
    assert spectrogram_pictures(spectrograms, [2]).ravel().tolist() == [1, 0, 1]


def test_a_wave_is_drawn_from_its_least_to_its_most():
    waves = np.zeros((1, 448))
    waves[0, :2], waves[0, 2:4] = [1.0, -1.0], [0.5, 0.5]
    found = wave_pictures(waves, [10])[0, ..., 0]
    assert found.shape == (64, 224)
    assert (found[:, 0] == 0).all()  # from top to bottom
    rows = np.flatnonzero(found[:, 1] == 0)
    assert rows.tolist() == [16]  # a quarter from the top
    assert (found[:, 4] == 0).sum() in (1, 2) and (found[:, 5:] == 1).all()  # silence is a line, the rest is empty
    assert wave_pictures(np.zeros((1, 3)), [3]).shape == (1, 64, 3, 1)
