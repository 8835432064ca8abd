"""A mail seen before it goes out: a preview, and a test that is sent."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from . import composing, letters, mailfacts, mergefields, texts
from .errors import BadInput
from .hooking import Email
from .host import Actor
from .letters import Letter
from .models import EmailTemplate, Mail, Service, is_id, new_id, now
from .operations import engine
from .toolbox import Toolbox

NO_LANGUAGE = "und"
"""The tag of a reader whose language has no text of its own: the master counts."""


def preview(toolbox: Toolbox, email: Email, version: EmailTemplate, service_id: str) -> Letter:
    """The mail in this text, about a service or with samples. BadInput names the part that fails, or the service."""
    with toolbox.database.open() as session:
        stored, locale, zone = _told(session, toolbox, email, service_id, version.locale)
    translator = toolbox.translator(locale, zone)
    labels = {name: f"[{label}]" for name, label in texts.of_hooks(toolbox, email).items()}
    said = {**labels, **mergefields.read(stored, translator), **composing.of_host(toolbox, service_id)}
    if not texts.is_changed(version):
        return letters.shipped(email.folder, said, translator)
    return letters.own(email.folder, version, said, translator)


def _told(
    session: Session, toolbox: Toolbox, email: Email, service_id: str, locale: str
) -> tuple[dict[str, Any], str, str]:
    """The facts of the mail as it would keep them, and its reader's language and zone."""
    samples = mergefields.samples(email.own)
    if not service_id:
        return samples, locale or "en", toolbox.settings.timezone
    service = session.get(Service, service_id) if is_id(service_id) else None
    if service is None:
        raise BadInput("service_id", "There is no service {service}.", service=service_id[:64])
    about = mailfacts.about_latest(session, email, service)
    found = mailfacts.common(session, toolbox, about) | mailfacts.own(session, toolbox, email, about)
    if about.operation is None:
        # What never happened to this service has a sample.
        found = {name: value for name, value in found.items() if value}
    own_locale, zone = mailfacts.reader(toolbox, email, service)
    return {**samples, **found}, locale or own_locale, zone


def send_test(toolbox: Toolbox, email: Email, locale: str, service_id: str, to: str, actor: Actor) -> None:
    """Write the mail in its saved text to an address; it goes out like any other. BadInput names what is wrong."""
    recipient = mailfacts.address(to)
    if not recipient:
        raise BadInput("to", "This is not an address that a mail could be sent to.")
    with toolbox.database.begin() as session:
        stored, _, zone = _told(session, toolbox, email, service_id, locale)
        session.add(
            Mail(
                id=new_id(), event=f"test {new_id()}", service_id=service_id or None, name=email.name,
                folder=email.folder, recipient=recipient, locale=locale or NO_LANGUAGE, timezone=zone, fields=stored,
                state="waiting", attempts=0, error="", created_at=now(), wake_at=now(),
            )
        )  # fmt: skip
        said = f"a test of the mail {email.name} ({locale or 'master'}) was sent to {recipient}"
        engine.audit(session, service_id or None, None, "email", said, actor=actor.title)
