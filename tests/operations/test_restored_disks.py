"""Disks that a backup lacks, names no storage for, or has at an unusual slot."""

from __future__ import annotations

import pytest
from support import world as worlds
from support.client_steps import restore, warning_texts

from puq_backups.operations import preflight
from puq_backups.operations.steps import backup_contents
from puq_backups.operations.steps.backup_contents import Contents
from puq_backups.pve import vms
from puq_backups.pve.vm_config import parse_config
from puq_backups.rules.package import Package

PASSED_THROUGH = """boot: order=scsi0
scsi0: ceph:vm-100-disk-0,size=32G
scsi1: /dev/disk/by-id/ata-EXAMPLE_0001,size=3907018584K
#qmdump#map:scsi0:drive-scsi0:ceph:raw:
#qmdump#map:scsi1:drive-scsi1::raw:
"""


def test_disk_of_the_node_itself_goes_to_the_default_storage_or_the_packages(world: worlds.World) -> None:
    inside = Contents.of(parse_config(PASSED_THROUGH))

    default = backup_contents.targets(world.client, "pve1", inside, Package())
    named = backup_contents.targets(world.client, "pve1", inside, Package(restore_storage="ceph"))
    assert (default.of, named.of) == ({"scsi0": "ceph", "scsi1": "local"}, {"scsi0": "ceph", "scsi1": "ceph"})
    assert (default.reasons, named.reasons) == ((), ())


@pytest.mark.parametrize(
    ("config", "slot"),
    [
        ({"boot": "order=net0", "scsi7": "local:b", "scsi3": "local:a"}, "scsi3"),
        ({"boot": "cdn", "sata1": "local:a"}, "sata1"),
        (
            {"boot": "order=ide2;net0", "ide2": "none,media=cdrom", "virtio1": "local:a", "scsi2": "local:b"},
            "virtio1",
        ),
        ({"scsi1": "local:b", "virtio0": "local:a"}, "virtio0"),
        ({"boot": "order=ide2", "ide2": "none,media=cdrom"}, None),
    ],
)
def test_system_disk_is_found_at_any_slot(config: dict[str, str], slot: str | None) -> None:
    assert vms.boot_disk(config) == slot


@pytest.mark.flow
def test_efi_disk_and_tpm_added_since_the_backup_are_told_before_and_after(world: worlds.World) -> None:
    backup = world.back_up()
    added = {"efidisk0": "ceph:1,efitype=4m", "tpmstate0": "ceph:1,version=v2.0"}
    vms.set_config(world.client, "pve1", 100, added)
    assert world.proxmox.idle()
    service = world.service()

    plan = preflight.plan_restore(world.client, service, backup, Package.from_json(service.package))
    beforehand = [str(message) for message in plan.warnings]
    operation = restore(world, backup.id)

    for slot in added:
        assert f"The disk {slot} is not in this backup; it is detached, and its data stays unused." in beforehand
    assert operation.state == "done"
    after = "These disks are not part of the backup and are no longer attached: efidisk0, tpmstate0."
    assert after in warning_texts(operation)
