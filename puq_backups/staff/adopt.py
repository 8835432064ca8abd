"""Staff actions on foreign archives: adopt as a backup, hide, unhide. The archives themselves are not changed."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..client_area.requests import lock_service
from ..context import Context
from ..errors import BadInput, Refused
from ..host import Actor
from ..inventory import storage_status
from ..models import HiddenVolume, Server, Service, now
from ..models.audit_log import audit
from ..pve import archives, vms
from . import foreign_archives


def adopt(context: Context, service_id: str, actor: Actor, volid: str, confirm: str) -> None:
    """Record a foreign archive as a backup of the service: the client can see and restore it.

    It neither uses quota nor is rotated until it is released.

    Raises Refused if it is gone, already recorded or marked for another client; BadInput unless `confirm` is "1".
    """
    if confirm != "1":
        raise BadInput("confirm", "Confirm that the archive holds this client's own machine.")
    _check(volid)
    with context.database.open() as session:
        service = session.get_one(Service, service_id)
        server = session.get_one(Server, service.server_id)
    proxmox = context.connect(server)
    node = vms.find_node(proxmox, service.vmid) or service.node
    storage = archives.storage_status(proxmox, node, volid.partition(":")[0])
    listed = archives.listing(proxmox, node, storage.storage, service.vmid)
    archive = next((one for one in listed if one.volid == volid), None)
    if archive is None:
        raise Refused("The archive is no longer there.")
    disks = vms.backed_up_disks(archives.archived_config(proxmox, node, volid))
    try:
        with context.database.begin() as session:
            service = lock_service(session, service_id)
            holder = storage_status.save_storage(session, server, storage.storage, node, storage).node
            _record(session, service, archive, holder, disks)
            audit(session, service_id, None, "adopt", f"{volid} is a backup of this service", actor=actor.label)
    except IntegrityError:
        # A sync or another staff member recorded it between the listing and this commit.
        raise Refused("The archive belongs to a service by now.") from None


def _check(volid: str) -> None:
    if not archives.OF_A_VM.fullmatch(volid) or len(volid) > 255:  # noqa: PLR2004 - VARCHAR(255)
        raise BadInput("volid", "{volid} is not the backup of a virtual machine.", volid=repr(volid))


def _record(session: Session, service: Service, archive: archives.Archive, holder: str, disks: int) -> None:
    found = next(iter(foreign_archives.unowned(session, service, [archive])), None)
    if service.status == "terminated":
        raise Refused("The service is terminated.")
    if found is None:
        raise Refused("The archive belongs to a service by now.")
    if found.against:
        raise Refused(found.against.text, **found.against.values)
    foreign_archives.record(session, service, found, holder, disks, "adopted")
    session.execute(delete(HiddenVolume).where(
        HiddenVolume.server_id == service.server_id, HiddenVolume.volid == archive.volid
    ))  # fmt: skip


def hide(context: Context, service_id: str, actor: Actor, volid: str, *, hidden: bool) -> None:
    """Hide a foreign archive from staff, or show it again. Does nothing if that is already so."""
    _check(volid)
    with context.database.begin() as session:
        service = lock_service(session, service_id)
        here = (HiddenVolume.server_id == service.server_id, HiddenVolume.volid == volid)
        known = session.scalar(select(HiddenVolume.id).where(*here)) is not None
        if known == hidden:
            return
        if hidden:
            session.add(HiddenVolume(
                server_id=service.server_id, volid=volid, hidden_at=now(), hidden_by=actor.label[:190]
            ))  # fmt: skip
        else:
            session.execute(delete(HiddenVolume).where(*here))
        said = f"{volid} is {'hidden' if hidden else 'shown again'}"
        audit(session, service_id, None, "hide" if hidden else "unhide", said, actor=actor.label)
