"""Archives that others made: backed up by hand, adopted by staff, imported, and released."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests
from support import world as worlds

from puq_backups.errors import BackupsError
from puq_backups.models.conflicts import repeated
from puq_backups.staff import adopt
from puq_backups.staff.import_services import Import

if TYPE_CHECKING:
    from .registration import Tenant
    from .run import Run

KINDS = ("adopted", "imported")


def back_up_by_hand(run: Run, tenant: Tenant) -> str:
    """Somebody else backs the VM up, without our marker."""
    token, secret = run.world.proxmox.tokens["root"]
    vm = run.world.proxmox.vms.get(tenant.vmid)
    if vm is None:
        return "no VM at this moment of a reinstallation"
    try:
        answer = requests.post(
            f"{run.world.proxmox.url}/api2/json/nodes/{vm.node}/vzdump", data={"vmid": tenant.vmid, "storage": "nfs"},
            headers={"Authorization": f"PVEAPIToken={token}={secret}"}, timeout=60,
        )  # fmt: skip
    except requests.RequestException:
        return "not reached"
    return f"by hand: {answer.status_code}"


def adopt_archive(run: Run, tenant: Tenant) -> str:
    """Staff adopt an archive that somebody else made."""
    foreign = [
        volume for volume in run.world.proxmox.volumes("nfs") if volume.vmid == tenant.vmid and not volume.notes
    ]
    if not foreign:
        return back_up_by_hand(run, tenant)
    volid = run.rng.choice(foreign).volid
    try:
        repeated(adopt.adopt)(run.world.context, tenant.id, worlds.STAFF, volid, "1")
    except BackupsError as error:
        return str(error)
    return "success"


def import_archives(run: Run, tenant: Tenant) -> str:
    """An operator imports the service with the archives that others made."""
    try:
        [result] = Import(run.world.context, write=True).run([run.params(tenant)])
    finally:
        run.note_services()
    run.record.imported += result.imported
    return result.state if result.reason is None else str(result.reason)


def release(run: Run, tenant: Tenant) -> str:
    """The client has the oldest archive that others made count."""
    theirs = [backup for backup in run.world.held(tenant.id) if backup.kind in KINDS and not backup.released_at]
    if not theirs:
        return "nothing to release"
    volid, asked = theirs[0].volid, run.clock.now()
    first = run.record.releases.setdefault(volid, asked)
    answer = run.call("ReleaseBackup", tenant, backup_id=theirs[0].id)
    if answer != "success" and first == asked and not run.record.faulty:
        del run.record.releases[volid]
    return answer
