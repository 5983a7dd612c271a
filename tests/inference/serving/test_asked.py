"""Bodies of requests become examples: of JSON, pictures, sounds and texts; or are refused in one line."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
import scipy.io.wavfile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import jaxdl
from jaxdl.inference.serving.asked import media_types, read_request
from jaxdl.inference.serving.limits import Limits, Refused
from tests.data.recordings import tone
from tests.serving_models import of_pictures, of_rows, of_series, of_sounds, of_texts

PICTURE = np.arange(16, dtype=np.uint8).reshape(4, 4) * 16


def asked(model: jaxdl.TrainedModel, body: Any, kind: str = "application/json", limits: Limits | None = None) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_request(kind, content, model, limits or Limits())


def png(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


@pytest.fixture(scope="module")
def pictures() -> jaxdl.TrainedModel:
    return of_pictures()


@pytest.mark.parametrize("shape", [(4, 4, 1), (4, 4), (16,)])
def test_examples_are_nested_or_flat(pictures: jaxdl.TrainedModel, shape: tuple[int, ...]) -> None:
    found = asked(pictures, {"inputs": np.stack([PICTURE, PICTURE]).reshape(2, *shape).tolist(), "top_k": 2})
    assert found.batch["inputs"].dtype == np.uint8
    np.testing.assert_array_equal(found.batch["inputs"], np.stack([PICTURE] * 2)[..., None])
    assert (found.top_k, found.notes) == (2, [])


def test_a_picture_is_read_as_a_file_of_the_training_is(pictures: jaxdl.TrainedModel, tmp_path: Any) -> None:
    np.testing.assert_array_equal(asked(pictures, png(PICTURE), "image/png").batch["inputs"][0, ..., 0], PICTURE)
    large = np.random.default_rng(0).integers(0, 256, (37, 50, 3)).astype(np.uint8)
    for kind in ("png", "jpeg", "webp", "bmp"):
        (tmp_path / f"large.{kind}").write_bytes(png(large, kind.upper()))
        _, expected, _ = jaxdl.inference.read_examples(tmp_path / f"large.{kind}", pictures.spec)
        found = asked(pictures, (tmp_path / f"large.{kind}").read_bytes(), f"image/{kind}")
        np.testing.assert_array_equal(found.batch["inputs"], expected)


def test_rows_of_a_table_are_objects_and_a_missing_value_is_null() -> None:
    model = of_rows()
    rows = [{"town": "B", "age": 30, "height": None}, {"age": 41.5, "height": 180, "town": "A", "more": 1}]
    expected = [[30, 0, 1, np.nan, 1], [41.5, 1, 0, 180, 0]]
    np.testing.assert_array_equal(asked(model, {"inputs": rows}).batch["inputs"], np.float32(expected))
    columns = {"age": [30, 41.5], "town": ["B", "A"], "height": [None, 180]}
    np.testing.assert_array_equal(asked(model, {"inputs": columns}).batch["inputs"], np.float32(expected))
    strange = asked(model, {"inputs": [{"age": 1, "town": "Z", "height": 2}]})
    assert "1 of 1 rows have a value of 'town' that train does not have" in strange.notes[0]
    with pytest.raises(Refused, match="inputs has no column 'town', which the model reads"):
        asked(model, {"inputs": [{"age": 1, "height": 2}]})


def test_texts_come_as_a_list_or_as_one_plain_text() -> None:
    model = of_texts()
    found = asked(model, {"inputs": ["The film", "good good good good"]})
    assert found.batch["inputs"].tolist() == [[2, 3, 0], [4, 4, 4]]
    assert found.batch["lengths"].tolist() == [2, 3]
    assert found.notes == ["inputs: 1 of 2 texts have more than 3 words and are cut."]
    assert asked(model, b"good film", "text/plain").batch["inputs"].tolist() == [[4, 3, 0]]
    with pytest.raises(Refused, match="the text is not encoded in UTF-8"):
        asked(model, b"\xff\xfe", "text/plain")


def test_sequences_need_no_padding() -> None:
    model = of_series()
    found = asked(model, {"inputs": [[[1, 2], [3, 4]], [[5, 6]]]})
    assert found.batch["inputs"].dtype == np.float32
    assert found.batch["lengths"].tolist() == [2, 1]
    np.testing.assert_array_equal(found.batch["inputs"][1, :2], [[5, 6], [0, 0]])
    padded = asked(model, {"inputs": np.ones((2, 7, 2), int).tolist(), "lengths": [3, 0]})
    assert padded.batch["lengths"].tolist() == [3, 0]


def test_a_sound_is_a_file_or_a_wave() -> None:
    model = of_sounds()
    wave = tone(0.2, hertz=400)
    numbers = np.rint(32767 * wave).astype(np.int16)
    file = io.BytesIO()
    scipy.io.wavfile.write(file, model.spec.rate, numbers)
    found = asked(model, file.getvalue(), "audio/wav")
    np.testing.assert_array_equal(found.batch["inputs"][0, : len(numbers)], numbers[: model.spec.input_shape[0]])
    assert asked(model, {"inputs": [numbers.tolist()]}).batch["inputs"].tolist() == found.batch["inputs"].tolist()
    floats = asked(model, {"inputs": [(numbers / 32768).tolist()]})
    np.testing.assert_array_equal(floats.batch["inputs"], found.batch["inputs"])
    assert asked(model, {"inputs": [[0, 1, -1]]}).batch["inputs"][0, :3].tolist() == [0, 32767, -32768]
    with pytest.raises(Refused, match="no WAV, FLAC or OGG file"):
        asked(model, b"RIFX" + file.getvalue()[4:], "audio/wav")
    with pytest.raises(Refused, match="the limit is 10") as refused:
        asked(model, file.getvalue(), "audio/wav", Limits(decoded=10))
    assert refused.value.status == 413


@pytest.mark.parametrize(
    ("body", "kind", "status", "message"),
    [
        (b"{", "application/json", 400, "the body is no JSON"),
        (b"[" * 5000, "application/json", 400, "the body is no JSON"),
        (b"", "application/json", 400, "no body"),
        (b"[1]", "application/json", 400, 'the key "inputs"'),
        ({"input": []}, "application/json", 400, 'the key "inputs"'),
        ({"inputs": [], "topk": 1}, "application/json", 400, "'topk' is not known. Did you mean 'top_k'"),
        ({"inputs": [], "top_k": True}, "application/json", 400, "top_k must be a whole number"),
        ({"inputs": 3}, "application/json", 400, "must be a list with an entry for each example"),
        ({"inputs": [[1], [1, 2]]}, "application/json", 400, "examples of one shape, .4, 4, 1."),
        ({"inputs": [[0] * 15]}, "application/json", 400, r"the model takes uint8 of shape \(n, 4, 4, 1\)"),
        ({"inputs": [[256] * 16]}, "application/json", 400, "with values from 256 to 256"),
        ({"inputs": [[None] * 16]}, "application/json", 400, "objects of shape"),
        ({"inputs": [{"a": 1}]}, "application/json", 400, "objects of shape"),
        ({"inputs": ["dark"]}, "application/json", 400, "was not trained on texts"),
        ({"inputs": [[0] * 16], "lengths": [[1], [1, 2]]}, "application/json", 400, "lengths must be a list"),
        ({"inputs": [[0] * 16], "lengths": [1]}, "application/json", 400, "lengths are given"),
        (b"a text", "text/plain", 415, "the content is text/plain; send application/json or image/png"),
        (b"{}", "", 415, "of no stated type"),
        (b"\x89PNG but no more", "image/png", 400, "or is damaged"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "image/png", 400, "is none of PNG, JPEG"),
        (png(PICTURE)[:60], "image/png", 400, "the picture"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(
    pictures: jaxdl.TrainedModel, body: Any, kind: str, status: int, message: str
) -> None:
    with pytest.raises(Refused, match=message) as refused:
        asked(pictures, body, kind)
    assert refused.value.status == status and "\n" not in refused.value.message


def test_a_small_file_with_many_pixels_is_not_decoded(pictures: jaxdl.TrainedModel) -> None:
    huge = png(np.zeros((20_000, 10_000), np.uint8))
    assert len(huge) < 1_000_000
    with pytest.raises(Refused, match="the limit") as refused:
        asked(pictures, huge, "image/png")
    assert refused.value.status == 413
    with pytest.raises(Refused, match=r"the picture has 4 x 4 pixels; the limit is 15 in all"):
        asked(pictures, png(PICTURE), "image/png", Limits(decoded=15))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["age", "town", "x"]), inner),
    max_leaves=8,
)


@pytest.mark.parametrize("make", [of_pictures, of_rows, of_texts, of_series, of_sounds])
def test_whatever_comes_is_read_or_refused(make: Any) -> None:
    """Nothing but `Refused` would be the client's mistake and the server's error."""
    model = make()

    @given(VALUES, VALUES, st.binary(max_size=30), st.sampled_from(media_types(model.spec)))
    def check(inputs: Any, lengths: Any, content: bytes, kind: str) -> None:
        for body, own in (
            ({"inputs": inputs, "lengths": lengths}, "application/json"),
            ({"inputs": [inputs]}, "application/json"),
            (content, kind),
        ):
            try:
                found = asked(model, body, own)
            except Refused as refused:
                assert refused.status in (400, 413)
            else:
                assert found.batch["inputs"].shape[1:] == model.spec.input_shape

    check()


def test_several_inputs_come_by_name() -> None:
    from tests.named import recipe
    from tests.padded import untrained

    model = untrained(recipe())
    found = asked(model, {"inputs": {"image": [[0] * 9], "table": [[1, 2]]}})
    assert found.batch["inputs/image"].shape == (1, 3, 3, 1) and found.batch["inputs/image"].dtype == np.uint8
    assert found.batch["inputs/table"].tolist() == [[1.0, 2.0]]
    with pytest.raises(Refused, match="inputs must be a dictionary of image, table, not image"):
        asked(model, {"inputs": {"image": [[0] * 9]}})
    with pytest.raises(Refused, match="must be objects with the names of the inputs: image, table"):
        asked(model, {"inputs": [1]})
