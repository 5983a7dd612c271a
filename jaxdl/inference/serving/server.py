"""Serves a finished run on a port, until it is told to stop."""

from __future__ import annotations

import importlib.util
import ipaddress
import logging
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from jaxdl.errors import EXTRAS, UserError, missing
from jaxdl.experiment import Experiment
from jaxdl.inference.predictor import Runtime, TrainedModel, bucket_sizes, load_run
from jaxdl.inference.serving.limits import Limits
from jaxdl.report.terminal import announce, say_nothing

if TYPE_CHECKING:
    from starlette.applications import Starlette


def serving_app(
    run: str | os.PathLike[str] | TrainedModel,
    *,
    experiment: Experiment | None = None,
    runtime: Runtime = "jax",
    max_batch: int = 64,
    limits: Limits | None = None,
    notify: Callable[[str], None] | None = None,
) -> Starlette:
    """Returns an ASGI application that predicts with a finished run, to be run or mounted by a server of your own.

    Its programs are compiled before it is returned. Its paths are ``/predict``, ``/model``, ``/health``, ``/metrics``,
    ``/openapi.json`` and a page at ``/``.

    Args:
        run: the run directory, or a model.
        experiment: the recipe, as `jaxdl.load_run` takes it.
        runtime: what predicts, as `jaxdl.load_run` takes it; of a model that is given, its own.
        max_batch: examples that are predicted together at most; there is a program for each power of two below.
        limits: what is taken from clients.
        notify: as for `jaxdl.load_run`.

    Raises:
        UserError: a package of the extra ``serve`` is missing, or as for `jaxdl.load_run`.
    """
    if any(importlib.util.find_spec(name) is None for name in EXTRAS["serve"]):
        raise missing("serve", "serving")
    if max_batch < 1:
        raise UserError(f"max_batch={max_batch}: give a number of examples from 1.")
    from jaxdl.inference.serving.app import make_app

    model = run if isinstance(run, TrainedModel) else load_run(run, experiment, notify=notify, runtime=runtime)
    return make_app(model.warmed(bucket_sizes(max_batch)), limits or Limits())


def serve(
    run: str | os.PathLike[str] | TrainedModel,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    experiment: Experiment | None = None,
    runtime: Runtime = "jax",
    max_batch: int = 64,
    limits: Limits | None = None,
    notify: Callable[[str], None] | None = print,
) -> None:
    """Serves a finished run over HTTP until a signal ends it; requests that have begun are answered first.

    Args:
        run: the run directory, or a model.
        host: the address to listen on; the default is reached from this machine alone.
        port: 0: a free one.
        experiment: the recipe, as `jaxdl.load_run` takes it.
        runtime: what predicts, as `jaxdl.load_run` takes it; of a model that is given, its own.
        max_batch: examples that are predicted together at most.
        limits: what is taken from clients.
        notify: called with a line that has the server's address, once it listens; None: nothing is said.

    Raises:
        UserError: the port is in use or not allowed, or as for `serving_app`.
        KeyboardInterrupt: Ctrl-C ended it, after the last request was answered.
    """
    listener = _bound(host, port)  # first, so that a port in use is noticed before programs are compiled
    try:
        limits = limits or Limits()
        app = serving_app(
            run,
            experiment=experiment,
            runtime=runtime,
            max_batch=max_batch,
            limits=limits,
            notify=announce if notify else say_nothing,
        )
        from jaxdl.inference.serving.connections import server_of

        local = _is_loopback(listener)
        address = _address(host, listener.getsockname()[1])
        lines = [f"Serving on {address}"]
        if not local:
            lines.append("This is not the loopback address: whoever reaches this machine can use the model.")
        server = server_of(app, limits, local, lambda: (notify or say_nothing)("\n".join(lines)))
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        server.run(sockets=[listener])
    finally:
        listener.close()


def _bound(host: str, port: int) -> socket.socket:
    """Returns a socket that holds the port, but does not listen yet.

    Raises:
        UserError: it cannot.
    """
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        found = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, OverflowError, UnicodeError) as problem:
        raise UserError(f"--host={host} --port={port}: this is no address to listen on ({problem}).") from None
    try:
        # A port is free again at once after a server has ended; one that listens is in use all the same.
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(where)
        found.setblocking(False)
    except (OSError, OverflowError) as problem:
        found.close()
        reason = getattr(problem, "strerror", None) or problem
        raise UserError(f"--port={port} of {host} cannot be used ({reason}); give another --port.") from None
    return found


def _is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
