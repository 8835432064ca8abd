"""Wishes for a restore: the first one, and the ways on after one that failed."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from .. import inventory, policy
from ..errors import BadInput, Refused
from ..host import Actor
from ..models import Backup, Operation, Service
from ..ticking import start_waiting
from ..toolbox import Toolbox
from . import asking


def restore(
    toolbox: Toolbox, service_id: str, actor: Actor, backup_id: str, confirm: Any, safety_copy: Any = None
) -> str:
    """Ask for a restore, confirmed by the VM's name: the operation's id. `safety_copy` 1 keeps the present state."""
    asking.allow("restore", actor)
    asking.refresh(toolbox, service_id)
    with toolbox.database.begin() as session:
        service = asking.locked(session, service_id)
        backup = inventory.find(session, service_id, backup_id)
        asking.check("restore", inventory.standing(session, service), actor, backup)
        _confirmed(service, confirm)
        wanted = _wants_copy(safety_copy, policy.safety_copy(toolbox.settings, service))
        operation = _ask(session, service, actor, backup, data={"safety_copy": wanted})
    start_waiting(toolbox)
    return operation.id


def _confirmed(service: Service, confirm: Any) -> None:
    if str(confirm or "").strip().lower() != service.vm_name.strip().lower():
        raise BadInput("confirm", "Type the name of the virtual machine, {name}, to confirm.", name=service.vm_name)


def _wants_copy(sent: Any, rule: str) -> bool:
    text = str(sent or "0").strip()
    if text not in {"0", "1"}:
        raise BadInput("safety_copy", "safety_copy must be 1 or 0.")
    return rule == "always" or (rule == "offer" and text == "1")


def retry(toolbox: Toolbox, service_id: str, actor: Actor, operation_id: str, backup_id: Any = None) -> str:
    """Restore again after a failed restore, from the same backup or another: the new operation's id."""
    asking.allow("retry", actor)
    with toolbox.database.begin() as session:
        service = asking.locked(session, service_id)
        failed = _failed(session, service, operation_id)
        backup = inventory.find(session, service_id, str(backup_id or failed.backup_id))
        asking.check("retry", inventory.standing(session, service), actor, backup)
        operation = _ask(session, service, actor, backup)
    start_waiting(toolbox)
    return operation.id


def back(toolbox: Toolbox, service_id: str, actor: Actor, operation_id: str) -> str:
    """Go back to the state before a failed restore, out of its safety copy: the new operation's id."""
    asking.allow("back", actor)
    with toolbox.database.begin() as session:
        service = asking.locked(session, service_id)
        standing = inventory.standing(session, service)
        copy = standing.safety_copy_of(_failed(session, service, operation_id))
        asking.check("back", standing, actor, copy)
        assert copy is not None  # noqa: S101 - without one the check refuses
        operation = _ask(session, service, actor, copy, origin="back")
    start_waiting(toolbox)
    return operation.id


def _failed(session: Session, service: Service, operation_id: str) -> Operation:
    failed = asking.operation_of(session, service.id, operation_id)
    if service.restore_failed != failed.id:
        raise Refused("This is not a failed restore that can be tried again.")
    return failed


def _ask(session: Session, service: Service, actor: Actor, backup: Backup, **more: Any) -> Operation:
    """A restore over the ruin that a failed one left keeps nothing: the way back stays the copy from before that."""
    failed = session.get(Operation, service.restore_failed) if service.restore_failed else None
    if failed:
        more["data"] = {"safety": failed.data.get("safety")}
    return asking.write(session, service, actor, "restore", backup_id=backup.id, storage=backup.storage, **more)
