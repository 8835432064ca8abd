"""The client: one object a process and job, synchronous, that asks Proxmox and raises only our errors."""

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
from .translation import TROUBLES, not_sent, passing, translate
from .transport import Line, NotProxmox
from .upid import Upid

__all__ = ["Access", "Proxmox"]

log = logging.getLogger("puq_backups.pve")

PAUSES = (0.2, 0.6)
"""Seconds before a GET is repeated."""
HASTY = 5
"""Seconds within which a failure counts as quick. Slow ones are not repeated: each would block for half a minute."""


class Proxmox:
    """Speaks to one Proxmox as one token. Parts of a path come from `paths`, or are fixed words.

    `clock_offset`: seconds by which the node's clock was ahead of ours at the last answer.
    `on_call`: is told "METHOD /path" before each request.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        self.clock_offset = 0.0
        self.on_call: Callable[[str], None] | None = None
        self._hosts = list(access.hosts)
        self._lines: dict[tuple[int, str], Line] = {}

    def __repr__(self) -> str:
        return f"<Proxmox {self._hosts[0]}:{self.access.port} as {self.access.token_id}>"

    def get(self, *path: str, **params: Any) -> Any:
        """The answer's `data`. Passing trouble is tried again."""
        return self._ask("GET", path, params)

    def post(self, *path: str, **params: Any) -> Any:
        """Post once; the answer's `data`."""
        return self._ask("POST", path, params)

    def put(self, *path: str, **params: Any) -> Any:
        """Put once; the answer's `data`."""
        return self._ask("PUT", path, params)

    def delete(self, *path: str, **params: Any) -> Any:
        """Delete once; the answer's `data`."""
        return self._ask("DELETE", path, params)

    def get_dict(self, *path: str, **params: Any) -> dict[str, Any]:
        """The answer's `data`, which must be an object."""
        data = self.get(*path, **params)
        return data if isinstance(data, dict) else self._misread(path, data)

    def get_list(self, *path: str, **params: Any) -> list[dict[str, Any]]:
        """The answer's `data`, which must be a list of objects."""
        data = self.get(*path, **params)
        rows: list[dict[str, Any]] = data if isinstance(data, list) else self._misread(path, data)
        return rows if all(isinstance(row, dict) for row in rows) else self._misread(path, data)

    def post_task(self, *path: str, **params: Any) -> Upid:
        """Post what starts a task; the task. NotStarted if the answer names none."""
        return _task(self.post(*path, **params), f"POST /{'/'.join(path)}")

    def put_task(self, *path: str, **params: Any) -> Upid:
        """Put what starts a task; the task. NotStarted if the answer names none."""
        return _task(self.put(*path, **params), f"PUT /{'/'.join(path)}")

    def delete_task(self, *path: str, **params: Any) -> Upid:
        """Delete by a task; the task. NotStarted if the answer names none."""
        return _task(self.delete(*path, **params), f"DELETE /{'/'.join(path)}")

    def _ask(self, method: str, parts: tuple[str, ...], params: dict[str, Any]) -> Any:
        path, form = paths.join(parts), _form(params)
        for host in tuple(self._hosts):
            data, trouble = self._repeat(host, method, path, form)
            if trouble is None or not not_sent(trouble):
                self._hosts.sort(key=lambda other: other != host)
                break
            log.warning("%s", self._said(trouble, method, path, host))
        if trouble is None:
            return data
        # Raised here, outside any handler: the chain would lead to a request that carries the token's secret.
        raise self._said(trouble, method, path, host)

    def _repeat(self, host: str, method: str, path: str, form: dict[str, Any]) -> tuple[Any, BaseException | None]:
        started = time.monotonic()
        data, trouble = self._once(host, method, path, form)
        for pause in PAUSES if method == "GET" else ():
            if trouble is None or not passing(trouble) or time.monotonic() - started > HASTY:
                break
            time.sleep(pause)
            data, trouble = self._once(host, method, path, form)
        return data, trouble

    def _once(self, host: str, method: str, path: str, form: dict[str, Any]) -> tuple[Any, BaseException | None]:
        if self.on_call:
            self.on_call(f"{method} /{path}")
        try:
            return self._line(host).send(method, path, form), None
        except TROUBLES as trouble:
            return None, trouble

    def _line(self, host: str) -> Line:
        # A TLS connection made before a fork must not be used after it: each process has its own.
        key = (os.getpid(), host)
        if key not in self._lines:
            self._lines[key] = Line(self.access, host, self._heard)
        return self._lines[key]

    def _heard(self, response: Response) -> None:
        try:
            self.clock_offset = parsedate_to_datetime(response.headers["Date"]).timestamp() - time.time()
        except (KeyError, ValueError, OverflowError):
            return

    def _said(self, trouble: BaseException, method: str, path: str, host: str) -> ProxmoxError:
        return translate(trouble, method, path, host, pinned=bool(self.access.fingerprint))

    def _misread(self, path: tuple[str, ...], data: Any) -> Any:
        raise self._said(NotProxmox(f"unexpected {type(data).__name__}"), "GET", "/".join(path), self._hosts[0])


def _form(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters as Proxmox reads them: 1 and 0 for booleans, lists with commas; None is left out."""
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
