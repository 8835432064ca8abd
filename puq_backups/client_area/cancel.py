"""Client request to cancel an operation."""

from __future__ import annotations

from ..context import Context
from ..errors import ProxmoxError, Refused
from ..host import Actor
from ..models import Server
from ..models.audit_log import audit
from ..operations import proxmox_calls, state_changes
from . import requests


def cancel(context: Context, service_id: str, actor: Actor, operation_id: str) -> None:
    """Cancel a waiting operation, or stop a running backup. Raises Refused otherwise; a restore is never stopped."""
    requests.require_permission("cancel", actor)
    with context.database.begin() as session:
        service = requests.lock_service(session, service_id)
        operation = requests.find_operation(session, service_id, operation_id)
        audit(session, service_id, operation, "cancel", f"asked for by {actor.label}", actor=actor.label)
        if operation.state == "waiting":
            state_changes.cancel(session, context, operation, service)
            return
        if operation.state not in {"running", "stuck"}:
            raise Refused("It has ended already.")
        if operation.kind != "backup" or operation.step != "make_archive" or not operation.upid:
            raise Refused("It cannot be stopped any more: cutting it short could do harm.")
        server, upid = session.get_one(Server, service.server_id), operation.upid
        operation.cancel_requested = True
    try:
        proxmox_calls.stop_task(context, server, upid)
    except ProxmoxError as error:
        raise Refused("Proxmox did not take it: {proxmox}", proxmox=error.message) from error
