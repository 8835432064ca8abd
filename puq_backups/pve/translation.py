"""What requests and proxmoxer raise, said once in our own errors."""

from __future__ import annotations

import re
import ssl
from typing import Any

import requests
import urllib3
from proxmoxer import ResourceException

from ..errors import (
    Message,
    ProxmoxBusy,
    ProxmoxDenied,
    ProxmoxError,
    ProxmoxRefused,
    ProxmoxUnreachable,
    UnknownOutcome,
    VmMissing,
)
from .transport import NotProxmox, Refusal

TROUBLES = (requests.RequestException, urllib3.exceptions.HTTPError, ResourceException, NotProxmox, OSError)
"""Everything that a request to Proxmox may end with."""

UNKNOWN = {502, 503, 504, 596, 597, 598, 599}
PASSING = {502, 503, 504, 596}
BUSY = re.compile(
    r"VM is locked \(|can't lock file '.*got timeout|got lock request timeout|-locked command timed out"
    r"|no quorum|another backup is already running|possibly running or in use"
    r"|checksum mismatch \(file change|detected modified configuration"
)
MISSING = re.compile(r"Configuration file '[^']*' does not exist")


def is_busy(text: str) -> bool:
    """Whether a reason of Proxmox speaks of a lock: nothing was done, and later it may be."""
    return bool(BUSY.search(text))


def not_sent(trouble: BaseException) -> bool:
    """Whether the request certainly never left us, so that another host may be tried."""
    if isinstance(trouble, requests.ConnectTimeout) or _certificate_refused(trouble):
        return True
    kinds = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.NameResolutionError)
    return any(isinstance(cause, kinds) for cause in _causes(trouble))


def passing(trouble: BaseException) -> bool:
    """Whether asking the same once more may well succeed."""
    if isinstance(trouble, ResourceException):
        return int(trouble.status_code) in PASSING
    cut = isinstance(trouble, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError))
    return cut and not isinstance(trouble, requests.Timeout) and not not_sent(trouble)


def translate(trouble: BaseException, method: str, path: str, host: str, *, pinned: bool) -> ProxmoxError:
    """Our error for what a request to `host` ended with. `pinned`: a fingerprint was given."""
    call = f"{method} /{path}"
    if isinstance(trouble, ResourceException):
        return _answered(trouble, method, call)
    if _certificate_refused(trouble):
        return worded(ProxmoxUnreachable, _distrust(host, trouble, pinned=pinned), call=call)
    if not_sent(trouble):
        said = Message("Proxmox cannot be reached at {host}: {reason}.", {"host": host, "reason": _root(trouble)})
        return worded(ProxmoxUnreachable, said, call=call)
    if isinstance(trouble, NotProxmox):
        said = Message(
            "Something that is not Proxmox answered at {host}: {reason}.", {"host": host, "reason": trouble}
        )
        return worded(_lost(method), said, call=call)
    return _no_answer(method, call, _root(trouble))


def worded(kind: type[ProxmoxError], message: Message, **facts: Any) -> ProxmoxError:
    """An error that says a sentence of ours, not Proxmox's."""
    error = kind(**facts)
    error.message, error.args = message, (str(message),)
    return error


def _answered(trouble: ResourceException, method: str, call: str) -> ProxmoxError:
    status = int(trouble.status_code)
    body = trouble.errors if isinstance(trouble.errors, Refusal) else Refusal()
    text = _text(str(trouble.content or ""), body, status)
    facts: dict[str, Any] = {"http_status": status, "call": call}
    if status == 401:  # noqa: PLR2004 - HTTP's own numbers read best
        return worded(ProxmoxDenied, Message("Proxmox refused the API token: {reason}", {"reason": text}), **facts)
    if status == 595:  # noqa: PLR2004 - Proxmox's own status
        said = Message("Proxmox cannot reach the node that was asked for: {reason}.", {"reason": text})
        return worded(ProxmoxUnreachable, said, **facts)
    if status in UNKNOWN:
        return _no_answer(method, call, f"{status} {text}", status)
    return _refusal(status, text)(text, **facts, errors=body.errors)


def _refusal(status: int, text: str) -> type[ProxmoxRefused]:
    if status == 403:  # noqa: PLR2004 - HTTP status
        return ProxmoxDenied
    if MISSING.search(text):
        return VmMissing
    return ProxmoxBusy if BUSY.search(text) else ProxmoxRefused


def _text(reason: str, body: Refusal, status: int) -> str:
    # A proxy in between may replace the reason phrase; the body then still holds Proxmox's words.
    text = body.message or reason.strip() or f"HTTP {status}"
    if body.errors:
        return text.rstrip(".") + ": " + "; ".join(f"{name}: {said}" for name, said in body.errors.items())
    return text


def _no_answer(method: str, call: str, reason: str, status: int | None = None) -> ProxmoxError:
    text = (
        "Proxmox did not answer: {reason}."
        if method == "GET"
        else "Proxmox's answer never came, it may or may not have been done: {reason}."
    )
    return worded(_lost(method), Message(text, {"reason": reason}), http_status=status, call=call)


def _lost(method: str) -> type[ProxmoxError]:
    return ProxmoxUnreachable if method == "GET" else UnknownOutcome


def _distrust(host: str, trouble: BaseException, *, pinned: bool) -> Message:
    if pinned:
        return Message(
            "The certificate of {host} does not match the fingerprint given in serveraccesshash. Nothing was sent "
            "to it.",
            {"host": host},
        )
    return Message(
        "The certificate of {host} does not match any trusted CA or the host name ({reason}). Nothing was sent to "
        "it. Give its SHA-256 fingerprint in serveraccesshash, or the CA in PUQ_BACKUPS_CA_FILE.",
        {"host": host, "reason": _root(trouble)},
    )


def _certificate_refused(trouble: BaseException) -> bool:
    return isinstance(trouble, requests.exceptions.SSLError) and any(
        isinstance(cause, ssl.SSLCertVerificationError) or "Fingerprints did not match" in str(cause)
        for cause in _causes(trouble)
    )


def _causes(trouble: BaseException | None) -> list[BaseException]:
    """An error and those it wraps, outermost first; requests keeps them in `args` and `reason`."""
    chain: list[BaseException] = []
    while trouble is not None and trouble not in chain:
        chain.append(trouble)
        inner = [getattr(trouble, "reason", None), *trouble.args, trouble.__cause__]
        trouble = next((one for one in inner if isinstance(one, BaseException)), None)
    return chain


def _root(trouble: BaseException) -> str:
    """The innermost reason in a few words; the outer ones hold addresses of objects."""
    root = _causes(trouble)[-1]
    said = (root.strerror if isinstance(root, OSError) else "") or str(root) or type(root).__name__
    return " ".join(str(said).split()).rstrip(".")
