"""Client requests for a restore, a retry after a failed restore, and going back to the safety copy."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from ..context import Context
from ..errors import BadInput, Refused
from ..host import Actor
from ..inventory import policy, service_backups
from ..models import Backup, Operation, Service
from ..operations.dispatch import start_accepted
from . import requests


def restore(
    context: Context, service_id: str, actor: Actor, backup_id: str, confirm: Any, safety_copy: Any = None
) -> str:
    """Request a restore, confirmed by the VM's name. Returns the operation's id.

    `safety_copy` "1" backs up the current state first, if the policy offers it.
    """
    requests.require_permission("restore", actor)
    requests.refresh_service(context, service_id)
    with context.database.begin() as session:
        service = requests.lock_service(session, service_id)
        backup = service_backups.find_backup(session, service_id, backup_id)
        requests.require_possible("restore", service_backups.load_inventory(session, service), actor, backup)
        _require_confirmation(service, confirm)
        wanted = wants_safety_copy(safety_copy, policy.safety_copy_mode(context.settings, service))
        operation = _create_restore(session, service, actor, backup, data={"safety_copy": wanted})
    start_accepted(context)
    return operation.id


def _require_confirmation(service: Service, confirm: Any) -> None:
    if str(confirm or "").strip().lower() != service.vm_name.strip().lower():
        raise BadInput("confirm", "Type the name of the server, {name}, to confirm.", name=service.vm_name)


def wants_safety_copy(sent: Any, rule: str) -> bool:
    """Whether a safety copy is made, by what was sent and by the rule `offer`, `always` or `off`; raises BadInput."""
    text = str(sent or "0").strip()
    if text not in {"0", "1"}:
        raise BadInput("safety_copy", "safety_copy must be 1 or 0.")
    return rule == "always" or (rule == "offer" and text == "1")


def retry(context: Context, service_id: str, actor: Actor, operation_id: str, backup_id: Any = None) -> str:
    """Request another restore after a failed one, from the same backup or `backup_id`. Returns the operation's id."""
    requests.require_permission("retry", actor)
    with context.database.begin() as session:
        service = requests.lock_service(session, service_id)
        failed = _failed_restore(session, service, operation_id)
        backup = service_backups.find_backup(session, service_id, str(backup_id or failed.backup_id))
        requests.require_possible("retry", service_backups.load_inventory(session, service), actor, backup)
        operation = _create_restore(session, service, actor, backup)
    start_accepted(context)
    return operation.id


def restore_safety_copy(context: Context, service_id: str, actor: Actor, operation_id: str) -> str:
    """Request a restore of the safety copy made before a failed restore. Returns the operation's id."""
    requests.require_permission("back", actor)
    with context.database.begin() as session:
        service = requests.lock_service(session, service_id)
        inventory = service_backups.load_inventory(session, service)
        copy = inventory.safety_copy_of(_failed_restore(session, service, operation_id))
        requests.require_possible("back", inventory, actor, copy)
        assert copy is not None  # noqa: S101 - require_possible refuses without a copy
        operation = _create_restore(session, service, actor, copy, origin="back")
    start_accepted(context)
    return operation.id


def _failed_restore(session: Session, service: Service, operation_id: str) -> Operation:
    failed = requests.find_operation(session, service.id, operation_id)
    if service.restore_failed != failed.id:
        raise Refused("This is not a failed restore that can be tried again.")
    return failed


def _create_restore(session: Session, service: Service, actor: Actor, backup: Backup, **more: Any) -> Operation:
    """Create the operation. After a failed restore it takes over the safety copy made before that one."""
    failed = session.get(Operation, service.restore_failed) if service.restore_failed else None
    if failed:
        more["data"] = {"safety": failed.data.get("safety")}
    return requests.create_operation(
        session, service, actor, "restore", backup_id=backup.id, storage=backup.storage, **more
    )
