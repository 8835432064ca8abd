"""The options of a VM: their schema, and which privilege changes them."""

from __future__ import annotations

import re

from .parameters import BOOLEAN, Param, Schema, dns_format, storage_format, vmid_format
from .property_strings import agent_format, drive_format, memory_format, net_format

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
CPU = Param("integer", minimum=1)

CPU_KEYS = ("affinity", "cores", "cpu", "cpulimit", "cpuunits", "numa", "smp", "sockets", "vcpus")
MEMORY_KEYS = ("allow-ksm", "balloon", "hugepages", "keephugepages", "memory", "shares")
HARDWARE_KEYS = ("acpi", "amd-sev", "audio0", "bios", "hotplug", "kvm", "machine", "rng0", "scsihw", "smbios1")
HARDWARE_MORE = (
    "arch",
    "intel-tdx",
    "ivshmem",
    "localtime",
    "spice_enhancements",
    "tablet",
    "vga",
    "vmgenid",
    "watchdog",
)
OPTION_KEYS = ("agent", "autostart", "description", "freeze", "hookscript", "keyboard", "name", "onboot")
OPTION_MORE = ("ostype", "protection", "reboot", "startdate", "startup", "tags", "tdf", "template")
CLOUDINIT_KEYS = ("cicustom", "cipassword", "citype", "ciupgrade", "ciuser", "nameserver", "searchdomain", "sshkeys")
DISK_KEYS = ("boot", "bootdisk", "cdrom", "vmstatestorage")
BOOLEANS = ("acpi", "autostart", "ciupgrade", "freeze", "keephugepages", "kvm", "localtime", "numa", "onboot")
BOOLEANS_MORE = ("protection", "reboot", "tablet", "tdf", "template", "allow-ksm")
RAW_ONLY_ROOT = ("args", "lock", "migrate_downtime", "migrate_speed", "parent", "snaptime", "vmstate")
FAST = {*OPTION_KEYS, *OPTION_MORE, "hotplug", "shares", "cpuunits", "cpulimit", "affinity", "balloon"} - {
    "agent",
    "ostype",
    "freeze",
    "localtime",
    "template",
}
"""Options that take effect on a running VM at once."""


def tags_format(value: str) -> str | None:
    """A list of tags."""
    bad = [tag for tag in re.split(r"[;,\s]", value) if tag and not re.fullmatch(r"[a-zA-Z0-9_][\w\-+.]*", tag)]
    return "invalid characters in tag\n" if bad else None


def _net_list(value: str) -> str | None:
    return None if re.fullmatch(r"[0-9a-fA-F.:\s,;]*", value) else "value does not look like a valid address list\n"


OPTIONS: Schema = {
    **{
        key: Param()
        for key in (
            *CPU_KEYS,
            *MEMORY_KEYS,
            *HARDWARE_KEYS,
            *HARDWARE_MORE,
            *OPTION_KEYS,
            *OPTION_MORE,
            *CLOUDINIT_KEYS,
            *DISK_KEYS,
            *IPCONFIGS,
            *(
                f"{kind}{n}"
                for kind in ("hostpci", "usb", "serial", "parallel", "numa", "virtiofs")
                for n in range(10)
            ),
        )
    },
    **dict.fromkeys((*BOOLEANS, *BOOLEANS_MORE), BOOLEAN),
    **{key: Param(format=drive_format(key)) for key in DRIVE_SLOTS},
    **{key: Param(format=net_format) for key in NETS},
    "lock": Param(
        enum=(
            "backup",
            "clone",
            "create",
            "migrate",
            "rollback",
            "snapshot",
            "snapshot-delete",
            "suspending",
            "suspended",
        )
    ),
    "args": Param(),
    "cores": CPU,
    "sockets": CPU,
    "vcpus": CPU,
    "cpulimit": Param("number", minimum=0, maximum=128),
    "cpuunits": Param("integer", minimum=1, maximum=262144),
    "memory": Param(format=memory_format),
    "balloon": Param("integer", minimum=0),
    "shares": Param("integer", minimum=0, maximum=50000),
    "name": Param(format=dns_format),
    "description": Param(max_length=8192),
    "tags": Param(format=tags_format),
    "agent": Param(format=agent_format),
    "ostype": Param(
        enum=(
            "other",
            "wxp",
            "w2k",
            "w2k3",
            "w2k8",
            "wvista",
            "win7",
            "win8",
            "win10",
            "win11",
            "l24",
            "l26",
            "solaris",
        )
    ),
    "scsihw": Param(enum=("lsi", "lsi53c810", "virtio-scsi-pci", "virtio-scsi-single", "megasas", "pvscsi")),
    "bios": Param(enum=("seabios", "ovmf")),
    "citype": Param(enum=("configdrive2", "nocloud", "opennebula")),
    "nameserver": Param(format=_net_list),
    "vmstatestorage": Param(format=storage_format),
    "bootdisk": Param(pattern=r"(ide|sata|scsi|virtio)\d+"),
    "boot": Param(pattern=r"([acdn]{1,4}|(legacy=[acdn]{1,4}|order=[\w;]*)(,.*)?)"),
    "cdrom": Param(),
}
CHANGE: Schema = {
    "delete": Param(),
    "revert": Param(),
    "force": BOOLEAN,
    "digest": Param(max_length=40),
    "skiplock": BOOLEAN,
    "import-working-storage": Param(format=storage_format),
}
ANY_CONFIG_PRIVILEGE = tuple(
    f"VM.Config.{name}" for name in ("Disk", "CDROM", "CPU", "Memory", "Network", "HWType", "Options", "Cloudinit")
)
CREATE: Schema = {
    "vmid": Param("integer", optional=False, format=vmid_format, minimum=100, maximum=999_999_999),
    "archive": Param(max_length=255),
    "force": Param("boolean", requires="archive"),
    "storage": Param(format=storage_format),
    "unique": Param("boolean", requires="archive"),
    "start": BOOLEAN,
    "live-restore": Param("boolean", requires="archive"),
    "bwlimit": Param("integer", minimum=0),
    "pool": Param(),
    "import-working-storage": Param(format=storage_format),
}


def privileges_for(key: str) -> tuple[str, ...]:
    """Which privileges change an option (any of them does); empty where only root@pam may."""
    if key in CPU_KEYS:
        return ("VM.Config.CPU",)
    if key in MEMORY_KEYS:
        return ("VM.Config.Memory",)
    if key in NETS:
        return ("VM.Config.Network",)
    if key in CLOUDINIT_KEYS or key in IPCONFIGS:
        return ("VM.Config.Cloudinit", "VM.Config.Network")
    if key in (*DRIVE_SLOTS, *UNUSED_SLOTS, *DISK_KEYS):
        return ("VM.Config.Disk",)
    if key in (*HARDWARE_KEYS, *HARDWARE_MORE) or re.match(r"(usb|serial|parallel|audio)\d+$", key):
        return ("VM.Config.HWType",)
    if key in RAW_ONLY_ROOT or re.match(r"hostpci\d+$", key):
        return ()
    return ("VM.Config.Options",)
