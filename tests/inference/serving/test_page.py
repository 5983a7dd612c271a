"""The page at `/`, as people use it: in a browser, with a mouse and without, by day and by night."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io.wavfile
from PIL import Image

import jaxdl
from tests.browser import barriers, opened, too_wide
from tests.data.recordings import tone
from tests.served import ask, served
from tests.serving_models import of_pictures, of_rows, of_series, of_sounds, of_spec, of_texts

# Puts a file onto the page, as if it were dropped there.
DROP = """([content, name, type]) => {
  const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
}"""
# What the model reads, as numbers from 0 to 255.
SEEN = """async () => {
  const picture = document.getElementById("seen-picture");
  await picture.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: canvas.height }, (_, y) =>
    Array.from({ length: canvas.width }, (_, x) => data[4 * (y * canvas.width + x)]));
}"""
# A microphone that hears a tone.
MICROPHONE = """() => { navigator.mediaDevices.getUserMedia = async () => {
  const context = new AudioContext(), tone = context.createOscillator(), to = context.createMediaStreamDestination();
  tone.connect(to); tone.start(); return to.stream; }; }"""


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a model that knows the embedded digits."""
    folder = tmp_path_factory.mktemp("digits")
    recipe = jaxdl.Experiment(
        name="digits",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(64,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=3e-3),
        training=jaxdl.Training(epochs=15, batch_size=32),
    )
    jaxdl.train(recipe, run_dir=folder / "run", data_dir=folder, notify=lambda line: None)
    with served(jaxdl.load_run(folder / "run"), max_batch=2) as port:
        yield f"http://127.0.0.1:{port}/"


def draw(page: Any, places: list[tuple[float, float]]) -> None:
    """Draws a line through places of the canvas, of which (0, 0) is the corner at the top left and (1, 1) the other."""
    box = page.locator("#canvas").bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=3)
    page.mouse.up()


def ring(x: float, y: float, wide: float, high: float) -> list[tuple[float, float]]:
    return [(x + wide * math.sin(a * math.pi / 8), y - high * math.cos(a * math.pi / 8)) for a in range(17)]


def best(page: Any) -> str:
    page.locator("#best").wait_for()
    return str(page.locator("#best").inner_text())


