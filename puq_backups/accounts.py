"""Services as the host declares them: registered, suspended, changed, terminated."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from . import packages, slots
from .errors import BadInput, Message, ProxmoxError, Refused
from .models import Backup, Operation, Server, Service, is_id, new_id, now
from .operations import engine
from .pve import vms
from .pve.client import Access, Proxmox
from .schedules import Schedule
from .toolbox import Toolbox

log = logging.getLogger("puq_backups.accounts")
CLIENT = ("firstname", "lastname", "companyname", "email", "language", "timezone")


def service_id(params: Mapping[str, Any]) -> str:
    """The service's id in `params`. BadInput where it is missing or too long."""
    found = str(params.get("serviceid") or "").strip()
    if not is_id(found):
        raise BadInput("serviceid", "serviceid is missing or longer than 64 characters.")
    return found


def server_access(params: Mapping[str, Any], toolbox: Toolbox) -> Access:
    """How the server of `params` is reached. BadInput names a parameter that cannot be right."""
    port = str(params.get("serverport") or "8006")
    if not port.isdigit() or not 0 < int(port) < 65536:  # noqa: PLR2004 - the ports there are
        raise BadInput("serverport", "serverport must be a number from 1 to 65535; it is {port}.", port=port)
    hosts = tuple(host.strip() for host in str(params.get("serverhostname") or "").split(",") if host.strip())
    if not hosts:
        raise BadInput("serverhostname", "serverhostname is missing: the host name of the Proxmox node.")
    if not params.get("serverpassword"):
        raise BadInput("serverpassword", "serverpassword is missing: the secret of the API token.")
    return Access(
        hosts=hosts, port=int(port), token_id=str(params.get("serverusername") or ""),
        secret=str(params["serverpassword"]), fingerprint=str(params.get("serveraccesshash") or "").strip() or None,
        ca_file=toolbox.settings.ca_file or None,
        connect_timeout=toolbox.settings.connect_timeout.total_seconds(),
        read_timeout=toolbox.settings.read_timeout.total_seconds(),
    )  # fmt: skip


def _server(session: Session, toolbox: Toolbox, access: Access) -> Server:
    hosts = ",".join(access.hosts)
    known = select(Server).where(
        Server.hosts == hosts, Server.port == access.port, Server.token_id == access.token_id
    )
    server = session.scalars(known).first()
    if server is None:
        server = Server(id=new_id(), hosts=hosts, port=access.port, token_id=access.token_id, sealed_secret=b"")
        session.add(server)
    if not server.sealed_secret or toolbox.vault.open(server.sealed_secret) != access.secret:
        server.sealed_secret = toolbox.vault.seal(access.secret)
    server.fingerprint = access.fingerprint or ""
    session.flush()
    return server


def register(toolbox: Toolbox, params: Mapping[str, Any]) -> None:
    """Register a service, or take over what changed; again and again without harm.

    Raises BadInput for what is missing or wrong, Refused where the VM belongs to another service, and what
    Proxmox answers where the VM cannot be found.
    """
    key, access = service_id(params), server_access(params, toolbox)
    fields = params.get("customfields") or {}
    vmid = str(fields.get("vmid") or "").strip()
    if not vmid.isdigit() or not 100 <= int(vmid) < 10**9:  # noqa: PLR2004 - Proxmox's own lowest
        raise BadInput("vmid", "customfields.vmid must be the number of the virtual machine, from 100.")
    package, _ = packages.read(params)
    if not package.storage:
        raise BadInput("Backups storage", "The product setting Backups storage is empty.")
    client_id = str(params.get("userid") or "").strip()
    if not is_id(client_id):
        raise BadInput("userid", "userid is missing or longer than 64 characters.")
    place = _place(access, int(vmid), str(fields.get("node") or "").strip())
    try:
        with toolbox.database.begin() as session:
            _write(session, toolbox, params, (key, client_id, int(vmid)), access, place)
    except IntegrityError:
        raise Refused("The virtual machine {vmid} already belongs to another service.", vmid=vmid) from None


