"""The options of a VM: their slots, and which privilege changes them."""

from __future__ import annotations

import re

from .parameters import Param, call_schema

IDE = tuple(f"ide{n}" for n in range(4))
SCSI = tuple(f"scsi{n}" for n in range(31))
VIRTIO = tuple(f"virtio{n}" for n in range(16))
SATA = tuple(f"sata{n}" for n in range(6))
SPECIAL = ("efidisk0", "tpmstate0")
DRIVE_SLOTS = (*IDE, *SCSI, *VIRTIO, *SATA, *SPECIAL)
"""In the order in which Proxmox enumerates them in its own error texts."""
UNUSED_SLOTS = tuple(f"unused{n}" for n in range(256))
NETS = tuple(f"net{n}" for n in range(32))
IPCONFIGS = tuple(f"ipconfig{n}" for n in range(32))
CPU_KEYS = ("cores", "cpu", "cpulimit", "cpuunits", "numa", "smp", "sockets", "vcpus")
MEMORY_KEYS = ("allow-ksm", "balloon", "memory", "shares")
HARDWARE_KEYS = (
    *("acpi", "audio0", "hotplug", "kvm", "machine", "rng0", "scsihw", "smbios1", "tablet", "vga", "watchdog"),
)
OPTION_KEYS = (
    *("agent", "autostart", "bios", "description", "keyboard", "localtime", "migrate_downtime", "migrate_speed"),
    *("name", "onboot", "ostype", "protection", "reboot", "startdate", "startup", "tags", "tdf", "template"),
)
CLOUDINIT_KEYS = ("cicustom", "cipassword", "citype", "ciupgrade", "ciuser", "nameserver", "searchdomain", "sshkeys")
DISK_KEYS = ("boot", "bootdisk", "vmstatestorage")
DEVICE = re.compile(r"(serial|usb|hostpci|virtiofs)\d+")
"""Options whose privilege depends on their value."""
FAST = (
    *("description", "hookscript", "migrate_downtime", "migrate_speed", "name", "onboot", "protection", "shares"),
    *("startup", "tags", "vmstatestorage", *CLOUDINIT_KEYS, *IPCONFIGS),
)
"""Options that QEMU has nothing to do with: a running VM takes them at once."""


def option(name: str, pve: str) -> Param | None:
    """What the schema says about an option of a VM; None where there is no such option."""
    return (call_schema("POST /nodes/{node}/qemu", pve) or {}).get(name)


CHANGE = ("delete", "revert", "force", "digest", "skiplock", "import-working-storage", "background_delay")
"""Parameters of a change of the configuration that are no options."""
ANY_CONFIG_PRIVILEGE = tuple(
    f"VM.Config.{name}" for name in ("Disk", "CDROM", "CPU", "Memory", "Network", "HWType", "Options", "Cloudinit")
)
CREATE = (
    *("vmid", "archive", "force", "storage", "unique", "start", "live-restore", "bwlimit", "pool", "ha-managed"),
    "import-working-storage",
)
"""Parameters of POST /nodes/{node}/qemu that are no options."""


def privileges_for(key: str) -> tuple[str, ...]:
    """Which privileges change an option (any of them does); empty where only root@pam may."""
    if key in CPU_KEYS or re.fullmatch(r"numa\d+", key):
        return ("VM.Config.CPU",)
    if key in MEMORY_KEYS:
        return ("VM.Config.Memory",)
    if key in NETS:
        return ("VM.Config.Network",)
    if key in CLOUDINIT_KEYS or key in IPCONFIGS:
        return ("VM.Config.Cloudinit", "VM.Config.Network")
    if key in DISK_KEYS:
        return ("VM.Config.Disk",)
    if key in HARDWARE_KEYS:
        return ("VM.Config.HWType",)
    if key == "freeze":
        return ("VM.PowerMgmt",)
    return ("VM.Config.Options",) if key in OPTION_KEYS else ()
