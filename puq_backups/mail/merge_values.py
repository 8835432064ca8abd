"""What a mail is about: its merge fields as it keeps them, who reads it, and where it goes."""

from __future__ import annotations

import re
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
from ..models import Backup, Operation, Server, Service, now

ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"]+@[^\s@<>()\[\]\\,;:\"]+")
LONGEST_ADDRESS = 254
"""SMTP's own limit."""


@dataclass(frozen=True)
class About:
    """What a mail is about; the daily summary is about no service."""

    service: Service | None = None
    operation: Operation | None = None
    backup: Backup | None = None


def about(session: Session, operation: Operation, service: Service) -> About:
    """What a mail of this operation is about."""
    backup = session.get(Backup, operation.backup_id) if operation.backup_id else None
    return About(service, operation, backup)


def about_latest(session: Session, email: Email, service: Service) -> About:
    """What the mail would last have been about, to show it with."""
    kind = email.event.partition(".")[0]
    ours = select(Operation).where(Operation.service_id == service.id).order_by(Operation.created_at.desc())
    operation = session.scalars(ours.where(Operation.kind == ("backup" if kind == "slot" else kind)).limit(1)).first()
    return about(session, operation, service) if operation else About(service)


def common(session: Session, context: Context, about: About) -> dict[str, Any]:
    """The merge fields that every mail has, as it keeps them."""
    found = {"signature": context.settings.signature, "company_name": context.settings.company_name}
    if about.service:
        found |= _of_service(session, about.service)
    if about.operation:
        found |= _of_operation(about.operation, about.backup)
    return stored(found)


def _of_service(session: Session, service: Service) -> dict[str, Any]:
    client = service.client
    server = session.get(Server, service.server_id)
    return {
        "client_id": service.client_id, "client_name": name_of(service),
        "client_first_name": client.get("firstname", ""), "client_last_name": client.get("lastname", ""),
        "client_company_name": client.get("companyname", ""), "client_email": client.get("email", ""),
        "service_id": service.id, "service_domain": service.domain,
        "service_server_hostname": server.hosts.split(",")[0] if server else "", "vm_name": service.vm_name,
        "vm_id": service.vmid, "finished_at": now(), "reason": service.problem, "warnings": [],
    }  # fmt: skip


def name_of(service: Service) -> str:
    """The client's name: theirs, else their company's, else their number."""
    name = f"{service.client.get('firstname', '')} {service.client.get('lastname', '')}".strip()
    return name or service.client.get("companyname") or service.client_id


def _of_operation(operation: Operation, backup: Backup | None) -> dict[str, Any]:
    return {
        "backup_date": backup.created_at if backup else operation.due_at,
        "backup_note": backup.note if backup else operation.note,
        "backup_size": backup.size if backup else None,
        "storage": backup.storage if backup else operation.storage,
        "finished_at": operation.finished_at or operation.started_at or now(),
        "reason": operation.reason, "warnings": operation.warnings,
    }  # fmt: skip


def own(session: Session, context: Context, email: Email, about: About) -> dict[str, Any]:
    """The mail's own merge fields about a service; none where it is about none."""
    service = about.service
    if service is None:
        return {}
    found = email.fields(service=service, operation=about.operation, backup=about.backup)
    if email.event == "service.terminated":
        ended = service.terminated_at or now()
        kept = {"removal_date": ended + context.settings.termination_grace, "backup_count": held(session, service)}
        found = {**kept, **found}
    return stored(found)


def held(session: Session, service: Service) -> int:
    """How many backups of the service there are."""
    rows = select(func.count()).where(Backup.service_id == service.id, Backup.removed_at.is_(None))
    return session.scalar(rows) or 0


def stored(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as a mail keeps them: moments as ISO texts, messages apart from their values."""
    return {name: _stored(value) for name, value in fields.items()}


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Message):
        return value.to_json()
    if isinstance(value, (list, tuple)):
        return [_stored(one) for one in value]
    return stored(value) if isinstance(value, dict) else value


def reader(context: Context, email: Email, service: Service | None) -> tuple[str, str]:
    """The language and zone of whoever reads the mail."""
    if email.to == "staff" or service is None:
        return "en", context.settings.timezone
    return client(context, service)


def client(context: Context, service: Service) -> tuple[str, str]:
    """The language and zone of a service's client."""
    zone = service.client.get("timezone") or service.schedule.get("timezone") or context.settings.timezone
    return locales.tag(service.client.get("language"))[:16], str(zone)[:64]


def address_of(context: Context, email: Email, service: Service | None) -> str:
    """Where the mail goes; "" where there is no address that could be used."""
    found = context.settings.staff_email if email.to == "staff" else service and service.client.get("email")
    return address(str(found or ""))


def address(text: str) -> str:
    """One address without a name, in one line, or "": nothing else may come into a header or an envelope."""
    found = text.strip()
    fine = len(found) <= LONGEST_ADDRESS and found.isprintable() and "=?" not in found and ADDRESS.fullmatch(found)
    return found if fine else ""
