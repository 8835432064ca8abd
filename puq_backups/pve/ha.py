"""High availability: whether the cluster keeps a VM running, taken away and given back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ProxmoxRefused
from . import paths
from .client import Proxmox

OPTIONS = ("comment", "failback", "group", "max_relocate", "max_restart")
"""What an entry may hold besides its state."""


def entry(proxmox: Proxmox, vmid: int) -> dict[str, Any] | None:
    """The VM's entry: `state` and what of OPTIONS is set; None where it has none. Needs Sys.Audit on /."""
    try:
        row = proxmox.get_dict(*_path(vmid))
    except ProxmoxRefused as error:
        if "no such resource" in str(error):
            return None
        raise
    return {key: row[key] for key in ("state", *OPTIONS) if key in row}


def remove(proxmox: Proxmox, vmid: int) -> None:
    """Take the VM's entry away; rules that name it stay. Needs Sys.Console on /."""
    try:
        proxmox.delete(*_path(vmid), purge=0)
    except ProxmoxRefused as error:
        # Before 9.1 there is no such parameter, and rules are left alone anyway.
        if "purge" not in error.errors:
            raise
        proxmox.delete(*_path(vmid))


def add(proxmox: Proxmox, vmid: int, kept: Mapping[str, Any]) -> None:
    """Give the VM an entry as `entry` returned it. Needs Sys.Console on /."""
    proxmox.post("cluster", "ha", "resources", sid=f"vm:{paths.vmid(vmid)}", **kept)


def _path(vmid: int) -> tuple[str, ...]:
    return "cluster", "ha", "resources", paths.service(vmid)
