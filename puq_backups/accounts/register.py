"""Registering: which VM a service is, whose it is, and what was bought. It makes no VM."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import available_timezones

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..clock import purge_terminated, slots
from ..context import Context
from ..errors import BadInput, Refused
from ..host import SYSTEM, Actor
from ..models import Server, Service, now
from ..models.audit_log import audit
from ..pve import vms
from ..pve.client import Access, Proxmox
from ..rules import package as packages
from ..rules.schedule import Schedule
from . import params as given
from .servers import assign_server, get_or_create_server

log = logging.getLogger("puq_backups.accounts")


@dataclass(frozen=True)
class ProxmoxVm:
    """A VM as Proxmox has it."""

    vmid: int
    node: str
    name: str
    identity: str
    status: str


def register(context: Context, params: Mapping[str, Any], actor: Actor = SYSTEM) -> None:
    """Register a service, or take over what changed; again and again without harm.

    Raises BadInput for what is missing or wrong, Refused where the VM belongs to another service, and what
    Proxmox answers where the VM cannot be found.
    """
    given.service_id(params), given.client_id(params)
    access, vmid = given.server_access(params, context), given.vmid(params)
    if not packages.read(params)[0].storage:
        raise BadInput("Backups storage", "The product setting Backups storage is empty.")
    machine = _find_vm(access, vmid, given.node(params))
    try:
        with context.database.begin() as session:
            service = _write(session, context, params, access, machine)
            said = f"VM {vmid} on {machine.node}, {service.quota} backups"
            audit(session, service.id, None, "create", said, actor=actor.title)
    except IntegrityError:
        raise Refused("The virtual machine {vmid} already belongs to another service.", vmid=vmid) from None


def _find_vm(access: Access, vmid: int, node: str) -> ProxmoxVm:
    proxmox = Proxmox(access)
    place = vms.find_node(proxmox, vmid) or node
    if not place:
        raise Refused("Proxmox has no virtual machine {vmid}, or the token may not see it.", vmid=vmid)
    config = vms.config(proxmox, place, vmid)
    name, status = str(config.get("name") or f"VM {vmid}"), vms.status(proxmox, place, vmid).status
    return ProxmoxVm(vmid, place, name, vms.identity(config), status)


def _write(
    session: Session, context: Context, params: Mapping[str, Any], access: Access, machine: ProxmoxVm
) -> Service:  # fmt: skip
    # The server first: looking for it writes what is in the session, and a new service is not whole yet.
    on = get_or_create_server(session, context, access)
    service = _get_or_create(session, given.service_id(params))
    _assign_vm(session, service, on, given.client_id(params), machine)
    set_status(session, context, service, "active")
    update_from_params(session, service, params)
    if not service.schedule:
        zone = service.client.get("timezone")
        known = zone if zone in available_timezones() else context.settings.timezone
        service.schedule = Schedule.empty(known).to_json()
    session.flush()
    slots.plan_next(session, service, service.slots_from or now())
    return service


def _get_or_create(session: Session, key: str) -> Service:
    service = session.get(Service, key)
    if service is None:
        service = Service(id=key, created_at=now(), token=secrets.token_hex(8), schedule={})
        session.add(service)
    return service


def _assign_vm(session: Session, service: Service, on: Server, client_id: str, machine: ProxmoxVm) -> None:
    """Have the service be this VM of this client. Another VM or owner gets a token of its own: what was made
    before is not theirs. The VM's identity is taken down once, and anew only where another VM is meant; a VM that
    is the registered one again is no trouble any more.
    """
    other_vm = assign_server(session, service, on) or service.vmid != machine.vmid
    if other_vm or service.client_id != client_id:
        service.token = secrets.token_hex(8)
    if other_vm or service.status == "terminated" or not service.vm_identity:
        service.vm_identity = machine.identity
    if service.vm_identity == machine.identity:
        service.problem = None
    service.client_id, service.vmid = client_id, machine.vmid
    service.node, service.vm_name, service.vm_status = machine.node, machine.name, machine.status


def update_from_params(session: Session, service: Service, params: Mapping[str, Any]) -> None:
    """Refresh package, quota and client. An unreadable quota keeps the last valid one, and staff is told."""
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
    """Set the status with all that hangs on it: the pause of the schedule, the grace, and who has the VMID."""
    if status == "active" and service.status != "active":
        # What was planned during the pause was not missed.
        service.slots_from = now()
    if status == "active":
        purge_terminated.cancel_purge(session, context, service)
    service.status = status
    service.terminated_at = (service.terminated_at or now()) if status == "terminated" else None
    service.active_vmid = None if status == "terminated" else service.vmid
