"""A server as a library: mounted in an application of one's own, or refused before anything is compiled."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path
from typing import Any

import pytest
import starlette.applications
import starlette.routing

import jaxdl
from jaxdl.errors import UserError
from jaxdl.inference.serving import server
from tests.served import ask
from tests.serving_models import of_pictures


def test_a_port_in_use_is_named_before_the_run_is_read(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=rf"--port={port} of 127\.0\.0\.1 cannot be used .*give another --port"):
            jaxdl.serve(tmp_path / "no_run", port=port)
    with pytest.raises(UserError, match="this is no address to listen on"):
        jaxdl.serve(tmp_path / "no_run", host="no.such.host.invalid")
    with pytest.raises(UserError, match="no_run"):
        jaxdl.serve(tmp_path / "no_run", port=0)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "orjson" else find(name))
    with pytest.raises(UserError, match=r"serving needs the packages .*: pip install orjson \(jaxdl's extra 'serve'\)"):
        jaxdl.serving_app("runs/none")
    with pytest.raises(UserError, match="orjson"):
        jaxdl.serve("runs/none", port=0)


def test_batches_have_one_example_or_more() -> None:
    with pytest.raises(UserError, match="max_batch=0"):
        jaxdl.serving_app(of_pictures(), max_batch=0)


def test_the_application_can_be_mounted_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which has no lifespan for it, and another path."""
    app = jaxdl.serving_app(of_pictures(), max_batch=2)
    outer: Any = starlette.applications.Starlette(routes=[starlette.routing.Mount("/some/model", app)])
    import threading

    from jaxdl.inference.serving.connections import server_of

    listening, listener = threading.Event(), server._bound("127.0.0.1", 0)
    running = server_of(outer, jaxdl.Limits(), True, listening.set)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert listening.wait(20)
        port = listener.getsockname()[1]
        assert ask(port, "POST", "/some/model/predict", {"inputs": [[0] * 16]}).status == 200
        assert b"page.js" in ask(port, "GET", "/some/model/").body
        assert ask(port, "GET", "/predict").status == 404
    finally:
        running.should_exit = True
        thread.join(20)
