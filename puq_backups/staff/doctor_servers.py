"""Checks of a Proxmox server for the doctor and the staff pages: connection, clock, privileges and storages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from sqlalchemy import select

from .. import host as hosts
from ..accounts import params as given
from ..context import Context
from ..errors import BackupsError, BadInput, Message
from ..i18n.translator import N_
from ..models import Server, Service
from ..pve import archives, permissions, vms
from ..pve.client import Proxmox
from ..pve.version import version
from ..rules.package import Package, read, read_mapping
from .finding import Finding

MAX_VMS = 50
OF_VM = {
    "VM.Audit": "GET …/qemu/{vmid}/config",
    "VM.Backup": "POST …/vzdump, POST …/qemu (restore), DELETE …/content/{volume}",
    "VM.PowerMgmt": "POST …/qemu/{vmid}/status/start, stop, shutdown",
    "VM.Config.CPU": "POST …/qemu/{vmid}/config (cores)",
    "VM.Config.Memory": "POST …/qemu/{vmid}/config (memory)",
    "VM.Config.Disk": "POST …/qemu/{vmid}/config (disks), PUT …/qemu/{vmid}/resize",
    "VM.Config.Network": "POST …/qemu/{vmid}/config (net0)",
}
OF_STORAGE = {"Datastore.AllocateSpace": "POST …/vzdump, GET …/storage/{storage}/content"}
OF_DISK_STORAGE = {"Datastore.AllocateSpace": "POST …/qemu (restore), POST …/qemu/{vmid}/config (disks)"}
OF_BRIDGE = {"SDN.Use": "POST …/qemu (restore), POST …/config (net0)"}


def check_server(context: Context, server: Server) -> Iterator[Finding]:
    """Yield the findings about a server: connection, clock, the token's privileges and storages. Changes nothing.

    Privileges on VMs are checked for the MAX_VMS services that were registered last, because each needs a call; those
    on storages, bridges and templates for all services.
    """
    ours = Service.server_id == server.id, Service.active_vmid.is_not(None)
    newest = select(Service.vmid).where(*ours).order_by(Service.created_at.desc()).limit(MAX_VMS)
    with context.database.open() as session:
        vmids = sorted(set(session.scalars(newest)))
        packages = {_used(stored) for stored in session.scalars(select(Service.package).where(*ours))}
    name = {"server": f"{server.hosts}:{server.port} ({server.token_id})"}
    guests = [f"/vms/{vmid}" for vmid in vmids]
    yield from _server(context, partial(context.connect, server), name, guests, sorted(packages, key=repr))


def check_params(context: Context, params: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the findings about the server, VM and package of params of CreateAccount, before there is a service.

    Without `customfields.vmid` the token must have its privileges on all VMs.
    """
    try:
        access = given.server_access(params, context)
        vmid = f"/{given.vmid(params)}" if read_mapping(params, "customfields").get("vmid") else ""
        package = read(params)[0]
    except BadInput as error:
        yield Finding("error", error.message)
        return
    name = {"server": f"{','.join(access.hosts)}:{access.port} ({access.token_id})"}
    yield from _server(context, partial(context.connect_with, access), name, [f"/vms{vmid}"], [package])


def _used(stored: Any) -> Package:
    """Return the objects of Proxmox that a stored package names; an empty one where it cannot be read."""
    try:
        package = Package.from_json(stored)
        hash(package)
    except (AttributeError, TypeError):
        return Package()
    return Package(
        storage=package.storage, additional_storage=package.additional_storage,
        restore_storage=package.restore_storage, bridge=package.bridge, template=package.template,
    )  # fmt: skip


def _server(
    context: Context, connect: Callable[[], Proxmox], name: dict[str, str], guests: list[str], packages: list[Package]
) -> Iterator[Finding]:
    try:
        proxmox = connect()
        answer = {**name, "version": version(proxmox)}
        yield Finding("ok", Message("{server} answers with version {version}.", answer))
        if abs(proxmox.clock_offset) > 60:  # noqa: PLR2004 - seconds
            late = {**name, "seconds": f"{proxmox.clock_offset:.0f}"}
            yield Finding("warning", Message("{server}: its clock differs from ours by {seconds} seconds.", late))
        for path, wanted in _wanted(guests, packages):
            yield from _rights(proxmox, name, path, wanted)
        for storage in sorted({package.storage for package in packages if package.storage}):
            yield from _storage(proxmox, {**name, "storage": storage})
        if not hosts.host_reinstall(context.host):
            yield from _reinstall(proxmox, name, packages)
    except BackupsError as error:
        yield Finding("error", Message("{server}: {reason}", {**name, "reason": error.message}))


