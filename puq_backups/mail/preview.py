"""A mail seen before it goes out: a preview, and a test that is sent."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from ..context import Context
from ..errors import BadInput
from ..hook_registry.decorators import Email
from ..host import Actor
from ..models import EmailTemplate, Mail, Service, is_valid_id, new_id, now
from ..models.audit_log import audit
from . import compose, merge_fields, merge_values, template_editing, templates
from .templates import Letter

NO_LANGUAGE = "und"
"""The tag of a reader whose language has no text of its own: the master counts."""


def preview(context: Context, email: Email, version: EmailTemplate, service_id: str) -> Letter:
    """The mail in this text, about a service or with samples. BadInput names the part that fails, or the service."""
    with context.database.open() as session:
        stored, locale, zone = _told(session, context, email, service_id, version.locale)
    translator = context.translator(locale, zone)
    labels = {name: f"[{label}]" for name, label in template_editing.of_hooks(context, email).items()}
    said = {**labels, **merge_fields.read(stored, translator), **compose.of_host(context, service_id)}
    if not template_editing.is_changed(version):
        return templates.shipped(email.folder, said, translator)
    return templates.own(email.folder, version, said, translator)


def _told(
    session: Session, context: Context, email: Email, service_id: str, locale: str
) -> tuple[dict[str, Any], str, str]:
    """The facts of the mail as it would keep them, and its reader's language and zone."""
    samples = merge_fields.samples(email.own)
    if not service_id:
        return samples, locale or "en", context.settings.timezone
    service = session.get(Service, service_id) if is_valid_id(service_id) else None
    if service is None:
        raise BadInput("service_id", "There is no service {service}.", service=service_id[:64])
    about = merge_values.about_latest(session, email, service)
    found = merge_values.common(session, context, about) | merge_values.own(session, context, email, about)
    if about.operation is None:
        # What never happened to this service has a sample.
        found = {name: value for name, value in found.items() if value}
    own_locale, zone = merge_values.reader(context, email, service)
    return {**samples, **found}, locale or own_locale, zone


def send_test(context: Context, email: Email, locale: str, service_id: str, to: str, actor: Actor) -> None:
    """Write the mail in its saved text to an address; it goes out like any other. BadInput names what is wrong."""
    recipient = merge_values.address(to)
    if not recipient:
        raise BadInput("to", "This is not an address that a mail could be sent to.")
    with context.database.begin() as session:
        stored, _, zone = _told(session, context, email, service_id, locale)
        session.add(
            Mail(
                id=new_id(), event=f"test {new_id()}", service_id=service_id or None, name=email.name,
                folder=email.folder, recipient=recipient, locale=locale or NO_LANGUAGE, timezone=zone, fields=stored,
                state="waiting", attempts=0, error="", created_at=now(), wake_at=now(),
            )
        )  # fmt: skip
        said = f"a test of the mail {email.name} ({locale or 'master'}) was sent to {recipient}"
        audit(session, service_id or None, None, "email", said, actor=actor.label)
