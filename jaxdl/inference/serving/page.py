"""The page on which one tries a served model, and the headers that keep it to itself."""

from __future__ import annotations

import importlib.resources
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

# Path, file beside this one, type.
_FILES = (
    ("/", "page.html", "text/html"),
    ("/page.css", "page.css", "text/css"),
    ("/page.js", "page.js", "text/javascript"),
    ("/drawing.js", "drawing.js", "text/javascript"),
    ("/recording.js", "recording.js", "text/javascript"),
)
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def page_routes() -> list[Route]:
    """Returns the page, its style and its scripts."""
    return [Route(path, _file(name, media_type)) for path, name, media_type in _FILES]


def _file(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    content = importlib.resources.files("jaxdl.inference.serving").joinpath(name).read_bytes()

    async def answer(request: Request) -> Response:
        return Response(content, media_type=media_type, headers=_HEADERS)

    return answer
