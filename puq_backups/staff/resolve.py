"""Staff actions that end an exceptional state: accept a failed restore, accept a changed VM identity."""

from __future__ import annotations

from sqlalchemy import select

from ..client_area.requests import lock_service
from ..context import Context
from ..errors import Refused
from ..host import Actor
from ..inventory import backup_marks
from ..mail import trouble
from ..models import Operation, Server, Service
from ..models.audit_log import audit
from ..pve import vms


def clear_failed_restore(context: Context, service_id: str, actor: Actor) -> None:
    """Clear a failed restore: the service's schedule continues and its VM may be started again.

    Raises Refused if there is none, or while a restore or reinstall runs.
    """
    with context.database.begin() as session:
        service = lock_service(session, service_id)
        if not service.restore_failed:
            raise Refused("There is no failed restore.")
        running = select(Operation.id).where(
            Operation.lock == service_id, Operation.kind.in_(("restore", "reinstall"))
        )
        if session.scalar(running):
            raise Refused("A restore or reinstallation of this virtual machine is running; wait for its end.")
        said = f"the failed restore {service.restore_failed} is settled"
        backup_marks.settle_failed_restore(session, service)
        trouble.over(session, context, "restore", service_id)
        audit(session, service_id, None, "resolve", said, actor=actor.label)


def accept_identity(context: Context, service_id: str, actor: Actor, identity: str) -> None:
    """Store the identity of the VM that has the service's VMID now. `identity` is the one shown to staff.

    Raises Refused if the VM has another identity by now, ProxmoxError if it cannot be read.
    """
    with context.database.open() as session:
        service = session.get_one(Service, service_id)
        server = session.get_one(Server, service.server_id)
    proxmox = context.connect(server)
    node = vms.find_node(proxmox, service.vmid) or service.node
    config = vms.config(proxmox, node, service.vmid)
    if vms.identity(config) != identity:
        raise Refused("The virtual machine is another one by now. Look at it again.")
    with context.database.begin() as session:
        service = lock_service(session, service_id)
        said = (
            f"VM {service.vmid} is the right one: {identity or 'no identity'}, before {service.vm_identity or 'none'}"
        )
        service.vm_identity, service.problem = identity, None
        service.node, service.vm_name = node, str(config.get("name") or f"VM {service.vmid}")
        trouble.over(session, context, "problem", service_id)
        audit(session, service_id, None, "identity", said, actor=actor.label)
