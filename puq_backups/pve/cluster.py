"""What a cluster lists in one answer: its VMs and its storages."""

from __future__ import annotations

from dataclasses import dataclass

from . import storages, vms
from .client import Proxmox


@dataclass(frozen=True)
class Resources:
    """VMs by VMID, and by (node, name) whether each storage answers."""

    vms: dict[int, vms.VmPlace]
    storages: dict[tuple[str, str], bool]


def resources(proxmox: Proxmox) -> Resources:
    """All VMs and storages that the token may see, by one call; the answer lags by some seconds.

    Expensive on a large cluster: call it at most once a minute.
    """
    rows = proxmox.get_list("cluster", "resources")
    return Resources(vms.places(rows), storages.availability(rows))
