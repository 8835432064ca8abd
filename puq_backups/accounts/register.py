"""Registers a service: its VM, client and package. Does not create a VM."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..clock import purge_terminated, slots
from ..context import Context
from ..errors import BadInput, Message, Refused
from ..host import SYSTEM, Actor
from ..mail import trouble
from ..models import Operation, Server, Service, now
from ..models.audit_log import audit
from ..operations import state_changes
from ..operations.start_conditions import SYSTEM_ORIGINS
from ..pve import vms
from ..pve.client import Access, Proxmox
from ..rules import package as packages
from ..rules.schedule import Schedule
from ..rules.wall_time import zones
from . import params as given
from . import same_server
from .servers import assign_server, save_server

log = logging.getLogger("puq_backups.accounts")
MOVED = Message("The service has another owner or server by now.")


@dataclass(frozen=True)
class ProxmoxVm:
    """A VM as found on Proxmox. `identity` is its smbios1 uuid or the MAC of net0."""

    vmid: int
    node: str
    name: str
    identity: str
    status: str


def register(context: Context, params: Mapping[str, Any], actor: Actor = SYSTEM) -> None:
    """Register a service, or update a registered one. May be repeated.

    Raises BadInput for a missing or wrong parameter, Refused if the VM belongs to another service, and ProxmoxError
    if the VM cannot be read.
    """
    access, vmid = check(context, params), given.vmid(params)
    machine = _find_vm(context, access, vmid, given.node(params))
    same = same_server.find_same(context, access, given.service_id(params))
    try:
        with context.database.begin() as session:
            service = write(session, context, params, access, same, machine)
            said = f"VM {vmid} on {machine.node}, {service.quota} backups"
            audit(session, service.id, None, "create", said, actor=actor.label)
    except IntegrityError:
        raise Refused("The virtual machine {vmid} already belongs to another service.", vmid=vmid) from None


def check(context: Context, params: Mapping[str, Any]) -> Access:
    """Return the access of the service's server. Raises BadInput for a parameter missing or wrong."""
    given.service_id(params), given.client_id(params), given.vmid(params)
    packages.check_quota(params)
    if not packages.read(params)[0].storage:
        raise BadInput("Backups storage", "The product setting Backups storage is empty.")
    return given.server_access(params, context)


def read_vm(proxmox: Proxmox, vmid: int, node: str, status: str) -> ProxmoxVm:
    """Read a VM whose node and status are known; one call."""
    config = vms.config(proxmox, node, vmid)
    return ProxmoxVm(vmid, node, str(config.get("name") or f"VM {vmid}"), vms.identity(config), status)


def _find_vm(context: Context, access: Access, vmid: int, node: str) -> ProxmoxVm:
    proxmox = context.connect_with(access)
    place = vms.find_node(proxmox, vmid) or node
    if not place:
        raise Refused("Proxmox has no virtual machine {vmid}, or the token may not see it.", vmid=vmid)
    return read_vm(proxmox, vmid, place, vms.status(proxmox, place, vmid).status)


def write(
    session: Session, context: Context, params: Mapping[str, Any], access: Access, same: Sequence[str],
    machine: ProxmoxVm,
) -> Service:  # fmt: skip
    """Store a service, new or known, with its server in the caller's transaction; no call to Proxmox.

    `params` and `access` must have been checked, `same` is what `same_server.find_same` returned.
    """
    # The server first: its query flushes the session, and a new service is incomplete until it is assigned.
    on = save_server(session, context, access, same)
    service = _get_or_create(session, given.service_id(params))
    _assign_vm(session, context, service, on, given.client_id(params), machine)
    set_status(session, context, service, "active")
    update_from_params(session, service, params)
    if not service.schedule:
        zone = service.client.get("timezone")
        known = zone if zone in zones() else context.settings.timezone
        service.schedule = Schedule.empty(known).to_json()
    session.flush()
    if not service.problem:
        trouble.over(session, context, "problem", service.id)
    slots.plan_next(session, service, service.slots_from or now())
    return service


def _get_or_create(session: Session, key: str) -> Service:
    service = session.get(Service, key)
    if service is None:
        service = Service(id=key, created_at=now(), token=secrets.token_hex(8), schedule={})
        session.add(service)
    return service


def _assign_vm(
    session: Session, context: Context, service: Service, on: Server, client_id: str, machine: ProxmoxVm
) -> None:
    """Assign server, VM and client to the service.

    Another VM or client gets a new token, so that earlier backups do not belong to it. The VM's identity is stored
    once, and again only for another VM. If the identity matches again, the service's problem is over.
    """
    other_vm = assign_server(service, on) or service.vmid != machine.vmid
    if other_vm or service.client_id != client_id:
        service.token = secrets.token_hex(8)
        if service.client_id:
            _end_waiting(session, context, service, client_id)
    if other_vm or service.status == "terminated" or not service.vm_identity:
        service.vm_identity = machine.identity
        service.machine = f"{machine.vmid} {machine.identity}"[:190]
    if service.client_id and service.client_id != client_id:
        purge_terminated.expire_other_owners(session, context, service.id, client_id)
    if service.vm_identity == machine.identity:
        service.problem = None
    service.client_id, service.vmid = client_id, machine.vmid
    service.node, service.vm_name, service.vm_status = machine.node, machine.name, machine.status


def _end_waiting(session: Session, context: Context, service: Service, client_id: str) -> None:
    """Cancel what people asked for before the service got another client or VM; a slot is the new client's."""
    waiting = select(Operation).where(Operation.service_id == service.id, Operation.state == "waiting")
    for operation in session.scalars(waiting.where(Operation.origin.not_in(SYSTEM_ORIGINS))).all():
        if operation.slot_date:
            operation.client_id = client_id
        else:
            state_changes.end(session, context, operation, service, "cancelled", MOVED)


def update_from_params(session: Session, service: Service, params: Mapping[str, Any]) -> None:
    """Update package, quota, client and domain. An unreadable quota keeps the last valid one (see the audit)."""
    package, readable = packages.read(params)
    service.package = package.to_json()
    if readable:
        service.quota = int(package.backups or 0)
    else:
        service.quota = service.quota or 0
        text = f"The quota (Backups) of service {service.id} is empty or unreadable; {service.quota} stays."
        log.warning(text)
        audit(session, service.id, None, "quota", text)
    service.client = given.client(params)
    service.domain = given.text(params.get("domain"))


def set_status(session: Session, context: Context, service: Service, status: str) -> None:
    """Set the status, and with it the start of slots, the termination time and the unique VMID."""
    if status == "active" and service.status != "active":
        # Slots during the suspension do not count as missed.
        service.slots_from = now()
    if status == "active":
        purge_terminated.cancel_purge(session, context, service)
    service.status = status
    service.terminated_at = (service.terminated_at or now()) if status == "terminated" else None
    service.active_vmid = None if status == "terminated" else service.vmid
