"""Random changes of texts."""

import jax
import numpy as np
import pytest

import jaxdl
from jaxdl.data.texts.coding import PADDING, UNKNOWN, TextCoding

IDS = np.random.RandomState(0).randint(0, 200, (500, 40)).astype(np.uint8)
SPEC = jaxdl.Spec((40,), "uint8", jaxdl.Preprocess(cast="none"), (), 2, coding=TextCoding("word", ("a",) * 198, 40))


def changed(share, key=0):
    augmentation = jaxdl.TextAugmentation(word_dropout=share)
    batch = {"inputs": jax.numpy.asarray(IDS), "targets": jax.numpy.zeros(500)}
    got = augmentation.apply(batch, SPEC.preprocess, jax.random.key(key))
    assert got["targets"] is batch["targets"]
    return np.asarray(got["inputs"])


def test_nothing_is_changed_unless_asked_for():
    assert np.array_equal(changed(0.0), IDS)


def test_known_units_become_unknown_each_by_itself_and_ids_stay_integers():
    after = changed(0.3)
    known = IDS > UNKNOWN
    assert after.dtype == np.uint8
    assert np.array_equal(after[~known], IDS[~known])
    dropped = (after != IDS) & known
    assert (after[dropped] == UNKNOWN).all()
    assert abs(dropped.sum() / known.sum() - 0.3) < 0.015
    of_rows = dropped.sum(1) / known.sum(1)
    assert of_rows.std() == pytest.approx(np.sqrt(0.3 * 0.7 / 40), rel=0.15)
    assert (after[IDS == PADDING] == PADDING).all()


def test_the_same_key_makes_the_same_changes():
    assert np.array_equal(changed(0.3, 1), changed(0.3, 1))
    assert not np.array_equal(changed(0.3, 1), changed(0.3, 2))


def test_it_needs_texts_with_an_id_for_unknown_units():
    jaxdl.TextAugmentation(word_dropout=0.3).check(SPEC)
    numbers = jaxdl.Spec((4,), "float32", jaxdl.Preprocess(), (), 2)
    jaxdl.TextAugmentation().check(numbers)
    with pytest.raises(jaxdl.UserError, match="augmentation.word_dropout=0.3: .* these data are no texts"):
        jaxdl.TextAugmentation(word_dropout=0.3).check(numbers)
    of_bytes = jaxdl.Spec((4,), "uint8", jaxdl.Preprocess(cast="none"), (), 2, coding=TextCoding("byte", (), 4))
    with pytest.raises(jaxdl.UserError, match="bytes have no id for unknown ones"):
        jaxdl.TextAugmentation(word_dropout=0.3).check(of_bytes)