def _place(access: Access, vmid: int, node: str) -> tuple[str, dict[str, Any], str]:
    """The VM's node, config and power status, as Proxmox has them."""
    proxmox = Proxmox(access)
    found = vms.find_node(proxmox, vmid) or node
    if not found:
        raise Refused("Proxmox has no virtual machine {vmid}, or the token may not see it.", vmid=vmid)
    return found, vms.config(proxmox, found, vmid), vms.status(proxmox, found, vmid).status


def _write(
    session: Session, toolbox: Toolbox, params: Mapping[str, Any], ids: tuple[str, str, int], access: Access,
    place: tuple[str, dict[str, Any], str],
) -> None:  # fmt: skip
    key, client_id, vmid = ids
    server = _server(session, toolbox, access)
    service = session.get(Service, key)
    if service is None:
        service = Service(id=key, created_at=now(), token=secrets.token_hex(8), schedule={})
        session.add(service)
    other_vm = (service.server_id, service.vmid) != (server.id, vmid)
    if other_vm or service.client_id != client_id:
        service.token = secrets.token_hex(8)
    if other_vm or service.status == "terminated" or not service.identity:
        service.identity, service.trouble = vms.identity(place[1]), None
    service.client_id, service.server_id, service.vmid, service.active_vmid = client_id, server.id, vmid, vmid
    service.vm_status = place[2]
    service.node, service.vm_name = place[0], str(place[1].get("name") or f"VM {vmid}")
    _set_status(service, "active")
    _take_over(session, service, params)
    if not service.schedule:
        zone = service.client.get("timezone") or toolbox.settings.timezone
        service.schedule = Schedule.empty(_zone(zone, toolbox)).to_json()
    session.flush()
    slots.plan(session, service, service.slots_from or now())


def _zone(name: str, toolbox: Toolbox) -> str:
    from zoneinfo import available_timezones

    return name if name in available_timezones() else toolbox.settings.timezone


def _take_over(session: Session, service: Service, params: Mapping[str, Any]) -> None:
    """Refresh package, quota and client. An unreadable quota keeps the last valid one, and staff is told."""
    package, readable = packages.read(params)
    service.package = package.to_json()
    if readable:
        service.quota = int(package.backups or 0)
    else:
        service.quota = service.quota or 0
        text = f"The quota (Backups) of service {service.id} is empty or unreadable; {service.quota} stays."
        log.warning(text)
        engine.audit(session, service.id, None, "quota", text)
    details = params.get("clientsdetails") or {}
    service.client = {name: str(details.get(name) or "") for name in CLIENT}
    service.domain = str(params.get("domain") or "")[:255]


def refresh(toolbox: Toolbox, params: Mapping[str, Any], *, status: str | None = None) -> None:
    """Take over package, client and credentials of a registered service, and set its status.

    With a `status` a wrong parameter stops nothing: what was known of package and server stays, and staff is told.
    Without one BadInput names it. Refused where the VM belongs to another service by now.
    """
    key = service_id(params)
    try:
        with toolbox.database.begin() as session:
            service = session.get(Service, key)
            if service is None:
                raise Refused("The service {service} is not registered: call CreateAccount first.", service=key)
            _take_over_all(session, toolbox, service, params, strict=status is None)
            if status:
                _set_status(service, status)
            slots.plan(session, service, service.slots_from or now())
            running = _stop_operations(session, toolbox, service) if status == "terminated" else None
    except IntegrityError:
        raise Refused("The virtual machine belongs to another service by now.") from None
    if running:
        _stop_backup(toolbox, *running)


def _stop_backup(toolbox: Toolbox, server: Server, upid: str) -> None:
    try:
        engine.stop_task(toolbox, server, upid)
    except ProxmoxError as error:
        # The backup then ends by itself, and is removed with the others.
        log.warning("the backup of a terminated service was not stopped: %s", error)


