"""Sends one message by SMTP. A failure is temporary, permanent (5xx) or unknown (connection lost after DATA)."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from urllib.parse import parse_qs, unquote, urlsplit

TIMEOUT = 30
PERMANENT = 500
"""SMTP codes from here on mean that trying again is of no use."""


class ServerUnreachable(Exception):
    """Connecting or logging in failed: other mails would fail too."""


class Rejected(Exception):
    """The mail server refused this mail for good; the text holds its code and words."""


class OutcomeUnknown(Exception):
    """The connection was lost after the whole message had been sent: it may have been accepted."""


class _TrackingSmtp(smtplib.SMTP):
    def data(self, msg: bytes | str) -> tuple[int, bytes]:  # type: ignore[override]  # no buffer is passed
        """Send the message. Raises OutcomeUnknown if the connection breaks after its last line was sent."""
        self._data_sent = False
        try:
            return super().data(msg)
        except smtplib.SMTPServerDisconnected as error:
            if self._data_sent:
                raise OutcomeUnknown(str(error)) from error
            raise

    def send(self, s: bytes | str) -> None:  # type: ignore[override]  # as above
        super().send(s)
        # Only the message data ends with a line that holds a single dot.
        self._data_sent = s[-5:] in (b"\r\n.\r\n", "\r\n.\r\n")


class _TrackingSmtpTls(_TrackingSmtp, smtplib.SMTP_SSL):
    pass


def try_connection(url: str) -> None:
    """Connect, log in and quit. Raises ServerUnreachable, or an smtplib error if the server refuses commands."""
    server = _connect(url)
    try:
        code, words = server.noop()
        if code >= PERMANENT:
            raise smtplib.SMTPResponseException(code, words)
    finally:
        with suppress(OSError):
            server.quit()
        server.close()


def send(url: str, email: EmailMessage) -> None:
    """Send a message through the server of `url`.

    Raises ServerUnreachable, OutcomeUnknown, Rejected, or an smtplib error if the server did not accept it for now.
    """
    server = _connect(url)
    try:
        server.send_message(email)
    except smtplib.SMTPNotSupportedError as error:
        # A local part that is not ASCII, and a server without SMTPUTF8.
        raise Rejected(str(error)) from error
    except smtplib.SMTPException as error:
        code, words = _answer(error)
        if code >= PERMANENT:
            raise Rejected(f"{code} {words}") from error
        raise
    finally:
        # The message was accepted or refused before QUIT; an error here changes nothing.
        with suppress(OSError):
            server.quit()
        server.close()


def _answer(error: smtplib.SMTPException) -> tuple[int, str]:
    """Return the code and words with which the server refused; code 0 if it gave no answer."""
    code: int = 0
    words: bytes | str = b""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        # The mail failed for good only if it did for every recipient.
        code, words = min(error.recipients.values(), key=lambda answer: answer[0], default=(0, b""))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, words = error.smtp_code, error.smtp_error
    return code, words.decode(errors="replace") if isinstance(words, bytes) else words


def _connect(url: str) -> smtplib.SMTP:
    parts = urlsplit(url)
    hostname = parts.hostname or "127.0.0.1"
    server: smtplib.SMTP
    try:
        if parts.scheme == "smtps":
            server = _TrackingSmtpTls(hostname, parts.port or 465, timeout=TIMEOUT, context=_trust())
        else:
            server = _TrackingSmtp(hostname, parts.port or 25, timeout=TIMEOUT)
        _log_in(server, url)
    except OSError as error:
        raise ServerUnreachable(f"{type(error).__name__}: {error}") from error
    return server


def _trust() -> ssl.SSLContext:
    """The system's CAs, read anew: most mails go to a server beside, without TLS."""
    return ssl.create_default_context()


def _log_in(server: smtplib.SMTP, url: str) -> None:
    parts = urlsplit(url)
    try:
        if parse_qs(parts.query).get("starttls") == ["1"]:
            server.starttls(context=_trust())
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
    except OSError:
        server.close()
        raise
