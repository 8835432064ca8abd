"""The version of a Proxmox server."""

from __future__ import annotations

from .client import Proxmox


def version(proxmox: Proxmox) -> str:
    """The version of Proxmox VE, as in "9.2.11"."""
    return str(proxmox.get_dict("version").get("version", ""))
