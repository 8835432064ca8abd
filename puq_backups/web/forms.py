"""What all pages with forms share: the token, what came of a form, and the message after it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from flask import current_app, flash, get_flashed_messages, request
from flask_wtf.csrf import ValidationError, generate_csrf, validate_csrf

from ..errors import BackupsError, BadInput, Message

log = logging.getLogger("puq_backups.web")
FLASH = "puq_backups"


class Token(str):
    """The CSRF token for our own templates, which a host's base template may still call as Flask-WTF has it."""

    __slots__ = ()

    def __call__(self) -> str:
        return str(self)


def token() -> Token:
    """The token that each form of this browser's session must carry."""
    return Token(generate_csrf())


def wrong_token() -> BadInput | None:
    """What is wrong with the form's token, checked even where the host forgot CSRFProtect."""
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


def tried(work: Callable[[], object]) -> BackupsError | None:
    """What came in the way of what a form asked for; a fault of ours goes to the log, not onto the page."""
    try:
        work()
    except BackupsError as error:
        return error
    except Exception:
        log.exception("a form failed: %s", request.endpoint)
        return BackupsError("Something went wrong on our side; the provider's staff can see it in the log.")
    return None


def say(text: str) -> None:
    """Have the next page say that it was done."""
    flash(text, FLASH)


def said() -> Message | None:
    """What the last form has to say, once."""
    text = next(iter(get_flashed_messages(category_filter=[FLASH])), None)
    return Message(str(text)) if text else None
