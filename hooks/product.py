"""Module functions of product and server set-up: MetaData, ConfigOptions, TestConnection and the loaders."""

from collections.abc import Mapping
from typing import Any

from puq_backups.accounts.params import server_access
from puq_backups.context import Context
from puq_backups.hook_registry.decorators import module_function
from puq_backups.pve import choices
from puq_backups.pve.client import Proxmox
from puq_backups.pve.version import version
from puq_backups.rules.package import CHOICES, OPTIONS, Package

LOADERS = {
    "storage": "LoadStorages", "additional_storage": "LoadDiskStorages", "restore_storage": "LoadDiskStorages",
    "bridge": "LoadBridges", "template": "LoadTemplates",
}  # fmt: skip
"""The module function that loads the choices of a setting from Proxmox."""

DESCRIPTIONS = {
    "backups": "How many backups a client may have; 0: none.",
    "storage": "The Proxmox storage that backups go to. Needed.",
    "mode": "How the machine is treated meanwhile: snapshot lets it run.",
    "compression": "How backups are compressed; 0: not at all.",
    "cores": "Cores; empty: as they are.",
    "memory": "Memory in MiB; empty: as it is.",
    "system_disk": "Size of the first disk in GiB; it is never made smaller.",
    "system_mbps_rd": "Limit in MB/s; 0: none, empty: as it is.",
    "system_mbps_wr": "Limit in MB/s; 0: none, empty: as it is.",
    "system_iops_rd": "Limit in operations a second; 0: none, empty: as it is.",
    "system_iops_wr": "Limit in operations a second; 0: none, empty: as it is.",
    "additional_disk": "Size of the second disk in GiB; 0 or empty: none is made.",
    "additional_storage": "Where the second disk is made; empty: where the first one is.",
    "additional_mbps_rd": "Limit in MB/s; 0: none, empty: as it is.",
    "additional_mbps_wr": "Limit in MB/s; 0: none, empty: as it is.",
    "additional_iops_rd": "Limit in operations a second; 0: none, empty: as it is.",
    "additional_iops_wr": "Limit in operations a second; 0: none, empty: as it is.",
    "bridge": "The network's bridge, such as vmbr0; empty: as it is.",
    "vlan": "1 to 4094; 0 removes the tag, empty: as it is.",
    "rate": "Limit of the network in MB/s; 0: none, empty: as it is.",
    "template": "The VM that a reinstallation copies; empty: none.",
    "email_restored": "none: the mail after a restore is not sent.",
    "rotation": "before: the oldest backup goes, then the new one is made; after: the other way round.",
    "restore_storage": "Where a restore puts the disks; empty: where they were.",
}
LONG = frozenset({"storage", "additional_storage", "bridge", "email_restored", "restore_storage"})


@module_function
def MetaData() -> dict[str, Any]:
    """Return how WHMCS lists this module."""
    return {
        "DisplayName": "PUQ Backups for Proxmox KVM",
        "APIVersion": "1.1",
        "RequiresServer": True,
        "DefaultSSLPort": "8006",
    }


@module_function
def ConfigOptions() -> dict[str, dict[str, Any]]:
    """Return the 24 product settings, in the order of configoption1 to configoption24."""
    return {title: _option(title, name) for title, name in OPTIONS}


def _option(title: str, name: str) -> dict[str, Any]:
    default = "0" if name == "backups" else getattr(Package(), name) or ""
    found = {"FriendlyName": title, "Type": "text", "Default": default, "Description": DESCRIPTIONS[name]}
    if name in CHOICES:
        return {**found, "Type": "dropdown", "Options": ",".join(CHOICES[name])}
    if name in LOADERS:
        found |= {"Loader": LOADERS[name], "SimpleMode": True}
    return {**found, "Size": "25" if name in LONG else "10"}


@module_function
def TestConnection(context: Context, params: Mapping[str, Any]) -> dict[str, Any]:
    """Ask Proxmox for its version with the server's params. Returns `success` and `error`."""
    version(_proxmox(context, params))
    return {"success": True, "error": ""}


@module_function
def LoadStorages(context: Context, params: Mapping[str, Any]) -> dict[str, str]:
    """Return the storages that hold backups: name to label with type and free space."""
    return choices.storages(_proxmox(context, params), "backup")


@module_function
def LoadDiskStorages(context: Context, params: Mapping[str, Any]) -> dict[str, str]:
    """Return the storages that hold disks: name to label with type and free space."""
    return choices.storages(_proxmox(context, params), "images")


@module_function
def LoadBridges(context: Context, params: Mapping[str, Any]) -> dict[str, str]:
    """Return the bridges: name to label with their nodes."""
    return choices.bridges(_proxmox(context, params))


@module_function
def LoadTemplates(context: Context, params: Mapping[str, Any]) -> dict[str, str]:
    """Return the VM templates: VMID to label with name and node."""
    return choices.templates(_proxmox(context, params))


def _proxmox(context: Context, params: Mapping[str, Any]) -> Proxmox:
    return context.connect_with(server_access(params, context))
