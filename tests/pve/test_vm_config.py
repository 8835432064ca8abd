"""A VM's configuration: who it is, its disks, its memory; and the one inside an archive."""

from typing import Any

import pytest

from puq_backups.pve.vm_config import boot_disk, disks, identity, memory_mib, parse_config, unused

CONFIG: dict[str, Any] = {
    "boot": "order=ide2;scsi0;net0", "cores": 2, "memory": "2048", "net0": "virtio=bc:24:11:00:01:00,bridge=vmbr0",
    "ide2": "local:iso/debian.iso,media=cdrom", "ide0": "local-lvm:vm-100-cloudinit,media=cdrom",
    "scsi0": "local-lvm:vm-100-disk-0,size=32G", "scsi1": "local-lvm:vm-100-disk-1,size=64G",
    "scsihw": "virtio-scsi-single", "unused0": "local-lvm:vm-100-disk-2",
    "efidisk0": "local-lvm:vm-100-disk-3,size=528K", "smbios1": "uuid=60318555-FD55-4aec-a858-e75c39d661dd",
    "ide1": "local:100/vm-100-cloudinit.qcow2", "sata0": "none", "sata1": "cdrom",
}  # fmt: skip


def test_disks_are_neither_cdrom_nor_cloud_init_nor_unused() -> None:
    assert list(disks(CONFIG)) == ["scsi0", "scsi1"]
    assert disks(CONFIG)["scsi1"].options == {"size": "64G"}


def test_unused_volumes_are_those_in_no_slot() -> None:
    assert {slot: drive.volid for slot, drive in unused(CONFIG).items()} == {"unused0": "local-lvm:vm-100-disk-2"}


@pytest.mark.parametrize(
    ("boot", "slot"),
    [
        ("order=ide2;scsi1;scsi0", "scsi1"),
        ("order=net0;scsi0", "scsi0"),
        ("order=scsi7;scsi1", "scsi1"),
        ("order=net0", "scsi0"),
        ("cdn", "scsi0"),
        ("", "scsi0"),
        (None, "scsi0"),
    ],
)
def test_the_system_disk_is_the_first_disk_to_boot_from(boot: str | None, slot: str) -> None:
    assert boot_disk(CONFIG | {"boot": boot}) == slot


@pytest.mark.parametrize(
    ("config", "slot"),
    [
        ({"bootdisk": "scsi1", "scsi0": "a:b", "scsi1": "a:c"}, "scsi1"),
        ({"boot": "c", "bootdisk": "ide2", "ide2": "a:x,media=cdrom", "virtio0": "a:c"}, "virtio0"),
        ({"sata0": "a:b", "ide0": "a:c"}, "sata0"),
        ({"scsi5": "a:b"}, "scsi5"),
        ({"memory": "128"}, None),
    ],
)
def test_without_an_order_the_usual_slots_are_looked_at(config: dict[str, Any], slot: str | None) -> None:
    assert boot_disk(config) == slot


@pytest.mark.parametrize(
    ("config", "who"),
    [
        (CONFIG, "uuid:60318555-fd55-4aec-a858-e75c39d661dd"),
        ({"net0": CONFIG["net0"]}, "mac:BC:24:11:00:01:00"),
        ({"smbios1": "manufacturer=x", "net0": CONFIG["net0"]}, "mac:BC:24:11:00:01:00"),
        ({"net0": "virtio,bridge=vmbr0"}, ""),
        ({"memory": "128"}, ""),
    ],
)
def test_identity_is_the_uuid_else_the_mac(config: dict[str, Any], who: str) -> None:
    assert identity(config) == who


@pytest.mark.parametrize(("memory", "mib"), [("2048", 2048), (512, 512), ("current=1024", 1024), (None, 512)])
def test_memory_is_in_mib(memory: Any, mib: int) -> None:
    assert memory_mib({"memory": memory} if memory else {}) == mib


def test_the_configuration_of_an_archive_is_read() -> None:
    text = (
        "boot: order=scsi0;net0\n#customer%3A acme\nname: web100\nscsi0: local:100/vm-100-disk-0.raw,size=64M\n"
        "#qmdump#map:scsi0:drive-scsi0:local:raw:\n#qmdump#map:efidisk0:drive-efidisk0:local-lvm::\n"
        "\n[before]\nname: older\n"
    )

    assert parse_config(text) == {
        "boot": "order=scsi0;net0",
        "name": "web100",
        "scsi0": "local:100/vm-100-disk-0.raw,size=64M",
        "description": "customer: acme",
        "#qmdump#map": {
            "scsi0": {"storage": "local", "format": "raw"},
            "efidisk0": {"storage": "local-lvm", "format": ""},
        },
    }
