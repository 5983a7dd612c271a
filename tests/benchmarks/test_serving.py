"""The benchmark of serving: its clients count what a server answers, and jaxdl's side runs."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import jaxdl
from benchmarks import serving
from benchmarks.load import load_of
from tests.served import served
from tests.serving_models import of_pictures


def test_clients_count_answers_and_errors() -> None:
    with served(of_pictures()) as port:
        fine = load_of(port, "/predict", b'{"inputs": [[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]]}', 5, 0.5).figures()
        assert fine["errors"] == {} and fine["requests"] > 10
        assert fine["requests_per_second"] == pytest.approx(fine["requests"] / 0.5, rel=0.5)
        assert 0 < fine["p50_ms"] <= fine["p99_ms"] <= fine["slowest_ms"] < 5000
        wrong = load_of(port, "/predict", b"{", 2, 0.2).figures()
        assert wrong["requests"] == 0 and set(wrong["errors"]) == {"HTTP/1.1 400 Bad Request"}


def test_many_clients_are_served_without_an_error_and_in_bounded_memory() -> None:
    """The small sibling of the benchmark, with a model of the same size."""
    from benchmarks.serving_worker import jaxdl_model

    body = b'{"inputs": [[' + b",".join([b"0"] * 784) + b"]]}"
    with served(jaxdl_model("mlp"), jaxdl.Limits(), max_batch=64) as port:
        load_of(port, "/predict", body, 200, 0.5)
        before = _resident()
        found = load_of(port, "/predict", body, 200, 2.0).figures()
        assert found["errors"] == {} and found["requests"] > 200
        assert _resident() < before + 64


def _resident() -> float:
    from pathlib import Path

    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) / 1024


@pytest.mark.slow
def test_jaxdl_is_measured_and_a_missing_server_is_left_out() -> None:
    figures: dict[str, Any] = serving.measure("jaxdl", sys.executable, "mlp", 10, 1.0)
    assert figures["problem"] is None and figures["errors"] == {} and figures["mib_at_end"] > 50
    assert "jaxdl" in serving.table([{"jaxdl": figures}])
    missing = serving.measure("none", sys.executable, "mlp", 1, 0.1)
    assert "keras" in missing["problem"] or "uvicorn" in missing["problem"] or "fastapi" in missing["problem"]
