"""The served interface, over real connections: predictions, refusals, and that none harms another."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

import jaxdl
from jaxdl.data.edges import Edges
from tests.served import ask, predicted, said_to, served
from tests.serving_models import of_pictures

LIMITS = jaxdl.Limits(body=20_000, seconds=2.5, waiting=50)


@pytest.fixture(scope="module")
def model() -> jaxdl.TrainedModel:
    return dataclasses.replace(of_pictures(), edges=Edges(0.05, 0.02))


@pytest.fixture(scope="module")
def port(model: jaxdl.TrainedModel) -> Iterator[int]:
    with served(model, LIMITS) as port:
        yield port


def some(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 1)).astype(np.uint8)


def test_answers_are_those_of_the_model(port: int, model: jaxdl.TrainedModel) -> None:
    inputs = some(7)
    answer = predicted(port, {"inputs": inputs.tolist()})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    found = [list(each["probabilities"].values()) for each in answer.json["predictions"]]
    np.testing.assert_allclose(found, model.predict(inputs, notify=lambda line: None), rtol=1e-4, atol=1e-6)
    names = [each["prediction"] for each in answer.json["predictions"]]
    assert names == [model.spec.class_names[int(np.argmax(row))] for row in found]
    top = ask(port, "POST", "/predict?top_k=1", {"inputs": inputs[:1].tolist()}).json["predictions"][0]
    assert list(top["probabilities"]) == [names[0]]


def test_light_and_dark_exchanged_is_a_note_of_the_answer(port: int) -> None:
    answer = predicted(port, {"inputs": [[255] * 16]})
    assert "light and dark exchanged" in answer.json["notes"][0]
    assert "notes" not in predicted(port, {"inputs": [[0] * 16]}).json


def test_many_clients_get_their_own_answers(port: int, model: jaxdl.TrainedModel) -> None:
    inputs = [some(1 + seed % 3, seed) for seed in range(60)]
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda each: predicted(port, {"inputs": each.tolist()}), inputs))
    for given, answer in zip(inputs, found, strict=True):
        assert answer.status == 200
        rows = [list(each["probabilities"].values()) for each in answer.json["predictions"]]
        np.testing.assert_allclose(rows, model.predict(given, notify=lambda line: None), rtol=1e-4, atol=1e-6)
    figures = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(ask(port, "GET", "/metrics").body.decode())
        for sample in family.samples
    }
    assert figures["jaxdl_requests_total", "200"] >= 60
    assert figures["jaxdl_waiting_examples",] == figures["jaxdl_held_bytes",] == 0


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/predict", 405, "GET /predict: Method Not Allowed."),
        ("GET", "/nowhere", 404, "GET /nowhere: Not Found."),
        ("POST", "/predict?top=1", 400, "?top=1 is not known; the address takes top_k alone."),
        ("POST", "/predict?top_k=-1", 400, "top_k=-1 must be a whole number from 0."),
    ],
)
def test_other_paths_and_methods_are_refused_as_json(
    port: int, method: str, path: str, status: int, error: str
) -> None:
    answer = ask(port, method, path, {"inputs": [[0] * 16]} if method == "POST" else None)
    assert (answer.status, answer.json) == (status, {"error": error})


def test_what_is_too_large_is_refused_before_it_is_read(port: int) -> None:
    head = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    found = said_to(port, head + b"content-length: 20001\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 413") and b"more than 20,000 bytes" in found
    chunk = b"1000\r\n" + b" " * 4096 + b"\r\n"
    found = said_to(port, head + b"transfer-encoding: chunked\r\n\r\n" + 6 * chunk)
    assert found.startswith(b"HTTP/1.1 413")
    many = predicted(port, {"inputs": [[0] * 16] * 51})
    assert (many.status, many.json["error"]) == (413, "the request has 51 examples; send at most 50 in one.")


def test_slow_clients_are_refused_and_no_one_waits_for_them(port: int) -> None:
    head = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n"
    beginnings = (b"", b"POST /pre", head[:-2], head, head + b'{"inputs"')
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(beginnings)) as pool:
        slow = pool.map(lambda part: said_to(port, part), beginnings)
        quick = [predicted(port, {"inputs": [[0] * 16]}).status for _ in range(20)]
        assert time.monotonic() - begin < 2.5
        found = list(slow)
    assert quick == [200] * 20
    assert [answer[:12] for answer in found] == [b"HTTP/1.1 408"] * len(beginnings)
    assert all(b'{"error":"the request did not arrive' in answer for answer in found)


def test_a_client_that_goes_away_leaves_nothing_behind(port: int) -> None:
    head = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n"
    for part in (head[:20], head, head + b"{"):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(part)
    assert predicted(port, {"inputs": [[0] * 16]}).status == 200
    assert b"jaxdl_held_bytes 0.0" in ask(port, "GET", "/metrics").body


def test_more_than_the_server_takes_is_refused_and_the_rest_is_answered(model: jaxdl.TrainedModel) -> None:
    slow = jaxdl.TrainedModel(model.experiment, model.spec, model.steps, model.state)
    with served(slow, jaxdl.Limits(seconds=5, waiting=8), max_batch=1) as port:
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            statuses = [
                answer.status for answer in pool.map(lambda _: predicted(port, {"inputs": [[0] * 16] * 5}), range(32))
            ]
        assert set(statuses) <= {200, 503} and statuses.count(200) >= 2
        refused = predicted(port, {"inputs": [[0] * 16] * 9})
        assert refused.status == 413
        assert predicted(port, {"inputs": [[0] * 16]}).status == 200


def test_an_error_of_the_model_is_no_ones_else(model: jaxdl.TrainedModel, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(jaxdl.TrainedModel):
        def predict_checked(self, batch):  # type: ignore[no-untyped-def]
            if batch["inputs"].max() == 255:
                raise RuntimeError("secret path")
            return super().predict_checked(batch)

    broken = Broken(model.experiment, model.spec, model.steps, model.state)
    with served(broken) as port:
        failed = predicted(port, {"inputs": [[255] * 16]})
        assert (failed.status, failed.json) == (500, {"error": "the prediction failed; the server's log says why."})
        assert predicted(port, {"inputs": [[0] * 16]}).status == 200
    assert "secret path" in caplog.text


def test_health_says_what_is_served(port: int, model: jaxdl.TrainedModel) -> None:
    assert ask(port, "GET", "/health").json == {"status": "ok", "experiment": "some", "step": 0}
    assert ask(port, "GET", "/model").json["class_names"] == list(model.spec.class_names)
    assert ask(port, "GET", "/openapi.json").json["openapi"] == "3.1.0"
