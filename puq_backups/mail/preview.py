"""Previews a mail template with a service's data and sends test mails."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from ..context import Context
from ..errors import BadInput
from ..hook_registry.decorators import Email
from ..host import Actor
from ..models import EmailTemplate, Mail, Service, is_valid_id, new_id, now
from ..models.audit_log import audit
from . import compose, merge_fields, merge_values, recipients, template_editing, templates
from .templates import RenderedEmail

NO_LOCALE = "und"
"""Locale of a test of the master template: no translation matches it."""


def preview(context: Context, email: Email, version: EmailTemplate, service_id: str) -> RenderedEmail:
    """Render a version of a mail template, with the data of a service or with samples (`service_id` "").

    Raises BadInput naming the part that fails, or the service.
    """
    with context.database.open() as session:
        stored, locale, zone = _fields(session, context, email, service_id, version.locale)
    translator = context.translator(locale, zone)
    labels = {name: f"[{label}]" for name, label in template_editing.hook_fields(context, email).items()}
    said = {**labels, **merge_fields.localize(stored, translator), **compose.host_fields(context, service_id)}
    if not template_editing.is_changed(version):
        return templates.render_shipped(email.folder, said, translator)
    return templates.render_custom(email.folder, version, said, translator)


def _fields(
    session: Session, context: Context, email: Email, service_id: str, locale: str
) -> tuple[dict[str, Any], str, str]:
    """Return the stored fields of the mail, and the locale and time zone of its recipient."""
    samples = merge_fields.samples(email.own)
    if not service_id:
        return samples, locale or "en", context.settings.timezone
    service = session.get(Service, service_id) if is_valid_id(service_id) else None
    if service is None:
        raise BadInput("service_id", "There is no service {service}.", service=service_id[:64])
    records = merge_values.latest_records(session, email, service)
    found = merge_values.common_fields(session, context, records) | merge_values.specific_fields(
        session, context, email, records
    )
    if records.operation is None:
        # No such event yet: samples stand in for the missing values.
        found = {name: value for name, value in found.items() if value}
    own_locale, zone = merge_values.recipient_locale(context, email, service)
    return {**samples, **found}, locale or own_locale, zone


def send_test(context: Context, email: Email, locale: str, service_id: str, to: str, actor: Actor) -> None:
    """Add a test mail of the saved template to the outbox. Raises BadInput naming the wrong form field."""
    recipient = recipients.valid_address(to)
    if not recipient:
        raise BadInput("to", "This is not an address that a mail could be sent to.")
    with context.database.begin() as session:
        stored, _, zone = _fields(session, context, email, service_id, locale)
        session.add(
            Mail(
                id=new_id(), event=f"test {new_id()}", service_id=service_id or None, name=email.name,
                folder=email.folder, recipient=recipient, locale=locale or NO_LOCALE, timezone=zone, fields=stored,
                state="waiting", attempts=0, error="", created_at=now(), wake_at=now(),
            )
        )  # fmt: skip
        said = f"a test of the mail {email.name} ({locale or 'master'}) was sent to {recipient}"
        audit(session, service_id or None, None, "email", said, actor=actor.label)