def _wanted(guests: list[str], packages: list[Package]) -> Iterator[tuple[str, dict[str, str]]]:
    for path in guests:
        yield path, OF_VM
    for storage in sorted({package.storage for package in packages if package.storage}):
        yield f"/storage/{storage}", OF_STORAGE
    disks = {name for package in packages for name in (package.additional_storage, package.restore_storage)}
    for storage in sorted(disks - {""}):
        yield f"/storage/{storage}", OF_DISK_STORAGE
    for bridge in sorted({package.bridge for package in packages if package.bridge}):
        yield f"/sdn/zones/localnetwork/{bridge}", OF_BRIDGE


def _rights(proxmox: Proxmox, name: dict[str, str], path: str, wanted: dict[str, str]) -> Iterator[Finding]:
    held = permissions.permissions(proxmox, path).get(path, {})
    for privilege, calls in wanted.items():
        if privilege not in held:
            lacking = {**name, "privilege": privilege, "path": path, "calls": calls}
            text = N_("{server}: the token lacks {privilege} on {path}, needed for {calls}.")
            yield Finding("error", Message(text, lacking), _grant(proxmox, path, privilege))


def _grant(proxmox: Proxmox, path: str, privilege: str) -> tuple[str, ...]:
    """Return the lines that give user and token a privilege: a token has only what its user has too.

    Granted on all VMs: Proxmox drops the rights on a single VM when it is destroyed.
    """
    user, at = proxmox.access.token_id.partition("!")[0], "/vms" if path.startswith("/vms/") else path
    return (
        f"pveum role modify PuqBackups --append 1 --privs {privilege}",
        f"pveum acl modify {at} --users '{user}' --tokens '{proxmox.access.token_id}' --roles PuqBackups",
    )


def _reinstall(proxmox: Proxmox, name: dict[str, str], packages: list[Package]) -> Iterator[Finding]:
    """Yield whether VMs can be reinstalled from their package's template, which needs an additional role."""
    places = vms.locate(proxmox) if any(package.template for package in packages) else {}
    for template in sorted({package.template for package in packages if package.template}):
        about = {**name, "template": str(template)}
        if template not in places or not places[template].template:
            gone = N_("{server}: the template {template} is not there; nobody can reinstall from it.")
            yield Finding("warning", Message(gone, about))
            continue
        lacking = [
            {**about, "privilege": privilege, "path": path}
            for path, privileges in (("/vms", ("VM.Allocate",)), (f"/vms/{template}", ("VM.Clone",)))
            for privilege in permissions.missing_privileges(proxmox, (path,), privileges)
        ]
        text = N_("{server}: nobody can reinstall from template {template}: the token lacks {privilege} on {path}.")
        yield from (Finding("warning", Message(text, one)) for one in lacking)
        if not lacking:
            yield Finding("ok", Message("{server}: VMs can be reinstalled from template {template}.", about))


def _storage(proxmox: Proxmox, name: dict[str, str]) -> Iterator[Finding]:
    config = archives.storage_config(proxmox, name["storage"])
    if config is None:
        path = f"/storage/{name['storage']}"
        if not permissions.missing_privileges(proxmox, (path,), ("Datastore.Audit",)):
            yield Finding("error", Message(N_("{server}: there is no storage {storage}."), name))
            return
        unseen = N_("{server}: the retention of storage {storage} cannot be seen (Datastore.Audit on it is lacking).")
        yield Finding("warning", Message(unseen, name))
        return
    if "backup" not in str(config.get("content") or "backup").split(","):
        yield Finding("error", Message(N_("{server}: storage {storage} is not set up to hold backups."), name), (
            f"pvesm set {name['storage']} --content {config['content']},backup",
        ))  # fmt: skip
    if not archives.keeps_all(str(config.get("prune-backups") or "")):
        finite = Message(
            "{server}: storage {storage} has a retention of its own ({limits}); it refuses backups once its count is "
            "reached, or removes them behind our back. Set keep-all=1.",
            {**name, "limits": config["prune-backups"]},
        )
        yield Finding("warning", finite, (f"pvesm set {name['storage']} --prune-backups keep-all=1",))
