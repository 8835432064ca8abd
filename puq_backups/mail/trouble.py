"""Keeps what stands still, and writes the mails that tell staff when it begins and when it is over."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, select, update
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Message
from ..models import Operation, Server, Service, Storage, Trouble, now
from ..models.upsert import insert_missing
from . import events, merge_values, recipients
from .merge_values import Records

LAPSED = timedelta(days=2)
"""Trouble of operations that was not met for so long is told again when it is met again."""
KNOWN = select(Trouble.kind, Trouble.key).where(Trouble.server_id == bindparam("server"))
KINDS_OF_A_SERVICE = ("operation", "restore")
ENDED_BY = {"backup": ("operation", "slot", "removal"), "remove": ("operation", "removal")}
"""What a service met that is over once an operation of this kind works; of others KINDS_OF_A_SERVICE."""
NOT_REMOVED = Message("Backups that should be gone stay on the storage {storage}, and each run adds one: {reason}")


def note(
    session: Session, kind: str, key: str, reason: Message, *, server_id: str | None = None,
    service_id: str | None = None,
) -> Trouble:  # fmt: skip
    """Store that something stands still, or still does. Returns its row."""
    row = session.get(Trouble, (kind, key))
    if row is not None and row.seen_at < now() - LAPSED:
        session.delete(row)
        session.flush()
        row = None
    if row is None:
        insert_missing(
            session, Trouble, kind=kind, key=key, server_id=server_id, service_id=service_id, reason=reason.to_json(),
            since=now(), seen_at=now(),
        )  # fmt: skip
        row = session.get_one(Trouble, (kind, key), with_for_update=True)
    row.reason, row.seen_at = reason.to_json(), now()
    return row


def mail_key(row: Trouble) -> str:
    """The key of the mail that tells of it: one for each reason while it lasts."""
    said = hashlib.sha256(str((row.reason or {}).get("text")).encode()).hexdigest()[:16]
    return f"{row.kind} {row.key} {row.since.isoformat()} {said}"


def on_server(session: Session, context: Context, server: Server, reason: Message) -> None:
    """Tell staff of a server that cannot be read."""
    row = note(session, "server", server.id, reason, server_id=server.id)
    _mark_storages(session, "server", server_id=server.id)
    facts = {"service_server_hostname": _name(server), "reason": reason}
    events.write(session, context, "server.trouble", mail_key(row), Records(), facts)


def on_storage(session: Session, context: Context, server: Server, storage_id: str, reason: Message) -> None:
    """Tell staff of a storage with backups that does not answer."""
    row = note(session, "storage", storage_id, reason, server_id=server.id)
    _mark_storages(session, "storage", id=storage_id)
    facts = {"service_server_hostname": _name(server), "reason": reason, "finished_at": row.since}
    events.write(session, context, "storage.trouble", mail_key(row), Records(), facts)


def on_lock(session: Session, context: Context, service: Service, reason: Message) -> None:
    """Tell staff of a lock that was left behind on a VM, and remember that they know."""
    row = note(session, "lock", service.id, reason, server_id=service.server_id, service_id=service.id)
    told = recipients.staff_are_told(session, context, "lock.trouble", service)
    service.vm_lock_told_at = now() if told else None
    facts = {"reason": reason, "finished_at": row.since}
    events.write(session, context, "lock.trouble", mail_key(row), Records(service), facts)


def on_operation(
    session: Session,
    context: Context,
    operation: Operation,
    service: Service,
    reason: Message,
    *,
    of_vm: bool = False,
) -> None:
    """Tell staff of a backup or removal that waits or failed for a reason that only they can mend.

    One mail for each reason and storage, or for each service if the reason is one `of_vm` alone.
    """
    whose = service.id if of_vm else f"{service.server_id} {operation.storage}"
    same = hashlib.sha256(f"{whose} {reason.to_json()}".encode()).hexdigest()[:32]
    row = note(session, "operation", same, reason, server_id=service.server_id, service_id=service.id)
    records = merge_values.operation_records(session, operation, service)
    events.write(session, context, "operation.trouble", mail_key(row), records, {"reason": reason})


def on_operation_end(session: Session, context: Context, operation: Operation, service: Service) -> None:
    """Begin or end what the end of an operation shows, in the caller's transaction."""
    over(session, context, "stuck", operation.id)
    own = operation.kind in {"backup", "remove"}
    if operation.state == "done":
        if not_removed := Message.from_json(operation.data.get("not_removed")):
            # Staff may have been told of the same reason while it was waited for: it is not over.
            over_for_service(session, context, service, ("slot",))
            on_removal(session, context, operation, service, not_removed)
        else:
            over_for_service(session, context, service, ENDED_BY.get(operation.kind, KINDS_OF_A_SERVICE))
    elif operation.why is None:
        return
    elif operation.state == "refused" and events.is_problem_of(service, operation):
        on_problem(session, context, operation, service, operation.why)
    elif operation.state == "refused" and events.is_refused_slot(operation):
        on_refused_slot(session, context, operation, service, operation.why)
    elif service.restore_failed == operation.id:
        # Its mails are those of the operation itself.
        about = {"server_id": service.server_id, "service_id": service.id}
        note(session, "restore", service.id, operation.why, **about)
    elif own and (operation.state == "failed" or _needs_staff(operation, service)):
        on_operation(session, context, operation, service, operation.why)


