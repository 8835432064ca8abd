"""What becomes of each VM option: kept, set by the package, or told as coming from the backup."""

from __future__ import annotations

from typing import Any

import pytest

from puq_backups.rules import vm_options
from puq_backups.rules.package import Package

RECORDED = (
    "boot", "cores", "cpu", "description", "digest", "memory", "name", "net0", "numa", "ostype", "protection",
    "scsi0", "scsihw", "smbios1", "sockets", "tags", "vmgenid",
)  # fmt: skip
"""Every option of the VM configurations in recorded exchanges with Proxmox VE 8 and 9."""
MORE = (
    "acpi", "affinity", "agent", "args", "audio0", "autostart", "balloon", "bios", "bootdisk", "cicustom",
    "cipassword", "citype", "ciupgrade", "ciuser", "cpulimit", "cpuunits", "efidisk0", "freeze", "hostpci0",
    "hotplug", "hugepages", "ipconfig0", "ipconfig7", "keyboard", "kvm", "localtime", "machine", "nameserver",
    "net1", "numa0", "onboot", "rng0", "searchdomain", "serial0", "shares", "sshkeys", "startup", "tablet",
    "tpmstate0", "usb0", "vcpus", "vga", "watchdog",
)  # fmt: skip
PACKAGE = Package(cores=2, memory=1024)


@pytest.mark.parametrize("option", [*RECORDED, *MORE])
def test_each_option_is_kept_applied_or_told(option: str) -> None:
    told = vm_options.from_backup({option: "1"}, {option: "2"})
    ways = [vm_options.is_kept(option), bool(vm_options.SKIPPED.fullmatch(option)), told == [option]]

    assert ways.count(True) == 1


def kept(before: dict[str, Any], group: str, package: Package = PACKAGE) -> dict[str, str]:
    return vm_options.kept(before, package, group)


def test_values_of_the_package_are_left_to_its_own_steps() -> None:
    before = {"cores": 4, "sockets": 1, "vcpus": 3, "cpulimit": "2", "memory": "2048", "balloon": 1536, "shares": 5}

    assert kept(before, "cpu") == {"cpulimit": "2"}
    assert kept(before, "memory") == {"balloon": "1024", "shares": "5"}
    assert kept(before, "cpu", Package()) == {"cores": "4", "sockets": "1", "vcpus": "3", "cpulimit": "2"}


def test_vcpus_are_never_more_than_the_cpus() -> None:
    assert kept({"cores": 2, "sockets": 2, "vcpus": 6}, "cpu", Package())["vcpus"] == "4"


@pytest.mark.parametrize(
    ("boot", "fits"),
    [
        ({"boot": "order=scsi0;net0"}, True),
        ({"boot": "order=scsi1"}, False),
        ({"boot": "cdn", "bootdisk": "scsi0"}, True),
        ({"boot": "cdn", "bootdisk": "sata1"}, False),
    ],
)
def test_a_boot_order_is_put_back_only_with_its_devices(boot: dict[str, str], fits: bool) -> None:
    assert vm_options.bootable(boot, {"scsi0": "x", "net0": "y", "memory": 1}) is fits
