"""The outbox: a mail is written with the change it tells of, so that none is lost and none is written twice."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..context import Context
from ..hook_registry.decorators import Email
from ..i18n.translator import N_
from ..inventory.policy import ALL_KEPT
from ..models import Mail, Operation, Service, new_id, now
from ..rules.package import Package
from . import merge_values, templates
from .merge_values import About

log = logging.getLogger("puq_backups.mail")
NO_ADDRESS = N_("There is no e-mail address that could be used.")


def on_end(session: Session, context: Context, operation: Operation, service: Service) -> None:
    """Write the mails that tell of an operation's end, in the caller's transaction."""
    about = merge_values.about(session, operation, service)
    _write(session, context, f"{operation.kind}.{operation.state}", _attempt(operation), about)
    if operation.state == "refused":
        _refused(session, context, operation, service)


def _attempt(operation: Operation) -> str:
    return f"{operation.id} {operation.attempts}"


def _refused(session: Session, context: Context, operation: Operation, service: Service) -> None:
    """A refusal that somebody has to do something about; what was known before it started is known to them."""
    about = merge_values.about(session, operation, service)
    reason = operation.reason or {}
    if service.problem and reason.get("text") == service.problem["text"]:
        # Once for each trouble, however many operations meet it.
        since = service.problem_since.isoformat() if service.problem_since else ""
        _write(session, context, "service.problem", f"{service.id} {since}", about)
    elif operation.slot_date and reason.get("text") == ALL_KEPT:
        _write(session, context, "backup.quota_kept", _attempt(operation), about)
    elif operation.slot_date and operation.attempts:
        # All services of a storage meet its retention: one mail a day for all.
        same = hashlib.sha256(f"{service.server_id} {operation.storage} {reason}".encode()).hexdigest()[:24]
        _write(session, context, "slot.refused", f"{same} {operation.slot_date}", about)


def on_stuck(session: Session, context: Context, operation: Operation, service: Service) -> None:
    """Write the mail that tells staff of an operation past its deadline."""
    about = merge_values.about(session, operation, service)
    _write(session, context, "operation.stuck", _attempt(operation), about)


def on_termination(session: Session, context: Context, service: Service) -> None:
    """Write the mail that tells the client until when the backups are kept; once for each termination."""
    if service.terminated_at and merge_values.held(session, service):
        told = f"{service.id} {service.terminated_at.isoformat()}"
        _write(session, context, "service.terminated", told, About(service))


def on_day(session: Session, context: Context, facts: Mapping[str, Any]) -> None:
    """Write the daily summary for staff; one for each UTC day."""
    _write(session, context, "day.ended", now().date().isoformat(), About(), facts)


def _write(
    session: Session, context: Context, event: str, told: str, about: About, facts: Mapping[str, Any] | None = None
) -> None:
    for email in context.hooks.emails:
        if email.event != event or _switched_off(email, about.service):
            continue
        if templates.is_disabled(session, email.name):
            log.info("the mail %s (%s) is disabled", email.name, told)
        elif email.to == "client" or context.settings.staff_email:
            _store(session, context, email, f"{email.name} {told}", about, facts or {})


def _switched_off(email: Email, service: Service | None) -> bool:
    chosen = Package.from_json(service.package).email_restored if service else ""
    return email.folder == "backup_restored" and chosen.lower() in {"none", "off", "no", "0"}


def _store(
    session: Session, context: Context, email: Email, event: str, about: About, facts: Mapping[str, Any]
) -> None:
    if session.scalar(select(Mail.id).where(Mail.event == event)):
        return
    locale, zone = merge_values.reader(context, email, about.service)
    fields = {**merge_values.common(session, context, about), **_own(session, context, email, about, facts)}
    mail = Mail(
        id=new_id(), event=event, service_id=about.service.id if about.service else None, name=email.name,
        folder=email.folder, recipient=merge_values.address_of(context, email, about.service), locale=locale,
        timezone=zone, fields=fields, state="waiting", attempts=0, error="", created_at=now(), wake_at=now(),
    )  # fmt: skip
    if not mail.recipient:
        mail.state, mail.error = "failed", NO_ADDRESS
    session.add(mail)


def _own(session: Session, context: Context, email: Email, about: About, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The mail's own fields. They may be the host's: its trouble must not keep an operation from ending."""
    try:
        return {**merge_values.own(session, context, email, about), **merge_values.stored(facts)}
    except Exception:
        log.exception("the merge fields of the mail %s could not be found", email.name)
        return {}
