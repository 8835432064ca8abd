"""Writes mails into the outbox, in the transaction of the change they report, each once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Message
from ..hook_registry.decorators import Email
from ..i18n.translator import N_
from ..models import Mail, Operation, Service, SetAside, now
from ..models.upsert import insert_missing
from ..rules.run_decision import ALL_KEPT
from . import merge_values, recipients, templates
from .merge_values import Records

log = logging.getLogger("puq_backups.mail")
ABORTED = "{reason}"
"""Text of the reason that a `Pre…` hook gives."""
NO_ADDRESS = N_("There is no e-mail address that could be used.")


def on_operation_end(session: Session, context: Context, operation: Operation, service: Service) -> None:
    """Add the mails about the end of an operation, in the caller's transaction."""
    records = merge_values.operation_records(session, operation, service)
    event = f"{operation.kind}.{operation.state}"
    if event == "restore.failed" and operation.data.get("restored"):
        event = "restore.not_started"
    write(session, context, event, _attempt_key(operation), records)
    all_kept = operation.slot_date and (operation.reason or {}).get("text") == ALL_KEPT
    if operation.state == "refused" and all_kept and not is_problem_of(service, operation):
        write(session, context, "backup.quota_kept", _attempt_key(operation), records)


def _attempt_key(operation: Operation) -> str:
    return f"{operation.id} {operation.attempts}"


def is_problem_of(service: Service, operation: Operation) -> bool:
    """Whether an operation was refused because the VM of its service is not the registered one."""
    return bool(service.problem) and (operation.reason or {}).get("text") == (service.problem or {}).get("text")


def is_refused_slot(operation: Operation) -> bool:
    """Whether a scheduled backup was refused at its start, for a reason that the client cannot change."""
    return bool(operation.slot_date and operation.attempts) and (operation.reason or {}).get("text") != ALL_KEPT


def on_stuck(session: Session, context: Context, operation: Operation, service: Service) -> None:
    """Add the mail to staff about an operation past its deadline."""
    records = merge_values.operation_records(session, operation, service)
    write(session, context, "operation.stuck", _attempt_key(operation), records)


def on_unprotected(session: Session, context: Context, service: Service) -> None:
    """Write the mail that tells staff of a service that its backups do not protect; once until that is over."""
    write(session, context, "service.unprotected", _of_protection(service), Records(service))


def on_protected_again(session: Session, context: Context, service: Service) -> None:
    """Write the mail that tells staff that a service they know as unprotected is so no more."""
    write(session, context, "service.protected", _of_protection(service), Records(service))


def _of_protection(service: Service) -> str:
    told_at = service.unprotected_told_at
    return f"{service.id} {told_at.isoformat() if told_at else ''}"


def on_termination(session: Session, context: Context, service: Service) -> None:
    """Add the mail to the client about how long the backups are kept; one per termination."""
    if service.terminated_at and merge_values.count_backups(session, service):
        key = f"{service.id} {service.terminated_at.isoformat()}"
        write(session, context, "service.terminated", key, Records(service))


def on_set_aside(session: Session, context: Context, row: SetAside, service: Service | None) -> None:
    """Add the mail to staff about a row that cannot be processed; one until it is processed again."""
    said = Message("{work} {key}: {reason}", work=row.work, key=row.key, reason=Message.from_json(row.reason))
    key = f"{row.work} {row.key} {row.since.isoformat()}"
    try:
        with session.begin_nested():
            write(session, context, "row.set_aside", key, Records(service), {"reason": said, "finished_at": now()})
    except LookupError:
        # The service itself cannot be read: the mail goes without it.
        write(session, context, "row.set_aside", key, Records(), {"reason": said, "finished_at": now()})


def on_day_end(session: Session, context: Context, facts: Mapping[str, Any]) -> None:
    """Add the daily summary for staff; one per UTC day."""
    write(session, context, "day.ended", now().date().isoformat(), Records(), facts)


def write(
    session: Session, context: Context, event: str, key: str, records: Records, facts: Mapping[str, Any] | None = None
) -> None:
    """Add the mails declared for an event to the outbox; each once for its `key`."""
    for email in context.hooks.emails:
        if email.event != event or recipients.is_unwanted(email, records.service, records.operation):
            continue
        if templates.is_disabled(session, email.name):
            log.info("the mail %s (%s) is disabled", email.name, key)
        elif email.to == "client" or context.settings.staff_email:
            _add_to_outbox(session, context, email, f"{email.name} {key}", records, facts or {})


def _add_to_outbox(
    session: Session, context: Context, email: Email, event: str, records: Records, facts: Mapping[str, Any]
) -> None:
    if session.scalar(select(Mail.id).where(Mail.event == event)):
        return
    locale, zone = merge_values.recipient_locale(context, email, records.service)
    fields = {
        **merge_values.common_fields(session, context, records),
        **_specific_fields(session, context, email, records, facts),
    }
    if email.to == "client":
        fields |= _without_paths(fields)
    to = recipients.recipient(context, email, records.service)
    insert_missing(
        session, Mail, event=event, service_id=records.service.id if records.service else None, name=email.name,
        folder=email.folder, recipient=to, locale=locale,
        timezone=zone, fields=fields, state="waiting" if to else "failed", attempts=0, error="" if to else NO_ADDRESS,
        created_at=now(), wake_at=now(),
    )  # fmt: skip


def _without_paths(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reason and the warnings without directories of the provider's servers."""
    reason = Message.from_json(fields.get("reason"))
    warnings = (Message.from_json(warning) for warning in fields.get("warnings") or [])
    return {
        "reason": reason.without_paths().to_json() if reason else fields.get("reason"),
        "warnings": [warning.without_paths().to_json() for warning in warnings if warning],
    }


def _specific_fields(
    session: Session, context: Context, email: Email, records: Records, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the mail's specific fields; none if the host's function fails, so that the operation can still end."""
    try:
        return {**merge_values.specific_fields(session, context, email, records), **merge_values.to_json(facts)}
    except Exception:
        log.exception("the merge fields of the mail %s could not be read", email.name)
        return {}
