"""Helpers for pages with forms: CSRF token, error handling and the message shown after a redirect."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from flask import current_app, flash, get_flashed_messages, request
from flask_wtf.csrf import ValidationError, generate_csrf, validate_csrf

from ..errors import BackupsError, BadInput, Message, TooManyRequests
from . import security

log = logging.getLogger("puq_backups.web")
FLASH = "puq_backups"


class CsrfToken(str):
    """A CSRF token that is a string and callable: a host's base template may use `csrf_token()` as in Flask-WTF."""

    __slots__ = ()

    def __call__(self) -> str:
        return str(self)


def csrf_token() -> CsrfToken:
    """Return the CSRF token of this browser session."""
    return CsrfToken(generate_csrf())


def csrf_error() -> BadInput | None:
    """Return BadInput if the request's CSRF token is missing or wrong, or if another site sent the form, else None.

    Works without CSRFProtect.
    """
    if security.comes_from_elsewhere():
        return BadInput("csrf_token", "Another site sent this form. Nothing was done.")
    if current_app.testing and not current_app.config.get("WTF_CSRF_ENABLED", True):
        return None
    try:
        validate_csrf(request.form.get("csrf_token") or request.headers.get("X-CSRFToken"))
    except ValidationError:
        return BadInput(
            "csrf_token",
            "The form had expired or did not come from this page (csrf_token). Nothing was done; try again.",
        )
    return None


def catch_error(work: Callable[[], object]) -> BackupsError | None:
    """Call `work` and return its error, or None. An unexpected exception is logged and becomes a general error."""
    try:
        work()
    except BackupsError as error:
        return error
    except Exception:
        log.exception("a form failed: %s", request.endpoint)
        return BackupsError("Something went wrong on our side; the provider's staff can see it in the log.")
    return None


def is_csrf_error(error: BackupsError | None) -> bool:
    """Return whether it is the error of a form without a valid token."""
    return isinstance(error, BadInput) and error.field == "csrf_token"


def shown_error(error: BackupsError | None) -> dict[str, Any]:
    """Return `errors`, by the field that is wrong, and `refusal`, a reason that belongs to no field, or None."""
    if isinstance(error, BadInput) and not is_csrf_error(error):
        return {"errors": {error.field: error.message}, "refusal": None}
    return {"errors": {}, "refusal": error.message if error else None}


def retry_after(error: BackupsError | None) -> dict[str, str]:
    """Return the Retry-After header of an answer with this error."""
    return {"Retry-After": str(error.retry_after)} if isinstance(error, TooManyRequests) else {}


def set_message(text: str) -> None:
    """Store a message that the next page shows."""
    flash(text, FLASH)


def take_message() -> Message | None:
    """Return the stored message once, or None."""
    text = next(iter(get_flashed_messages(category_filter=[FLASH])), None)
    return Message(str(text)) if text else None
