"""Connection to one Proxmox host by proxmoxer, with the certificate verified and answers parsed strictly."""

from __future__ import annotations

import json
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests
import urllib3
from proxmoxer import ProxmoxAPI
from requests import Response
from requests.adapters import HTTPAdapter
from urllib3.util import create_urllib3_context

from .access import Access

logging.getLogger("proxmoxer").setLevel(logging.WARNING)

MAX_BODY = 64 << 20
"""Largest body of an answer in bytes; a task's log of a large VM has a few MiB."""
MAX_SECONDS = 120.0
"""Longest time for the whole body of an answer."""
CHUNK = 1 << 16

IDLE_SECONDS = 4
"""Seconds after which an idle connection is not reused. Proxmox closes it after 5."""


class NotProxmox(Exception):
    """The answer does not come from Proxmox."""


@dataclass
class Refusal:
    """The body of an answer with a status of 400 or above."""

    message: str = ""
    errors: dict[str, str] = field(default_factory=dict)


class Serializer:
    """Parses answers for proxmoxer, whose own parser accepts a login page as data and drops error details."""

    def get_accept_types(self) -> str:
        """The Accept header."""
        return "application/json"

    def loads(self, response: Response) -> Any:
        """The `data` of a successful answer; raises NotProxmox if there is none."""
        try:
            body = json.loads(response.content)
        except (ValueError, RecursionError):
            raise NotProxmox(f"{response.status_code} without JSON") from None
        if not isinstance(body, dict) or "data" not in body:
            raise NotProxmox(f"{response.status_code} without data")
        return body["data"]

    def loads_errors(self, response: Response) -> Refusal:
        """The message and field errors of an answer with a status of 400 or above."""
        try:
            body = json.loads(response.content)
        except (ValueError, RecursionError):
            return Refusal()
        if not isinstance(body, dict):
            return Refusal()
        errors = body.get("errors") if isinstance(body.get("errors"), dict) else {}
        return Refusal(
            _one_line(body.get("message")), {str(key): _one_line(text) for key, text in (errors or {}).items()}
        )


def _one_line(text: Any) -> str:
    return " ".join(str(text or "").split())


class VerifyingAdapter(HTTPAdapter):
    """Trusts one certificate fingerprint, or else the CAs of the system and of requests."""

    def __init__(self, fingerprint: str | None, ca_file: str | None) -> None:
        self.trust: dict[str, Any] = {}
        if fingerprint:
            # Without an explicit context urllib3 would read the system's CAs at each connection.
            context = create_urllib3_context(cert_reqs=ssl.CERT_NONE)
            self.trust = {"assert_fingerprint": fingerprint, "ssl_context": context}
        elif not ca_file:
            self.trust = {"ssl_context": ssl.create_default_context()}
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Pass the trust settings to urllib3."""
        super().init_poolmanager(*args, **{**kwargs, **self.trust})

    def send(self, *args: Any, **kwargs: Any) -> Response:
        """Send a request and read its answer. Raises NotProxmox above MAX_BODY or MAX_SECONDS."""
        response = super().send(*args, **{**kwargs, "stream": True})
        try:
            response._content = _read_body(response)  # noqa: SLF001 - requests itself would read without a limit
        except BaseException:
            response.close()
            raise
        return response


def _read_body(response: Response) -> bytes:
    parts, size, deadline = [], 0, time.monotonic() + MAX_SECONDS
    try:
        # One read of the socket each time: a node that sends a byte now and then cannot hold the process.
        while part := response.raw.read1(CHUNK, decode_content=True):
            parts.append(part)
            size += len(part)
            if size > MAX_BODY:
                raise NotProxmox(f"an answer of more than {MAX_BODY >> 20} MiB")
            if time.monotonic() > deadline:
                raise NotProxmox(f"an answer that takes longer than {MAX_SECONDS:.0f} seconds")
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.ReadTimeout(error) from error
    except (urllib3.exceptions.ProtocolError, urllib3.exceptions.DecodeError) as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error
    return b"".join(parts)


class HostConnection:
    """The connection to one host. Not thread-safe and not usable after a fork."""

    on_response: Callable[[Response], None]
    """Called with each answer."""

    def __init__(self, access: Access, host: str) -> None:
        fingerprint = access.fingerprint_of(host)
        user, _, name = access.token_id.rpartition("!")
        make_api: Any = ProxmoxAPI
        self.api = make_api(
            host,
            port=access.port,
            user=user,
            token_name=name,
            token_value=access.secret,
            verify_ssl=False if fingerprint else access.ca_file or True,
            timeout=(access.connect_timeout, access.read_timeout),
        )
        self.session = self.api._store["session"]  # noqa: SLF001 - proxmoxer offers no other way to its session
        self.api._store["serializer"] = Serializer()  # noqa: SLF001 - nor to its reading of answers
        self.session.trust_env = False
        self.session.hooks["response"].append(lambda response, **_: _received(response, self.on_response))
        self.session.mount("https://", VerifyingAdapter(fingerprint, access.ca_file))
        self.used_at = time.monotonic()

    def send(self, method: str, path: str, form: dict[str, Any]) -> Any:
        """Send one request and return the answer's `data`; raises what requests, proxmoxer or `Serializer` raise."""
        if time.monotonic() - self.used_at > IDLE_SECONDS:
            # A request on a connection that the server is closing would have an unknown outcome.
            self.session.close()
        try:
            return getattr(self.api(path), method.lower())(**form)
        finally:
            self.used_at = time.monotonic()


def _received(response: Response, on_response: Callable[[Response], None]) -> None:
    on_response(response)
    if 300 <= response.status_code < 400:  # noqa: PLR2004 - redirections: Proxmox has none, and the token must not follow
        raise NotProxmox(f"{response.status_code} to another place")
