"""A transport without connections: requests of this process are answered by function calls."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from http.client import RemoteDisconnected
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from ..answers import ConnectionCut
from .dispatch import Answer, Backend, Request, answer


class Adapter(BaseAdapter):
    """Sends requests to a simulator in this process."""

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self._backend = backend
        self._builder = HTTPAdapter()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Answer a request. A read timeout is measured by the simulator's clock; the work goes on behind it."""
        del stream, verify, cert, proxies
        clock = self._backend.world.clock
        began = clock.now()
        try:
            made = answer(self._backend, _request(request))
        except ConnectionCut:
            gone = RemoteDisconnected("Remote end closed connection without response")
            raise requests.ConnectionError(ProtocolError("Connection aborted.", gone), request=request) from None
        limit = timeout[1] if isinstance(timeout, tuple) else timeout
        if limit is not None and clock.now() - began > limit:
            late = ReadTimeoutError(None, str(request.url), f"Read timed out. (read timeout={limit})")  # type: ignore[arg-type]  # there is no pool
            raise requests.ReadTimeout(late, request=request)
        return self._response(request, made)

    def _response(self, request: requests.PreparedRequest, made: Answer) -> requests.Response:
        raw = HTTPResponse(
            body=io.BytesIO(made.payload),
            headers=made.headers,
            status=made.status,
            reason=made.reason,
            preload_content=False,
        )
        return self._builder.build_response(request, raw)

    def close(self) -> None:
        """There is nothing to close."""


def _request(request: requests.PreparedRequest) -> Request:
    parts = urlsplit(str(request.url))
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    body = request.body or b""
    text = body.encode() if isinstance(body, str) else bytes(body)
    kind, token = request.headers.get("Content-Type", ""), request.headers.get("Authorization")
    return Request(str(request.method), target, text, str(kind), None if token is None else str(token))


@contextlib.contextmanager
def answering(backend: Backend, url: str) -> Iterator[None]:
    """Answer every request of the library requests to `url` in this process."""
    adapter, real = Adapter(backend), HTTPAdapter.send

    def send(self: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        if str(request.url).startswith(f"{url}/"):
            return adapter.send(request, *args, **options)
        return real(self, request, *args, **options)

    HTTPAdapter.send = send  # type: ignore[method-assign]  # put back below
    try:
        yield
    finally:
        HTTPAdapter.send = real  # type: ignore[method-assign]  # as it was
