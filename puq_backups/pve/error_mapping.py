"""Maps exceptions of requests and proxmoxer to ProxmoxError and its subclasses."""

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
from ..i18n.translator import N_
from .transport import NotProxmox, Refusal

REQUEST_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, ResourceException, NotProxmox, OSError)
"""All exceptions that a request to Proxmox may raise."""

UNKNOWN_OUTCOME = {502, 503, 504, 596, 597, 598, 599}
TRANSIENT = {502, 503, 504, 596}
BUSY = re.compile(
    r"VM is locked \(|can't lock file '.*got timeout|got lock request timeout|-locked command timed out"
    r"|no quorum|another backup is already running|possibly running or in use"
    r"|checksum mismatch \(file change|detected modified configuration"
)
MISSING = re.compile(
    r"Configuration file '[^']*' does not exist|unable to find configuration file for VM \d+ on node"
)


def is_busy(text: str) -> bool:
    """Whether a reason names a lock: nothing was done, and a later try may succeed."""
    return bool(BUSY.search(text))


def not_sent(trouble: BaseException) -> bool:
    """Whether the request was certainly never sent, so that another host may be tried."""
    if isinstance(trouble, requests.ConnectTimeout) or _certificate_refused(trouble):
        return True
    kinds = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.NameResolutionError)
    return any(isinstance(cause, kinds) for cause in _causes(trouble))


def outcome(trouble: BaseException | None) -> str:
    """How a request ended, for statistics: ok, refused, denied, unreachable or no_answer."""
    if trouble is None:
        return "ok"
    if isinstance(trouble, ResourceException):
        status = int(trouble.status_code)
        if status in {401, 403}:
            return "denied"
        if status == 595:  # noqa: PLR2004 - Proxmox's own status
            return "unreachable"
        return "no_answer" if status in UNKNOWN_OUTCOME else "refused"
    return "unreachable" if not_sent(trouble) else "no_answer"


def is_transient(trouble: BaseException) -> bool:
    """Whether a repetition of the same request may succeed."""
    if isinstance(trouble, ResourceException):
        return int(trouble.status_code) in TRANSIENT
    cut = isinstance(trouble, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError))
    return cut and not isinstance(trouble, requests.Timeout) and not not_sent(trouble)


def translate(trouble: BaseException, method: str, path: str, host: str, *, pinned: bool) -> ProxmoxError:
    """The ProxmoxError for an exception of a request to `host`. `pinned`: a fingerprint is configured."""
    call = f"{method} /{path}"
    if isinstance(trouble, ResourceException):
        return _answered(trouble, method, call)
    if _certificate_refused(trouble):
        return with_message(ProxmoxUnreachable, _distrust(host, trouble, pinned=pinned), call=call)
    if not_sent(trouble):
        said = Message("Proxmox cannot be reached at {host}: {reason}.", {"host": host, "reason": _root(trouble)})
        return with_message(ProxmoxUnreachable, said, call=call)
    if isinstance(trouble, NotProxmox):
        said = Message(
            "Something that is not Proxmox answered at {host}: {reason}.", {"host": host, "reason": trouble}
        )
        return with_message(_no_answer_error(method), said, call=call)
    return _no_answer(method, call, _root(trouble))


def with_message(kind: type[ProxmoxError], message: Message, **facts: Any) -> ProxmoxError:
    """An error of this class with a message of ours instead of Proxmox's."""
    error = kind(**facts)
    error.message, error.args = message, (str(message),)
    return error


def _answered(trouble: ResourceException, method: str, call: str) -> ProxmoxError:
    status = int(trouble.status_code)
    body = trouble.errors if isinstance(trouble.errors, Refusal) else Refusal()
    text = _text(str(trouble.content or ""), body, status)
    facts: dict[str, Any] = {"http_status": status, "call": call}
    if status == 401:  # noqa: PLR2004 - HTTP's own numbers read best
        return with_message(
            ProxmoxDenied, Message("Proxmox refused the API token: {reason}", {"reason": text}), **facts
        )
    if status == 595:  # noqa: PLR2004 - Proxmox's own status
        said = Message("Proxmox cannot reach the node that was asked for: {reason}.", {"reason": text})
        return with_message(ProxmoxUnreachable, said, **facts)
    if status in UNKNOWN_OUTCOME:
        return _no_answer(method, call, f"{status} {text}", status)
    return _refusal(status, text)(text, **facts, errors=body.errors)


def _refusal(status: int, text: str) -> type[ProxmoxRefused]:
    if status == 403:  # noqa: PLR2004 - HTTP status
        return ProxmoxDenied
    if MISSING.search(text):
        return VmMissing
    return ProxmoxBusy if BUSY.search(text) else ProxmoxRefused


def _text(reason: str, body: Refusal, status: int) -> str:
    # A proxy may replace the reason phrase; the body still holds Proxmox's message.
    text = body.message or reason.strip() or f"HTTP {status}"
    if body.errors:
        return text.rstrip(".") + ": " + "; ".join(f"{name}: {said}" for name, said in body.errors.items())
    return text


def _no_answer(method: str, call: str, reason: str, status: int | None = None) -> ProxmoxError:
    text = (
        N_("Proxmox did not answer: {reason}.")
        if method == "GET"
        else N_("Proxmox's answer never came, it may or may not have been done: {reason}.")
    )
    return with_message(_no_answer_error(method), Message(text, {"reason": reason}), http_status=status, call=call)


def _no_answer_error(method: str) -> type[ProxmoxError]:
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
    """An exception and those it wraps, outermost first; requests keeps them in `args` and `reason`."""
    chain: list[BaseException] = []
    while trouble is not None and trouble not in chain:
        chain.append(trouble)
        inner = [getattr(trouble, "reason", None), *trouble.args, trouble.__cause__]
        trouble = next((one for one in inner if isinstance(one, BaseException)), None)
    return chain


def _root(trouble: BaseException) -> str:
    """The innermost reason; the outer ones contain object addresses."""
    root = _causes(trouble)[-1]
    said = (root.strerror if isinstance(root, OSError) else "") or str(root) or type(root).__name__
    return " ".join(str(said).split()).rstrip(".")