def test_the_page_keeps_to_itself() -> None:
    with served(of_pictures()) as port:
        answer = ask(port, "GET", "/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert b"<script>" not in answer.body and b"style=" not in answer.body and b"//" not in answer.body


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_a_drawn_digit_is_recognised(browser: Any, digits: str, width: int, dark: bool) -> None:
    with opened(browser, digits, width=width, dark=dark) as page:
        page.locator("#drawing").wait_for()
        draw(page, ring(0.3, 0.4, 0.15, 0.25))  # small, and away from the middle
        assert best(page) == "0"
        assert page.locator("#probabilities tbody tr").count() == 10
        assert float(page.locator("#probabilities td.number").first.inner_text()) > 0.5
        assert barriers(page) == []
        assert too_wide(page) == 0
        page.locator("#clear").click()
        draw(page, [(0.6, 0.2), (0.6, 0.8)])
        page.locator("#best", has_text="1").wait_for()


def test_a_drawing_becomes_a_picture_as_those_of_mnist_are(browser: Any) -> None:
    """Of 20 pixels of 28 along its longer side, its centre of mass in the middle, light on dark."""
    spec = jaxdl.Spec((28, 28, 1), "uint8", jaxdl.Preprocess(1 / 255), (), 2, ("a", "b"))
    with served(of_spec(spec, jaxdl.MLP(features=(4,)))) as port, opened(browser, f"http://127.0.0.1:{port}/") as page:
        page.locator("#drawing").wait_for()
        draw(page, [(0.1, 0.1), (0.1, 0.5), (0.3, 0.5)])  # an L
        best(page)
        seen = np.array(page.evaluate(SEEN), float)
        assert seen.shape == (28, 28) and seen.max() > 200 and seen[0].max() == seen[:, -1].max() == 0
        rows, columns = (np.flatnonzero(seen.max(axis) > 20) for axis in (1, 0))
        assert 19 <= np.ptp(rows) + 1 <= 21 and np.ptp(columns) < np.ptp(rows)
        centre = (np.indices(seen.shape) * seen).sum((1, 2)) / seen.sum() + 0.5
        np.testing.assert_allclose(centre, 14, atol=0.6)


def test_a_drawing_needs_no_mouse(browser: Any, digits: str) -> None:
    with opened(browser, digits) as page:
        page.locator("#drawing").wait_for()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "canvas"
        for key, times in (("ArrowUp", 12), (" ", 1), ("ArrowDown", 24), (" ", 1)):
            for _ in range(times):
                page.keyboard.press(key)
        assert best(page) == "1"
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # the button that clears


def test_a_dropped_picture_is_predicted_and_what_is_wrong_is_said(browser: Any, digits: str) -> None:
    picture = np.zeros((80, 80), np.uint8)
    picture[5:75, 34:46] = 255
    with opened(browser, digits) as page:
        page.locator("#drop").wait_for()
        for pixels, expected in ((picture, "1"), (255 - picture, None)):
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG")
            page.evaluate(DROP, [base64.b64encode(file.getvalue()).decode(), "one.png", "image/png"])
            if expected:
                assert best(page) == expected
        page.locator("#notes li").wait_for()
        assert "light and dark exchanged" in page.locator("#notes").inner_text()
        assert barriers(page) == []
    # Chromium itself writes of an answer of 400 on the console.
    with pytest.raises(AssertionError, match="400"), opened(browser, digits) as page:
        page.locator("#drop").wait_for()
        page.evaluate(DROP, [base64.b64encode(b"no picture").decode(), "one.png", "image/png"])
        page.locator("#problem").wait_for()
        assert "or is damaged" in page.locator("#problem").inner_text()


def test_a_text_is_typed(browser: Any) -> None:
    with served(of_texts()) as port, opened(browser, f"http://127.0.0.1:{port}/", width=400) as page:
        page.get_by_label("Text").fill("The good film")
        page.keyboard.press("Control+Enter")
        assert best(page) in ("no", "yes")
        page.get_by_label("Text").fill("good good good good")
        page.get_by_role("button", name="Predict").click()
        page.locator("#notes li").wait_for()
        assert "are cut" in page.locator("#notes").inner_text()
        assert barriers(page) == [] and too_wide(page) == 0


def test_the_columns_of_a_row_are_fields(browser: Any) -> None:
    with served(of_rows()) as port, opened(browser, f"http://127.0.0.1:{port}/", dark=True) as page:
        page.get_by_label("age").fill("41.5")
        page.get_by_label("town").select_option("B")
        page.get_by_label("height").fill("")
        page.get_by_role("button", name="Predict").click()
        expected = ask(port, "POST", "/predict", {"inputs": [{"age": 41.5, "town": "B", "height": None}]}).json
        assert float(best(page)) == pytest.approx(expected["predictions"][0]["prediction"])
        assert barriers(page) == [] and too_wide(page) == 0


def test_a_sound_is_recorded_or_chosen(browser: Any, tmp_path: Path) -> None:
    model = of_sounds()
    scipy.io.wavfile.write(tmp_path / "a.wav", 8000, np.rint(32767 * tone(0.2, hertz=400)).astype(np.int16))
    with served(model) as port, opened(browser, f"http://127.0.0.1:{port}/", width=400) as page:
        page.evaluate(MICROPHONE)
        page.get_by_role("button", name="Record").click()
        page.get_by_role("button", name="Stop").wait_for()
        page.wait_for_timeout(300)
        if page.get_by_role("button", name="Stop").count():  # it ends by itself after the length of a sound
            page.get_by_role("button", name="Stop").click()
        assert best(page) in model.spec.class_names
        page.locator("#sound-file").set_input_files(tmp_path / "a.wav")
        assert best(page) in model.spec.class_names
        assert barriers(page) == [] and too_wide(page) == 0


def test_other_inputs_are_written_as_json(browser: Any) -> None:
    with served(of_series()) as port, opened(browser, f"http://127.0.0.1:{port}/") as page:
        page.locator("#arrays").wait_for()
        assert page.locator("#body").input_value() == '{"inputs":[[[0,0],[0,0]]]}'
        page.get_by_role("button", name="Predict").click()
        assert best(page) in ("down", "up")
        assert barriers(page) == []
