"""How a call ends other than well: the HTTP answers of Proxmox VE as exceptions."""

from __future__ import annotations

from typing import Any

FORBIDDEN = 403
NOT_SERVED = 501
VERIFICATION_FAILED = "Parameter verification failed."


class Refusal(Exception):
    """An answer other than 200. `text` is the whole message; its first line is the reason phrase."""

    def __init__(self, status: int, text: str, errors: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.errors = errors

    @property
    def reason(self) -> str:
        """The reason phrase: the first line of the text."""
        return self.text.strip().split("\n")[0]

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body as pve-http-server writes it: data, message, and errors where there are some."""
        end = "" if self.status == NOT_SERVED else "\n"
        found: dict[str, Any] = {"data": None, "message": self.text.rstrip("\n") + end}
        if self.errors is not None:
            found["errors"] = self.errors
        return found

    @property
    def in_task(self) -> str:
        """The same as the exit status of a task: exceptions with a code carry it in front."""
        text = " ".join(self.text.split("\n")).strip()
        if self.errors is not None:
            return " ".join(f"{key}: {value}".strip() for key, value in self.errors.items())
        return f"403 {text}" if self.status == FORBIDDEN else text


def failed(text: str) -> Refusal:
    """What Perl's die gives: HTTP 500 with the text."""
    return Refusal(500, text)


def bad_parameters(errors: dict[str, str]) -> Refusal:
    """HTTP 400 with one text per parameter."""
    return Refusal(400, VERIFICATION_FAILED, errors)


def no_pool(name: str) -> Refusal:
    """HTTP 403 for a pool that does not exist."""
    return Refusal(FORBIDDEN, f"Permission check failed (pool '{name}' does not exist)")


def forbidden(path: str = "", *privileges: str) -> Refusal:
    """HTTP 403; several privileges mean that any of them would do. Without a path the text is bare."""
    detail = f" ({path}, {'|'.join(privileges)})" if path else ""
    return Refusal(FORBIDDEN, f"Permission check failed{detail}")


class Prepared(str):
    """An answer that is JSON already: lists of a hundred thousand items are put together as text."""

    __slots__ = ()


class Transport(Exception):
    """An answer made by the proxy in front of the API: no JSON, no body (401, 595, 596)."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class ConnectionCut(Exception):
    """The connection ends without an answer."""


class Garbage(Exception):
    """Status 200 with a page of HTML: something that is not Proxmox answers in its place."""
