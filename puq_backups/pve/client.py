"""The Proxmox client: synchronous, one object per job, raises only ProxmoxError and its subclasses."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

from requests import Response

from ..errors import NotStarted, ProxmoxError
from . import paths
from .access import Access
from .connections import ServerConnections
from .error_mapping import REQUEST_ERRORS, is_transient, not_sent, outcome, translate
from .transport import HostConnection, NotProxmox
from .upid import Upid

__all__ = ["Access", "Proxmox"]

log = logging.getLogger("puq_backups.pve")

RETRY_PAUSES = (0.2, 0.6)
"""Seconds to wait before each repetition of a GET."""
RETRY_WITHIN = 5
"""A GET that took longer than this many seconds is not repeated, because each try may block for half a minute."""


class Proxmox:
    """Client of one Proxmox server with one API token. Path parts are fixed words or come from `paths`.

    clock_offset: seconds by which the node's clock was ahead of ours at the last answer.
    connections: kept ones to use. Default None: new ones.
    observe: called after each request with its method, outcome (see `error_mapping.outcome`) and seconds.
    on_call: called with "METHOD /path" before each request. Default None.
    """

    def __init__(
        self, access: Access, connections: ServerConnections | None = None,
        observe: Callable[[str, str, float], None] | None = None,
    ) -> None:  # fmt: skip
        self.access = access
        self._observe = observe
        self.clock_offset = 0.0
        self.on_call: Callable[[str], None] | None = None
        self._connections = connections or ServerConnections.to(access)
        self._hosts = self._connections.hosts

    def __repr__(self) -> str:
        return f"<Proxmox {self._hosts[0]}:{self.access.port} as {self.access.token_id}>"

    def get(self, *path: str, **params: Any) -> Any:
        """GET; returns the answer's `data`. Transient errors are retried."""
        return self._request("GET", path, params)

    def post(self, *path: str, **params: Any) -> Any:
        """POST without retries; returns the answer's `data`."""
        return self._request("POST", path, params)

    def put(self, *path: str, **params: Any) -> Any:
        """PUT without retries; returns the answer's `data`."""
        return self._request("PUT", path, params)

    def delete(self, *path: str, **params: Any) -> Any:
        """DELETE without retries; returns the answer's `data`."""
        return self._request("DELETE", path, params)

    def get_dict(self, *path: str, **params: Any) -> dict[str, Any]:
        """GET; returns `data`, which must be an object."""
        data = self.get(*path, **params)
        return data if isinstance(data, dict) else self._unexpected(path, data)

    def get_list(self, *path: str, **params: Any) -> list[dict[str, Any]]:
        """GET; returns `data`, which must be a list of objects."""
        data = self.get(*path, **params)
        rows: list[dict[str, Any]] = data if isinstance(data, list) else self._unexpected(path, data)
        return rows if all(isinstance(row, dict) for row in rows) else self._unexpected(path, data)

    def post_task(self, *path: str, **params: Any) -> Upid:
        """POST that starts a task; returns its UPID. Raises NotStarted if the answer holds none."""
        return _task(self.post(*path, **params), f"POST /{'/'.join(path)}")

    def put_task(self, *path: str, **params: Any) -> Upid:
        """PUT that starts a task; returns its UPID. Raises NotStarted if the answer holds none."""
        return _task(self.put(*path, **params), f"PUT /{'/'.join(path)}")

    def delete_task(self, *path: str, **params: Any) -> Upid:
        """DELETE that starts a task; returns its UPID. Raises NotStarted if the answer holds none."""
        return _task(self.delete(*path, **params), f"DELETE /{'/'.join(path)}")

    def _request(self, method: str, parts: tuple[str, ...], params: dict[str, Any]) -> Any:
        path, form = paths.join(parts), _form(params)
        for host in tuple(self._hosts):
            data, trouble = self._send_with_retries(host, method, path, form)
            if trouble is None or not not_sent(trouble):
                self._hosts.sort(key=lambda other: other != host)
                break
            log.warning("%s", self._error(trouble, method, path, host))
        if trouble is None:
            return data
        # Raised outside the handler, so that the exception chain holds no request with the token's secret.
        raise self._error(trouble, method, path, host)

    def _send_with_retries(
        self, host: str, method: str, path: str, form: dict[str, Any]
    ) -> tuple[Any, BaseException | None]:
        started = time.monotonic()
        data, trouble = self._send(host, method, path, form)
        for pause in RETRY_PAUSES if method == "GET" else ():
            if trouble is None or not is_transient(trouble) or time.monotonic() - started > RETRY_WITHIN:
                break
            time.sleep(pause)
            data, trouble = self._send(host, method, path, form)
        return data, trouble

    def _send(self, host: str, method: str, path: str, form: dict[str, Any]) -> tuple[Any, BaseException | None]:
        if self.on_call:
            self.on_call(f"{method} /{path}")
        data, trouble, began = None, None, time.monotonic()
        try:
            data = self._connection(host).send(method, path, form)
        except REQUEST_ERRORS as error:
            trouble = error
        if self._observe:
            self._observe(method, outcome(trouble), time.monotonic() - began)
        return data, trouble

    def _connection(self, host: str) -> HostConnection:
        return self._connections.get(os.getpid(), host, self._note_clock)

    def _note_clock(self, response: Response) -> None:
        try:
            self.clock_offset = parsedate_to_datetime(response.headers["Date"]).timestamp() - time.time()
        except (KeyError, ValueError, OverflowError):
            return

    def _error(self, trouble: BaseException, method: str, path: str, host: str) -> ProxmoxError:
        return translate(trouble, method, path, host, pinned=bool(self.access.fingerprint))

    def _unexpected(self, path: tuple[str, ...], data: Any) -> Any:
        raise self._error(NotProxmox(f"unexpected {type(data).__name__}"), "GET", "/".join(path), self._hosts[0])


def _form(params: dict[str, Any]) -> dict[str, Any]:
    """Convert parameters for Proxmox: booleans to 1 and 0, lists to comma-separated text. None is left out."""
    form: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, bool):
            form[name] = int(value)
        elif isinstance(value, (list, tuple)):
            form[name] = ",".join(map(str, value))
        elif value is not None:
            form[name] = value
    return form


def _task(data: Any, call: str) -> Upid:
    try:
        return Upid.parse(data)
    except ValueError:
        raise NotStarted(http_status=200, call=call) from None
