"""Doctor: what is wrong with the set-up, said before a customer meets it. Asks much, changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from .errors import ProxmoxError
from .models import Chore, Server, Service, now
from .packages import Package
from .pve import access, backups
from .pve.client import Proxmox
from .toolbox import Toolbox

MOST_VMS = 50
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
OF_BRIDGE = {"SDN.Use": "POST …/qemu (restore), POST …/config (net0)"}


@dataclass(frozen=True)
class Finding:
    """`level` is ok, warning or error."""

    level: str
    text: str


def examine(toolbox: Toolbox) -> Iterator[Finding]:
    """Look at mail, clock, and each server with its rights and storages."""
    yield from _ourselves(toolbox)
    with toolbox.database.open() as session:
        servers = session.scalars(select(Server).order_by(Server.hosts)).all()
        found = {
            server.id: session.scalars(
                select(Service).where(Service.server_id == server.id, Service.status != "terminated").limit(MOST_VMS)
            ).all()
            for server in servers
        }
    for server in servers:
        yield from _server(toolbox, server, list(found[server.id]))


def _ourselves(toolbox: Toolbox) -> Iterator[Finding]:
    if not toolbox.settings.smtp_url and not hasattr(toolbox.host, "send_email"):
        yield Finding("error", "No mail can be sent: PUQ_BACKUPS_SMTP_URL is empty and the host has no send_email.")
    if not toolbox.settings.staff_email:
        yield Finding("warning", "PUQ_BACKUPS_STAFF_EMAIL is empty: staff is not told of trouble.")
    with toolbox.database.open() as session:
        ticked = session.scalar(select(Chore.ran_at).where(Chore.name == "tick"))
    if ticked is None or now() - ticked > timedelta(minutes=10):
        yield Finding("error", "The clock does not tick: run `flask backups clock`, or `tick` from cron each minute.")
    else:
        yield Finding("ok", f"The last tick was at {ticked:%Y-%m-%d %H:%M:%S} UTC.")


def _server(toolbox: Toolbox, server: Server, services: list[Service]) -> Iterator[Finding]:
    name = f"{server.hosts}:{server.port} ({server.token_id})"
    proxmox = toolbox.connect(server)
    try:
        yield Finding("ok", f"{name} answers with version {access.version(proxmox)}.")
        if abs(proxmox.clock_offset) > 60:  # noqa: PLR2004 - a minute is told
            yield Finding("warning", f"{name}: its clock differs from ours by {proxmox.clock_offset:.0f} seconds.")
        for path, wanted in _wanted(services):
            yield from _rights(proxmox, name, path, wanted)
        for storage in sorted({Package.from_json(service.package).storage for service in services}):
            yield from _storage(proxmox, name, storage)
    except ProxmoxError as error:
        yield Finding("error", f"{name}: {error}")


def _wanted(services: list[Service]) -> Iterator[tuple[str, dict[str, str]]]:
    packages = [Package.from_json(service.package) for service in services]
    for vmid in sorted({service.vmid for service in services}):
        yield f"/vms/{vmid}", OF_VM
    for storage in sorted({package.storage for package in packages}):
        yield f"/storage/{storage}", OF_STORAGE
    for bridge in sorted({package.bridge for package in packages if package.bridge}):
        yield f"/sdn/zones/localnetwork/{bridge}", OF_BRIDGE


def _rights(proxmox: Proxmox, name: str, path: str, wanted: dict[str, str]) -> Iterator[Finding]:
    held = access.permissions(proxmox, path).get(path, {})
    for privilege, calls in wanted.items():
        if privilege not in held:
            yield Finding("error", f"{name}: the token lacks {privilege} on {path}, needed for {calls}.")


def _storage(proxmox: Proxmox, name: str, storage: str) -> Iterator[Finding]:
    config = backups.storage_config(proxmox, storage)
    if config is None:
        yield Finding(
            "warning",
            f"{name}: the retention of storage {storage} cannot be seen (Datastore.Audit on it is lacking).",
        )
    elif config.get("prune-backups") and not backups.keeps_all(str(config["prune-backups"])):
        yield Finding(
            "warning",
            f"{name}: storage {storage} has a retention of its own ({config['prune-backups']}); it refuses backups "
            "once its count is reached, or removes them behind our back. Set keep-all=1.",
        )
