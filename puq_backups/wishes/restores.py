"""Wishes for a restore: the first one, and the ways on after one that failed."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from .. import inventory
from ..errors import BadInput, Refused
from ..host import Actor
from ..models import Backup, Operation, Service
from ..ticking import start_waiting
from ..toolbox import Toolbox
from . import asking


def restore(toolbox: Toolbox, service_id: str, actor: Actor, backup_id: str, confirm: Any) -> str:
    """Ask for a restore, confirmed by the VM's name: the operation's id."""
    asking.allow("restore", actor)
    asking.refresh(toolbox, service_id)
    with toolbox.database.begin() as session:
        service = asking.locked(session, service_id)
        backup = inventory.find(session, service_id, backup_id)
        asking.check("restore", inventory.standing(session, service), actor, backup)
        if str(confirm or "").strip().lower() != service.vm_name.strip().lower():
            raise BadInput(
                "confirm", "Type the name of the virtual machine, {name}, to confirm.", name=service.vm_name
            )
        operation = _ask_restore(session, service, actor, backup)
    start_waiting(toolbox)
    return operation.id


def retry(toolbox: Toolbox, service_id: str, actor: Actor, operation_id: str, backup_id: Any = None) -> str:
    """Restore again after a failed restore, from the same backup or another: the new operation's id."""
    asking.allow("retry", actor)
    with toolbox.database.begin() as session:
        service = asking.locked(session, service_id)
        failed = asking.operation_of(session, service_id, operation_id)
        if failed.kind != "restore" or service.restore_failed != failed.id:
            raise Refused("This is not a failed restore that can be tried again.")
        backup = inventory.find(session, service_id, str(backup_id or failed.backup_id))
        asking.check("retry", inventory.standing(session, service), actor, backup)
        operation = _ask_restore(session, service, actor, backup)
    start_waiting(toolbox)
    return operation.id


def _ask_restore(session: Session, service: Service, actor: Actor, backup: Backup) -> Operation:
    asking.none_waits(session, service, None)
    return asking.write(session, service, actor, "restore", backup_id=backup.id, storage=backup.storage)
