"""A finished run over HTTP: requests of many clients are predicted together; with a page to try the model on.

Needs the packages of the extra ``serve``: starlette, uvicorn, httptools, orjson and prometheus_client.
"""

from __future__ import annotations

from jaxdl.inference.serving.limits import Limits
from jaxdl.inference.serving.server import serve, serving_app

__all__ = ["Limits", "serve", "serving_app"]