def _needs_staff(operation: Operation, service: Service) -> bool:
    """Whether a manual backup was refused at its start for a reason without a mail of its own."""
    text = (operation.reason or {}).get("text")
    known = {events.ABORTED, (service.problem or {}).get("text")}
    manual = operation.kind == "backup" and not operation.slot_date and operation.attempts > 0
    return operation.state == "refused" and manual and text not in known


def on_problem(session: Session, context: Context, operation: Operation, service: Service, reason: Message) -> None:
    """Tell staff that the VM of a service is not the registered one; once for each problem of the service."""
    about = {"server_id": service.server_id, "service_id": service.id}
    note(session, "problem", service.id, reason, **about)
    since = service.problem_since.isoformat() if service.problem_since else ""
    records = merge_values.operation_records(session, operation, service)
    events.write(session, context, "service.problem", f"{service.id} {since}", records)


def on_refused_slot(
    session: Session, context: Context, operation: Operation, service: Service, reason: Message
) -> None:
    """Tell staff of a scheduled backup refused for a reason the client cannot change.

    One mail for each reason and storage. It is over when the service that met it last has a backup again.
    """
    same = hashlib.sha256(f"{service.server_id} {operation.storage} {reason.to_json()}".encode()).hexdigest()[:32]
    row = note(session, "slot", same, reason, server_id=service.server_id, service_id=service.id)
    row.service_id = service.id
    records = merge_values.operation_records(session, operation, service)
    events.write(session, context, "slot.refused", mail_key(row), records)


def on_removal(session: Session, context: Context, operation: Operation, service: Service, reason: Message) -> None:
    """Tell staff that a backup is made, but those it replaces are not removed: files add up beyond the quota.

    One mail for each storage. It is over when the service that met it last has a removal, or a backup after which
    nothing is left to remove.
    """
    same = hashlib.sha256(f"{service.server_id} {operation.storage}".encode()).hexdigest()[:32]
    said = Message(NOT_REMOVED.text, storage=operation.storage, reason=reason)
    row = note(session, "removal", same, said, server_id=service.server_id, service_id=service.id)
    row.service_id = service.id
    records = merge_values.operation_records(session, operation, service)
    facts = {"reason": said, "finished_at": row.since}
    events.write(session, context, "removal.trouble", mail_key(row), records, facts)


def on_stuck(session: Session, context: Context, operation: Operation, service: Service) -> None:
    """Tell staff of an operation past its deadline."""
    reason = operation.why or Message("It is past its deadline.")
    note(session, "stuck", operation.id, reason, server_id=service.server_id, service_id=service.id)
    events.on_stuck(session, context, operation, service)


def known(session: Session, server_id: str) -> set[tuple[str, str]]:
    """Kind and key of what is known to stand still on a server."""
    rows = session.connection().execute(KNOWN, {"server": server_id})
    return {(kind, key) for kind, key in rows}


def over(session: Session, context: Context, kind: str, key: str) -> None:
    """Forget what stands still no more, and tell staff that it is over."""
    row = session.get(Trouble, (kind, key))
    if row is not None:
        _end(session, context, row)


def over_for_service(
    session: Session, context: Context, service: Service, kinds: tuple[str, ...] = KINDS_OF_A_SERVICE
) -> None:
    """The same for what a service met, once its own backup works, or its failed restore is settled."""
    for row in session.scalars(select(Trouble).where(Trouble.service_id == service.id, Trouble.kind.in_(kinds))):
        _end(session, context, row)


def _end(session: Session, context: Context, row: Trouble) -> None:
    service = session.get(Service, row.service_id) if row.service_id else None
    server = session.get(Server, row.server_id) if row.server_id else None
    if row.kind == "lock" and service:
        service.vm_lock_told_at = None
    elif row.kind in {"server", "storage"}:
        session.execute(update(Storage).where(*_marked(row)).values(trouble=""))
    facts: dict[str, Any] = {"reason": Message.from_json(row.reason), "since": row.since, "finished_at": now()}
    if server:
        facts["service_server_hostname"] = _name(server)
    key = f"{row.kind} {row.key} {row.since.isoformat()}"
    events.write(session, context, "trouble.over", key, Records(service), facts)
    session.delete(row)


def _mark_storages(session: Session, trouble: str, **which: str) -> None:
    """Have the pages of services with backups there say that it does not answer."""
    session.execute(update(Storage).filter_by(**which).values(trouble=trouble))


def _marked(row: Trouble) -> tuple[ColumnElement[bool], ...]:
    mine = Storage.server_id == row.server_id if row.kind == "server" else Storage.id == row.key
    return mine, Storage.trouble == row.kind


def _name(server: Server) -> str:
    return server.hosts.split(",")[0]
