"""Downloads original archives from a server, with time limits if it does not answer."""

from __future__ import annotations

import hashlib
import math
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from jaxdl.data.source import Notify
from jaxdl.data.tfds.archives import Archive
from jaxdl.errors import UserError

_T = TypeVar("_T")
_MIB = 2**20
_CHUNK_BYTES = 2**16
_SECONDS_BETWEEN_REPORTS = 2.0


@dataclass(frozen=True)
class Limits:
    """How long to wait for a server.

    Attributes:
        address_seconds: for a connection to one of the host's addresses.
        connect_seconds: in all, for looking up its name and connecting to any of its addresses.
        silent_seconds: for an answer, and for each next part of it.
    """

    address_seconds: float = 2.5
    connect_seconds: float = 5.0
    silent_seconds: float = 15.0


class Unreachable(Exception):
    """A server did not send a file, and the user made no mistake; the message says why."""


def url_of(archive: Archive, mirror: str) -> str:
    """Returns where to fetch an archive: its registered URL, or the file of that name below `mirror` when given."""
    return f"{mirror.rstrip('/')}/{archive.file}" if mirror else archive.url


def download(
    archives: Sequence[Archive], folder: Path, *, mirror: str = "", notify: Notify = print, limits: Limits | None = None
) -> None:
    """Fetches archives into an existing folder, each under its own name, and verifies their sizes and sha256.

    Proxies are taken from the environment. There are no retries.

    Args:
        archives: what to fetch.
        folder: where to store them; incomplete files may remain in it when an error is raised.
        mirror: base URL to use instead of the registered URLs.
        notify: called with progress messages.
        limits: how long to wait for a server.

    Raises:
        Unreachable: a server cannot be reached, is silent, or refuses.
        UserError: a server sent something other than the original.
    """
    limits = limits or Limits()
    progress = _Progress(sum(archive.size for archive in archives), notify)
    for archive in archives:
        url = url_of(archive, mirror)
        reach(url, limits)
        digest = hashlib.sha256()
        received = 0
        with (folder / archive.file).open("wb") as file:
            for chunk in _stream(url, limits):
                file.write(chunk)
                digest.update(chunk)
                received += len(chunk)
                progress.add(len(chunk), archive.file)
                if received > archive.size:
                    break
        _verify(url, archive, received, digest.hexdigest())


def _verify(url: str, archive: Archive, received: int, digest: str) -> None:
    if received < archive.size:
        problem = f"sent only {received:,} of the {archive.size:,} bytes of {archive.file}"
    elif received > archive.size:
        problem = f"sent more than the {archive.size:,} bytes of {archive.file}"
    elif digest != archive.sha256:
        problem = f"sent another {archive.file} than the original: sha256 {digest} instead of {archive.sha256}"
    else:
        return
    raise UserError(f"{url} {problem}. Nothing was kept: try again, or name another server with --data.mirror=URL.")


def reach(url: str, limits: Limits) -> None:
    """Checks that the host of `url`, or of its proxy, accepts connections.

    An HTTP client limits the time for each address of a host, but not for looking up its name, which can take minutes
    without a network. Here the total time is limited.

    Raises:
        Unreachable: the host has no known address, none accepts a connection, or it took too long.
    """
    host, port = _peer(url)

    def connect() -> None:
        socket.create_connection((host, port), limits.address_seconds).close()

    try:
        _within(limits.connect_seconds, connect)
    except (OSError, UnicodeError) as problem:  # a timeout is an OSError too
        raise Unreachable(f"no connection to {host} ({getattr(problem, 'strerror', None) or problem})") from problem


def _peer(url: str) -> tuple[str, int]:
    """Returns the host and port to connect to first: those of the environment's proxy, or of the URL."""
    from requests.utils import get_environ_proxies, prepend_scheme_if_needed, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url))
    parts = urlsplit(prepend_scheme_if_needed(proxy, "http") if proxy else url)
    return parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme, 1080)


def _stream(url: str, limits: Limits) -> Iterator[bytes]:
    """Yields the bytes of an answer as they were sent; ends early if the connection does.

    Raises:
        Unreachable: no answer, an error as the answer, or silence in the middle of it.
    """
    import requests
    from urllib3 import exceptions

    def get() -> Any:
        # Archives are compressed files: the server must not compress them again, and the client must not unpack them.
        headers = {"Accept-Encoding": "identity"}
        timeouts = (limits.address_seconds, limits.silent_seconds)
        return requests.get(url, stream=True, headers=headers, timeout=timeouts)

    host = urlsplit(url).hostname
    try:
        response = _within(limits.silent_seconds + limits.address_seconds, get)
    except (requests.ReadTimeout, TimeoutError) as problem:
        raise Unreachable(f"{host} is silent: no answer within {limits.silent_seconds:g} s") from problem
    except requests.RequestException as problem:
        raise Unreachable(f"no answer from {host} ({_innermost(problem)})") from problem
    with response:
        if response.status_code != requests.codes.ok:
            raise Unreachable(f"{url} answered {response.status_code} {response.reason}")
        try:
            yield from response.raw.stream(_CHUNK_BYTES, decode_content=False)
        except exceptions.ReadTimeoutError as problem:
            raise Unreachable(f"{host} fell silent for {limits.silent_seconds:g} s in the middle of {url}") from problem
        except (exceptions.ProtocolError, exceptions.SSLError):
            return  # the connection ended before the announced number of bytes; the caller counts them


def _innermost(problem: BaseException) -> BaseException:
    """Returns the first cause inside the exceptions that HTTP libraries wrap around each other."""
    inner = getattr(problem, "reason", None) or next(iter(problem.args), None)
    return _innermost(inner) if isinstance(inner, BaseException) else problem


def _within(seconds: float, function: Callable[[], _T]) -> _T:
    """Returns what `function` returns, or raises what it raises; waits at most the given seconds.

    Name resolution cannot be interrupted, so the function runs in a thread that does not keep the process alive.

    Raises:
        TimeoutError: it took longer.
    """
    outcome: queue.SimpleQueue[tuple[_T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcome.put((function(), None))
        except BaseException as problem:  # raised again below, in the waiting thread
            outcome.put((None, problem))

    threading.Thread(target=run, daemon=True).start()
    try:
        value, problem = outcome.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError("timed out") from None
    if problem is not None:
        raise problem
    return value  # type: ignore[return-value]


class _Progress:
    """Reports how much of a download is done: at the start, every few seconds, and at the end."""

    def __init__(self, total: int, notify: Notify):
        self._total, self._notify = total, notify
        self._done, self._reported = 0, -math.inf

    def add(self, count: int, file: str) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._reported >= _SECONDS_BETWEEN_REPORTS or self._done == self._total:
            self._reported = now
            self._notify(f"Downloading: {self._done / _MIB:.1f} of {self._total / _MIB:.1f} MiB ({file})")