def _take_over_all(
    session: Session, toolbox: Toolbox, service: Service, params: Mapping[str, Any], *, strict: bool
) -> None:
    try:
        if params.get("serverhostname") and params.get("serverpassword"):
            service.server_id = _server(session, toolbox, server_access(params, toolbox)).id
        if any(f"configoption{position}" in params for position in range(1, 25)) or params.get("configoptions"):
            _take_over(session, service, params)
    except BadInput as error:
        if strict:
            raise
        text = f"The params of service {service.id} are wrong, what was known before stays: {error}"
        log.warning(text)
        engine.audit(session, service.id, None, "params", text)


def _set_status(service: Service, status: str) -> None:
    if status == "active" and service.status != "active":
        # What was planned during the pause was not missed.
        service.slots_from = now()
    service.status = status
    service.terminated_at = (service.terminated_at or now()) if status == "terminated" else None
    service.active_vmid = None if status == "terminated" else service.vmid


def _stop_operations(session: Session, toolbox: Toolbox, service: Service) -> tuple[Server, str] | None:
    """Cancel what waits; the task of a running backup, to be stopped after the commit. A restore runs to its end."""
    running = session.scalars(
        select(Operation).where(Operation.lock == service.id, Operation.kind == "backup", Operation.upid.is_not(None))
    ).first()
    waiting = select(Operation).where(Operation.service_id == service.id, Operation.state == "waiting")
    for operation in session.scalars(waiting).all():
        engine.end(session, toolbox, operation, service, "cancelled", Message("The service was terminated."))
    if running is None or running.step != "make_archive" or not running.upid:
        return None
    return session.get_one(Server, service.server_id), running.upid


def rotate_secrets(toolbox: Toolbox) -> int:
    """Encrypt each stored secret with the newest key: how many. SettingError where a key is missing.

    A secret that a CreateAccount writes meanwhile stays: it is under the newest key already.
    """
    with toolbox.database.open() as session:
        stored = session.execute(select(Server.id, Server.sealed_secret)).all()
    for server_id, sealed in stored:
        with toolbox.database.begin() as session:
            session.execute(
                update(Server)
                .where(Server.id == server_id, Server.sealed_secret == sealed)
                .values(sealed_secret=toolbox.vault.rotate(sealed))
            )
    return len(stored)


def purge_due(toolbox: Toolbox) -> int:
    """Ask for the removal of the backups of services that were terminated long enough ago: how many."""
    before = now() - toolbox.settings.termination_grace
    asked = []
    with toolbox.database.begin() as session:
        left = select(Backup.service_id).where(Backup.removed_at.is_(None))
        ended = select(Service).where(
            Service.status == "terminated", Service.terminated_at <= before, Service.id.in_(left)
        )
        for service in session.scalars(ended.limit(100)).all():
            session.execute(update(Service).where(Service.id == service.id).values(version=Service.version + 1))
            asked += _purge(session, service)
    return len(asked)


def _purge(session: Session, service: Service) -> list[str]:
    live = select(Operation.backup_id).where(Operation.service_id == service.id, Operation.finished_at.is_(None))
    busy = set(session.scalars(live))
    backups = session.scalars(
        select(Backup).where(Backup.service_id == service.id, Backup.removed_at.is_(None))
    ).all()
    made = []
    for backup in backups:
        if backup.id not in busy:
            operation = Operation(
                id=new_id(), service_id=service.id, client_id=service.client_id, kind="remove", origin="purge",
                backup_id=backup.id, token=new_id()[:16], actor="termination", state="waiting", created_at=now(),
                due_at=now(), wake_at=now(), storage=backup.storage, data={}, warnings=[], attempts=0,
            )  # fmt: skip
            session.add(operation)
            made.append(operation.id)
    return made
