"""Values of the merge fields, and the recipient of a mail with language and time zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Message
from ..hook_registry.decorators import Email
from ..i18n import locales
from ..inventory import policy, run_decision, service_backups
from ..models import Backup, Operation, Server, Service, now
from ..rules.failure_causes import explained
from . import recipients


@dataclass(frozen=True)
class Records:
    """The rows that a mail reports on; all None for the daily summary."""

    service: Service | None = None
    operation: Operation | None = None
    backup: Backup | None = None


def operation_records(session: Session, operation: Operation, service: Service) -> Records:
    """Return the rows for a mail about `operation`."""
    backup = session.get(Backup, operation.backup_id) if operation.backup_id else None
    return Records(service, operation, backup)


def latest_records(session: Session, email: Email, service: Service) -> Records:
    """Return the rows of the latest event that would have caused this mail, for a preview."""
    kind = email.event.partition(".")[0]
    ours = select(Operation).where(Operation.service_id == service.id).order_by(Operation.created_at.desc())
    operation = session.scalars(ours.where(Operation.kind == ("backup" if kind == "slot" else kind)).limit(1)).first()
    return operation_records(session, operation, service) if operation else Records(service)


def common_fields(session: Session, context: Context, records: Records) -> dict[str, Any]:
    """Return the stored values of the fields that every mail has."""
    found = {"signature": context.settings.signature, "company_name": context.settings.company_name}
    if records.service:
        found |= _service_fields(session, records.service)
    if records.operation:
        found |= _operation_fields(records.operation, records.backup)
    return to_json(found)


def _service_fields(session: Session, service: Service) -> dict[str, Any]:
    client = service.client
    server = session.get(Server, service.server_id)
    return {
        "client_id": service.client_id, "client_name": client_name(service),
        "client_first_name": client.get("firstname", ""), "client_last_name": client.get("lastname", ""),
        "client_company_name": client.get("companyname", ""), "client_email": client.get("email", ""),
        "service_id": service.id, "service_domain": service.domain,
        "service_server_hostname": server.hosts.split(",")[0] if server else "", "vm_name": service.vm_name,
        "vm_id": service.vmid, "finished_at": now(), "reason": service.problem, "warnings": [],
    }  # fmt: skip


def client_name(service: Service) -> str:
    """Return the client's full name, else the company, else the client id."""
    name = f"{service.client.get('firstname', '')} {service.client.get('lastname', '')}".strip()
    return name or service.client.get("companyname") or service.client_id


def _operation_fields(operation: Operation, backup: Backup | None) -> dict[str, Any]:
    return {
        "backup_date": backup.created_at if backup else operation.due_at,
        "backup_note": backup.note if backup else operation.note,
        "backup_size": backup.size if backup else None,
        "storage": backup.storage if backup else operation.storage,
        "operation_id": operation.id, "task_id": operation.last_task,
        "finished_at": operation.finished_at or operation.started_at or now(),
        "reason": operation.reason, "warnings": operation.warnings,
    }  # fmt: skip


def specific_fields(session: Session, context: Context, email: Email, records: Records) -> dict[str, Any]:
    """Return the stored values of the mail's specific fields; none without a service.

    The client's mails have the cause of a failure in plain words, as the page does; staff's have the text of Proxmox.
    """
    service = records.service
    if service is None:
        return {}
    known = {
        "may_reinstall": bool(service.restore_failed) and policy.reinstall_unavailable(context.host, service) is None,
        "next_run_planned": "next_run_planned" in email.own and _next_run_planned(session, context, service),
        "support_told": "support_told" in email.own
        and recipients.staff_are_told(session, context, email.event, service),
        "client_told": "client_told" in email.own
        and recipients.client_is_told(session, context, email.event, service, records.operation),
    }
    own: dict[str, Any] = {name: int(value) for name, value in known.items() if name in email.own}
    if email.to == "client" and records.operation:
        cause, _text = explained(Message.from_json(records.operation.reason), records.operation.kind)
        if cause and email.event == "backup.failed":
            own["reason"] = Message("{cause} {advice}", cause=cause.sentence, advice=cause.advice)
        elif cause:
            # What to do next is in the mail itself.
            own["reason"] = cause.sentence
    found = {**own, **email.fields(service=service, operation=records.operation, backup=records.backup)}
    if email.event == "service.terminated":
        ended = service.terminated_at or now()
        kept = {
            "removal_date": ended + context.settings.termination_grace,
            "backup_count": count_backups(session, service),
        }
        found = {**kept, **found}
    return to_json(found)


def _next_run_planned(session: Session, context: Context, service: Service) -> bool:
    """Whether the next scheduled run makes a backup, by the decision that the run itself takes."""
    if service.next_run_at is None:
        return False
    inventory = service_backups.load_inventory(session, service)
    return run_decision.decide_run(context.settings, inventory, service.next_run_date).outcome == "runs"


def count_backups(session: Session, service: Service) -> int:
    """Return how many backups of the service have not been removed."""
    rows = select(func.count()).where(Backup.service_id == service.id, Backup.removed_at.is_(None))
    return session.scalar(rows) or 0


def to_json(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Convert field values for storage: times to ISO 8601, messages to text and values."""
    return {name: _value_to_json(value) for name, value in fields.items()}


def _value_to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Message):
        return value.to_json()
    if isinstance(value, (list, tuple)):
        return [_value_to_json(one) for one in value]
    return to_json(value) if isinstance(value, dict) else value


def recipient_locale(context: Context, email: Email, service: Service | None) -> tuple[str, str]:
    """Return locale and time zone of the mail's recipient."""
    if email.to == "staff" or service is None:
        return "en", context.settings.timezone
    return client_locale(context, service)


def client_locale(context: Context, service: Service) -> tuple[str, str]:
    """Return locale and time zone of the service's client."""
    zone = service.client.get("timezone") or service.schedule.get("timezone") or context.settings.timezone
    return locales.tag(service.client.get("language"))[:16], str(zone)[:64]
