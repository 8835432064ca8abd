"""Archives of others on a service's staff page: hidden, shown, adopted."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from support import world as worlds

from puq_backups.models import Backup, HiddenVolume

from .admin_service_helpers import AT, audit
from .client_pages import visible_text
from .staff_pages import StaffPages


@pytest.mark.flow
def test_foreign_archive_is_hidden_and_shown_again(world: worlds.World, admin: StaffPages) -> None:
    world.back_up("ours")
    volid = stray(world)
    assert volid in admin.read(f"{AT}/proxmox")
    assert "ours" not in admin.read(f"{AT}/proxmox")

    assert admin.post(f"{AT}/hide", volid=volid, hidden="1").status_code == 303
    hidden = admin.read(f"{AT}/proxmox")
    all_of_them = admin.read(f"{AT}/proxmox", hidden="1")
    assert admin.post(f"{AT}/hide", volid=volid, hidden="0").status_code == 303

    assert volid not in hidden
    assert "Show 1 hidden one too" in hidden
    assert volid in all_of_them
    assert volid in admin.read(f"{AT}/proxmox")
    assert audit(world, "hide") == [("staff (Steve)", f"{volid} is hidden")]
    assert admin.post(f"{AT}/hide", volid="local:vm-100-disk-0", hidden="1").status_code == 400


def stray(world: worlds.World) -> str:
    """An archive of VM 100 that lost its row and its marker."""
    backup = world.back_up("stray")
    for volume in world.proxmox.volumes("local"):
        if volume.volid == backup.volid:
            volume.notes = "made by hand"
    with world.context.database.begin() as session:
        session.delete(session.get_one(Backup, backup.id))
    return backup.volid


@pytest.mark.flow
def test_foreign_archive_is_adopted_and_restored(world: worlds.World, admin: StaffPages) -> None:
    volid = stray(world)

    unconfirmed = admin.post(f"{AT}/adopt", volid=volid)
    assert admin.post(f"{AT}/hide", volid=volid, hidden="1").status_code == 303
    assert admin.post(f"{AT}/adopt", volid=volid, confirm="1").status_code == 303
    twice = admin.post(f"{AT}/adopt", volid=volid, confirm="1")

    assert (unconfirmed.status_code, "Confirm that the archive" in visible_text(unconfirmed)) == (400, True)
    assert (twice.status_code, "belongs to a service by now" in visible_text(twice)) == (409, True)
    [backup] = world.held()
    assert (backup.volid, backup.kind, backup.note, backup.node) == (volid, "adopted", "made by hand", "pve1")
    assert backup.size
    assert backup.disks == 1
    assert audit(world, "adopt") == [("staff (Steve)", f"{volid} is a backup of this service")]
    with world.context.database.open() as session:
        assert session.scalars(select(HiddenVolume)).all() == []
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    world.drain()
    assert world.operations()[-1].state == "done"


@pytest.mark.flow
def test_archive_marked_for_another_client_is_not_adopted(world: worlds.World, admin: StaffPages) -> None:
    volid = stray(world)
    token = world.service("2").token
    for volume in world.proxmox.volumes("local"):
        if volume.volid == volid:
            volume.notes = f"bob's [puqb:{token}.0123456789abcdef]"

    assert "It is marked as a backup of another client's service (2)." in admin.read(f"{AT}/proxmox")
    refused = admin.post(f"{AT}/adopt", volid=volid, confirm="1")

    assert (refused.status_code, world.held()) == (409, [])
