"""One mail to a mail server, and what is known of it if that fails: it was not taken, or nobody can say."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from urllib.parse import parse_qs, unquote, urlsplit

TIMEOUT = 30


class NotReached(Exception):
    """No mail server answers: other mails would fare no better."""


class MaybeSent(Exception):
    """The connection was lost after the whole mail had been handed over; it may have arrived."""


class _OneChance(smtplib.SMTP):
    def data(self, msg: bytes | str) -> tuple[int, bytes]:  # type: ignore[override]  # a buffer is never handed over
        """Hand the mail over. MaybeSent where the answer to it never came: before its last line it was not taken."""
        self._handed_over = False
        try:
            return super().data(msg)
        except smtplib.SMTPServerDisconnected as error:
            if self._handed_over:
                raise MaybeSent(str(error)) from error
            raise

    def send(self, s: bytes | str) -> None:  # type: ignore[override]  # as above
        super().send(s)
        # The mail itself ends with a line that holds a dot alone; commands are shorter.
        self._handed_over = s[-5:] in (b"\r\n.\r\n", "\r\n.\r\n")


class _OneChanceTls(_OneChance, smtplib.SMTP_SSL):
    pass


def deliver(url: str, email: EmailMessage) -> None:
    """Hand the mail to the server of `url`; smtplib's errors where it was not taken, NotReached or MaybeSent."""
    server = _connected(url)
    try:
        server.send_message(email)
    finally:
        # What the server says to a goodbye changes nothing.
        with suppress(OSError):
            server.quit()
        server.close()


def _connected(url: str) -> smtplib.SMTP:
    parts = urlsplit(url)
    context = ssl.create_default_context()
    place = parts.hostname or "127.0.0.1"
    server: smtplib.SMTP
    try:
        if parts.scheme == "smtps":
            server = _OneChanceTls(place, parts.port or 465, timeout=TIMEOUT, context=context)
        else:
            server = _OneChance(place, parts.port or 25, timeout=TIMEOUT)
        _signed_in(server, url, context)
    except OSError as error:
        raise NotReached(f"{type(error).__name__}: {error}") from error
    return server


def _signed_in(server: smtplib.SMTP, url: str, context: ssl.SSLContext) -> None:
    parts = urlsplit(url)
    try:
        if parse_qs(parts.query).get("starttls") == ["1"]:
            server.starttls(context=context)
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
    except OSError:
        server.close()
        raise
