"""Wishes for a restore: the first one, and the ways on after one that failed."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from ..clock.tick import start_waiting
from ..context import Context
from ..errors import BadInput, Refused
from ..host import Actor
from ..inventory import policy, service_backups
from ..models import Backup, Operation, Service
from . import requests


def restore(
    context: Context, service_id: str, actor: Actor, backup_id: str, confirm: Any, safety_copy: Any = None
) -> str:
    """Ask for a restore, confirmed by the VM's name: the operation's id. `safety_copy` 1 keeps the present state."""
    requests.allow("restore", actor)
    requests.refresh(context, service_id)
    with context.database.begin() as session:
        service = requests.locked(session, service_id)
        backup = service_backups.find(session, service_id, backup_id)
        requests.check("restore", service_backups.standing(session, service), actor, backup)
        _confirmed(service, confirm)
        wanted = _wants_copy(safety_copy, policy.safety_copy(context.settings, service))
        operation = _ask(session, service, actor, backup, data={"safety_copy": wanted})
    start_waiting(context)
    return operation.id


def _confirmed(service: Service, confirm: Any) -> None:
    if str(confirm or "").strip().lower() != service.vm_name.strip().lower():
        raise BadInput("confirm", "Type the name of the virtual machine, {name}, to confirm.", name=service.vm_name)


def _wants_copy(sent: Any, rule: str) -> bool:
    text = str(sent or "0").strip()
    if text not in {"0", "1"}:
        raise BadInput("safety_copy", "safety_copy must be 1 or 0.")
    return rule == "always" or (rule == "offer" and text == "1")


def retry(context: Context, service_id: str, actor: Actor, operation_id: str, backup_id: Any = None) -> str:
    """Restore again after a failed restore, from the same backup or another: the new operation's id."""
    requests.allow("retry", actor)
    with context.database.begin() as session:
        service = requests.locked(session, service_id)
        failed = _failed(session, service, operation_id)
        backup = service_backups.find(session, service_id, str(backup_id or failed.backup_id))
        requests.check("retry", service_backups.standing(session, service), actor, backup)
        operation = _ask(session, service, actor, backup)
    start_waiting(context)
    return operation.id


def back(context: Context, service_id: str, actor: Actor, operation_id: str) -> str:
    """Go back to the state before a failed restore, out of its safety copy: the new operation's id."""
    requests.allow("back", actor)
    with context.database.begin() as session:
        service = requests.locked(session, service_id)
        standing = service_backups.standing(session, service)
        copy = standing.safety_copy_of(_failed(session, service, operation_id))
        requests.check("back", standing, actor, copy)
        assert copy is not None  # noqa: S101 - without one the check refuses
        operation = _ask(session, service, actor, copy, origin="back")
    start_waiting(context)
    return operation.id


def _failed(session: Session, service: Service, operation_id: str) -> Operation:
    failed = requests.operation_of(session, service.id, operation_id)
    if service.restore_failed != failed.id:
        raise Refused("This is not a failed restore that can be tried again.")
    return failed


def _ask(session: Session, service: Service, actor: Actor, backup: Backup, **more: Any) -> Operation:
    """A restore over the ruin that a failed one left keeps nothing: the way back stays the copy from before that."""
    failed = session.get(Operation, service.restore_failed) if service.restore_failed else None
    if failed:
        more["data"] = {"safety": failed.data.get("safety")}
    return requests.write(session, service, actor, "restore", backup_id=backup.id, storage=backup.storage, **more)
