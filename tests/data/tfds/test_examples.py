from __future__ import annotations

import json

import numpy as np
import pytest

from jaxdl.data.tfds.examples import read_examples
from jaxdl.errors import UserError


def test_each_kind_of_feature_becomes_a_value_of_python_or_numpy(tmp_path, write_set):
    from tensorflow_datasets import features as f

    features = {
        "text": f.Text(),
        "label": f.ClassLabel(names=["no", "yes"]),
        "row": f.Tensor(shape=(2,), dtype=np.float64, encoding="bytes"),
        "count": np.int64,
        "words": f.Sequence(f.Text()),
    }
    rows = [
        {"text": f"text {n} \u00e4", "label": n % 2, "row": [n / 3, -n], "count": n, "words": ["a"] * n}
        for n in range(5)
    ]
    write_set(tmp_path, features, {"train": rows, "extra": rows[:1]})
    found = read_examples("own", tmp_path)
    assert sorted(found) == ["extra", "train"]
    train = found["train"]
    assert sorted(train) == ["count", "label", "row", "text"]
    for text, label, row, count in zip(train["text"], train["label"], train["row"], train["count"], strict=True):
        assert (text, label, int(count)) == (f"text {count} \u00e4", count % 2, int(count))
        np.testing.assert_array_equal(row, [count / 3, -count])
        assert (type(text), type(label), row.dtype) == (str, int, np.float64)


def test_sounds_of_a_prepared_set_are_read_without_tensorflow(tmp_path, write_set):
    """TFDS writes sounds as it writes integers; only the description differs, which it cannot write here."""
    from tensorflow_datasets import features as f

    tones = [[0, 1, -32768], [32767, 5, 6], [40_000, 0, 0]]
    folder = write_set(
        tmp_path, {"audio": f.Tensor(shape=(3,), dtype=np.int64)}, {"train": [{"audio": t} for t in tones]}
    )
    description = json.loads((folder / "features.json").read_text())
    audio = {"audio": {"dtype": "int64", "encoding": "NONE", "shape": {"dimensions": ["-1"]}}}
    audio["pythonClassName"] = "tensorflow_datasets.core.features.audio_feature.Audio"  # type: ignore[assignment]
    description["featuresDict"]["features"]["audio"] = audio
    (folder / "features.json").write_text(json.dumps(description))
    found = read_examples("own", tmp_path)["train"]["audio"]
    assert sorted(each.tolist() for each in found) == sorted(tones)
    assert sorted(str(each.dtype) for each in found) == ["int16", "int16", "int32"]


def test_a_damaged_set_is_named(tmp_path, write_set):
    folder = write_set(tmp_path, {"x": np.int32}, {"train": [{"x": 1}] * 3})
    path = next(folder.glob("*train*"))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match=rf"{folder} is damaged \(own-train.* it has 0 of 3 examples\)\. Remove it"):
        read_examples("own", tmp_path)
