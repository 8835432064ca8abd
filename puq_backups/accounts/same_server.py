"""Recognizes a server that is reached another way: by host names, or by the VMs that it shows."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..context import Context
from ..models import Server, Service
from ..pve import vms
from ..pve.client import Access, Proxmox

MOST_SERVERS = 50
MOST_VMS = 3
"""VMs of a server that are compared. One VM alone may have been migrated to another cluster."""


def find_same(context: Context, access: Access, service_id: str) -> list[str]:
    """The ids of the recorded servers that `access` reaches. A server is a cluster, or a standalone node.

    A server with a host name and port in common is the same, and so is one whose VMs are seen there with the same
    VMID and identity: that of the service, and where no address is known, any. The service's own comes first. Raises
    ProxmoxError if VMs have to be compared and cannot.
    """
    with context.database.open() as session:
        service = session.get(Service, service_id)
        own = service.server_id if service else None
        servers = session.scalars(select(Server).order_by(Server.hosts)).all()
        known = [server.id for server in servers if _has_address(server, access)]
        compared = [server for server in servers if server.id not in known and (server.id == own or not known)]
        samples = {server.id: _sample(session, server) for server in compared[:MOST_SERVERS]}
    if any(samples.values()):
        proxmox = context.connect_with(access)
        places = vms.locate(proxmox)
        known += [server_id for server_id, services in samples.items() if shows(proxmox, places, services)]
    return sorted(known, key=lambda server_id: server_id != own)


def _has_address(server: Server, access: Access) -> bool:
    return server.port == access.port and bool(set(server.hosts.split(",")) & set(access.hosts))


def _sample(session: Session, server: Server) -> list[Service]:
    ours = select(Service).where(
        Service.server_id == server.id, Service.active_vmid.is_not(None), Service.vm_identity != ""
    )
    return list(session.scalars(ours.order_by(Service.created_at).limit(MOST_VMS)))


def shows(proxmox: Proxmox, places: dict[int, vms.VmPlace], services: list[Service]) -> bool:
    """Whether at least half of the services' VMs are there with their identity."""
    same = sum(_is_there(proxmox, places, service) for service in services)
    return bool(same) and 2 * same >= len(services)


def _is_there(proxmox: Proxmox, places: dict[int, vms.VmPlace], service: Service) -> bool:
    place = places.get(service.vmid)
    if place is None:
        return False
    return vms.identity(vms.config(proxmox, place.node, service.vmid)) == service.vm_identity
