"""Exceptions and messages. A Message keeps text and values apart, so that it can be stored and translated later."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

SERVER_PATH = re.compile(r"(?<![\w./])/(?!(?:vms|storage|nodes|access|pool|sdn|mapping)\b)(?:[^\s/'\":,;()]+/)+")
"""The directory of a file on a server. Paths of Proxmox's access control are kept."""


@dataclass(frozen=True, init=False)
class Message:
    """A sentence for people: `text` is the English msgid with {named} placeholders, `values` fills them."""

    text: str
    values: dict[str, Any] = field(default_factory=dict)

    def __init__(self, text: str, stored: dict[str, Any] | None = None, /, **values: Any) -> None:
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "values", {**(stored or {}), **values})

    def __str__(self) -> str:
        try:
            return self.text.format_map(self.values) if self.values else self.text
        except (LookupError, ValueError, AttributeError):
            return self.text

    def without_paths(self) -> Message:
        """Return the message for a client: files on the provider's servers are named without their directory."""
        return Message(self.text, {key: _without_paths(value) for key, value in self.values.items()})

    def to_json(self) -> dict[str, Any]:
        """Return the message as JSON. Numbers, datetimes and messages keep their type; other values become text."""
        return {"text": self.text, "values": {key: _to_json(value) for key, value in self.values.items()}}

    @classmethod
    def from_json(cls, stored: dict[str, Any] | None) -> Message | None:
        """Return the message stored by `to_json`, None for an empty value, UNREADABLE for a damaged one."""
        if not stored:
            return None
        try:
            return cls(str(stored["text"]), {key: _from_json(value) for key, value in stored["values"].items()})
        except (LookupError, TypeError, ValueError, AttributeError):
            return UNREADABLE


UNREADABLE = Message("The stored reason cannot be read.")


def _without_paths(value: Any) -> Any:
    if isinstance(value, Message):
        return value.without_paths()
    if isinstance(value, int | float | datetime):
        return value
    return SERVER_PATH.sub("", str(value))


def _to_json(value: Any) -> Any:
    if isinstance(value, Message):
        return value.to_json()
    if isinstance(value, datetime):
        return {"moment": value.isoformat()}
    return value if isinstance(value, int | float) else str(value)


def _from_json(stored: Any) -> Any:
    if isinstance(stored, dict):
        return datetime.fromisoformat(stored["moment"]) if "moment" in stored else Message.from_json(stored)
    return stored


class BackupsError(Exception):
    """Base class of all errors raised by puq-backups. `message` can be translated; `str()` is the English text."""

    status = 500

    def __init__(self, text: str = "", **values: Any) -> None:
        self.message = Message(text or (self.__doc__ or "").strip(), values)
        super().__init__(str(self.message))


class SettingError(BackupsError):
    """A setting cannot be used; the text names it."""


class HookError(BackupsError):
    """A hook cannot be registered; the text names it."""


class Refused(BackupsError):
    """What was asked cannot be done now; the text says why and what would help."""

    status = 409


class BadInput(Refused):
    """What was sent cannot be used; `field` names the form field or parameter."""

    status = 400

    def __init__(self, field: str, text: str, **values: Any) -> None:
        super().__init__(text, **values)
        self.field = field


class NotAllowed(Refused):
    """Your account does not have the right to do this."""

    status = 403


class NotSignedIn(Refused):
    """Nobody is signed in."""

    status = 404


class TooManyRequests(Refused):
    """Too many requests in a short time; `retry_after` is in seconds."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__("That was too often. Try again in {seconds} seconds.", seconds=retry_after)
        self.retry_after = retry_after


class NotFound(Refused):
    """There is nothing here."""

    status = 404


class ProxmoxError(BackupsError):
    """Proxmox did not do what was asked."""

    # `http_status` is the answer's code (None without an answer), `errors` its per-parameter errors, `call` the
    # method and path that was asked. The text is Proxmox's own reason.
    retryable = False

    def __init__(
        self,
        text: str = "",
        *,
        http_status: int | None = None,
        errors: dict[str, str] | None = None,
        call: str = "",
    ) -> None:
        super().__init__("{proxmox}", proxmox=text) if text else super().__init__()
        self.http_status = http_status
        self.errors = errors or {}
        self.call = call


class ProxmoxRefused(ProxmoxError):
    """Proxmox refused: nothing was started."""


class ProxmoxBusy(ProxmoxRefused):
    """Proxmox is busy with this VM or storage: nothing was started, later it may be."""

    retryable = True


class ProxmoxDenied(ProxmoxRefused):
    """The token was refused, or lacks a privilege: nothing was started."""


class StorageMissing(ProxmoxRefused):
    """The storage is not available on that node."""


class VmMissing(ProxmoxRefused):
    """The VM's configuration is not on that node: it moved or is gone."""


class NotStarted(ProxmoxRefused):
    """Proxmox answered without starting anything: the VM is on another node."""


class ProxmoxUnreachable(ProxmoxError):
    """Proxmox cannot be reached: nothing was sent, or the node is offline (595)."""

    retryable = True


class UnknownOutcome(ProxmoxError):
    """The answer never came (596, 597, 599, read timeout, cut connection): it may or may not have been done."""
