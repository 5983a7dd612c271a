"""The server's ASGI application: routes, answers and refusals."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jaxdl.errors import UserError
from jaxdl.inference.predictor import TrainedModel
from jaxdl.inference.serving.answers import answers
from jaxdl.inference.serving.asked import JSON, Asked, read_request
from jaxdl.inference.serving.batching import Batcher
from jaxdl.inference.serving.body import Bodies, Receive
from jaxdl.inference.serving.description import describe, openapi
from jaxdl.inference.serving.figures import CONTENT_TYPE, Figures
from jaxdl.inference.serving.limits import Gone, Limits, Refused
from jaxdl.inference.serving.page import page_routes

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
# Shorter bodies of JSON are read on the thread of the event loop, which takes less time than to hand them on.
_SHORT = 32_768
_JSON_HEADERS = [(b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff")]
_log = logging.getLogger("jaxdl.serving")


class Predicting:
    """Answers ``POST /predict``; an ASGI application of its own, since Starlette's requests and responses take longer.

    Args:
        model: which predicts; its programs are compiled.
        limits: what is taken.
    """

    def __init__(self, model: TrainedModel, limits: Limits):
        self._model, self._limits = model, limits
        self._bodies = Bodies(limits)
        self._batcher = Batcher(model.predict_checked, model.sizes[-1], limits.waiting, self._observe)
        self._pool = ThreadPoolExecutor(2, "jaxdl-decode")
        self.figures = Figures(lambda: self._batcher.count, lambda: self._bodies.held, model.sizes[-1])

    def close(self) -> None:
        """Ends its threads."""
        self._batcher.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        begin = time.perf_counter()
        status, headers = 200, _JSON_HEADERS
        try:
            content = _json(await self._answered(scope, receive))
        except Refused as refused:
            status, content = refused.status, _json({"error": refused.message})
            if refused.close:
                headers = [*headers, (b"connection", b"close")]
            if status == 503:
                headers = [*headers, (b"retry-after", b"1")]
        except Gone:
            return
        except Exception:
            _log.exception("a prediction failed")
            status, content = 500, _json({"error": "the prediction failed; the server's log says why."})
        self.figures.request(status, time.perf_counter() - begin)
        length = (b"content-length", str(len(content)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": content})

    async def _answered(self, scope: MutableMapping[str, Any], receive: Receive) -> dict[str, Any]:
        """Returns the answer to a request.

        Raises:
            Refused: there is none.
            Gone: the client is gone.
        """
        body = None
        try:
            async with asyncio.timeout(self._limits.seconds) as time_left:
                body = await self._bodies.read(scope["headers"], receive)
                time_left.reschedule(asyncio.get_running_loop().time() + self._limits.seconds)
                asked = await self._asked(scope, body)
                predictions = await self._batcher.predict(asked.batch)
        except TimeoutError:
            after = f"{self._limits.seconds:g} seconds"
            if body is None:
                raise Refused(408, f"the request did not arrive within {after}.", close=True) from None
            raise Refused(503, f"the server is busy: there was no answer within {after}; try again.") from None
        finally:
            if body is not None:
                self._bodies.release(len(body))
        answer: dict[str, Any] = {"predictions": answers(self._model, predictions, asked.batch, asked.top_k)}
        if asked.notes:
            answer["notes"] = asked.notes
        return answer

    async def _asked(self, scope: MutableMapping[str, Any], body: bytes) -> Asked:
        given = next((value for name, value in scope["headers"] if name == b"content-type"), b"").decode("latin-1")
        media_type = given.partition(";")[0].strip().lower()
        if media_type == JSON and len(body) < _SHORT:
            asked = read_request(media_type, body, self._model, self._limits)
        else:
            loop = asyncio.get_running_loop()
            asked = await loop.run_in_executor(self._pool, read_request, media_type, body, self._model, self._limits)
        query = scope["query_string"]
        return asked._replace(top_k=_top_k(query)) if query else asked

    def _observe(self, examples: int, seconds: float) -> None:
        self.figures.batch(examples, seconds)


def make_app(model: TrainedModel, limits: Limits) -> Starlette:
    """Returns the application that serves a model whose programs are compiled."""
    predicting = Predicting(model, limits)
    description, interface = _json(describe(model)), _json(openapi(model, limits))
    health = _json({"status": "ok", "experiment": model.experiment.name, "step": int(model.state.step)})

    def fixed(content: bytes) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            return Response(content, media_type=JSON, headers={"x-content-type-options": "nosniff"})

        return answer

    async def metrics(request: Request) -> Response:
        return Response(predicting.figures.text(), media_type=CONTENT_TYPE)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        predicting.close()

    return Starlette(
        routes=[
            Route("/predict", predicting, methods=["POST"]),
            Route("/health", fixed(health)),
            Route("/model", fixed(description)),
            Route("/openapi.json", fixed(interface)),
            Route("/metrics", metrics),
            *page_routes(),
        ],
        exception_handlers={HTTPException: _refuse},  # type: ignore[dict-item]
        lifespan=lifespan,
    )


async def _refuse(request: Request, error: HTTPException) -> Response:
    """Answers a request for another path or with another method, as JSON."""
    return Response(
        _json({"error": f"{request.method} {request.url.path}: {error.detail}."}),
        error.status_code,
        headers={**(error.headers or {}), "x-content-type-options": "nosniff"},
        media_type=JSON,
    )


def _top_k(query: bytes) -> int:
    """Returns how many classes the query of an address asks for."""
    given = urllib.parse.parse_qs(query.decode("latin-1"), keep_blank_values=True)
    if given.keys() - {"top_k"}:
        raise Refused(400, f"?{query.decode('latin-1')} is not known; the address takes top_k alone.")
    number = given["top_k"][-1]
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise Refused(400, f"top_k={number} must be a whole number from 0.")
    return int(number)


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as problem:
        raise UserError(f"the answer cannot be written as JSON ({problem}).") from problem
