"""High-availability (HA) entries of VMs: read, remove, add."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ProxmoxRefused
from . import paths
from .client import Proxmox

OPTIONS = ("comment", "failback", "group", "max_relocate", "max_restart")
"""Fields of an entry besides its state."""


def entry(proxmox: Proxmox, vmid: int) -> dict[str, Any] | None:
    """Read the VM's entry: `state` and the OPTIONS that are set. None if it has none. Needs Sys.Audit on /."""
    try:
        row = proxmox.get_dict(*_path(vmid))
    except ProxmoxRefused as error:
        if "no such resource" in str(error):
            return None
        raise
    return {key: row[key] for key in ("state", *OPTIONS) if key in row}


def remove(proxmox: Proxmox, vmid: int) -> None:
    """Remove the VM's entry; HA rules that name the VM stay. Needs Sys.Console on /."""
    try:
        proxmox.delete(*_path(vmid), purge=0)
    except ProxmoxRefused as error:
        # Proxmox before 9.1 does not know this parameter and never removes rules.
        if "purge" not in error.errors:
            raise
        proxmox.delete(*_path(vmid))


def add(proxmox: Proxmox, vmid: int, kept: Mapping[str, Any]) -> None:
    """Add an entry as returned by `entry`. Needs Sys.Console on /."""
    proxmox.post("cluster", "ha", "resources", sid=f"vm:{paths.vmid(vmid)}", **kept)


def _path(vmid: int) -> tuple[str, ...]:
    return "cluster", "ha", "resources", paths.service(vmid)
