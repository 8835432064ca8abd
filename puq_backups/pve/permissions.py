"""The privileges of the API token on paths of Proxmox's access control."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .client import Proxmox


def permissions(proxmox: Proxmox, path: str | None = None) -> dict[str, dict[str, Any]]:
    """What our token may do: {path: {privilege: 1 where it reaches further down}}; `path` asks for one only."""
    return proxmox.get_dict("access", "permissions", path=path)


def missing_privileges(proxmox: Proxmox, paths: Iterable[str], privileges: Iterable[str]) -> list[str]:
    """Which of these privileges our token has on none of these paths.

    On /vms only what reaches further down counts: a right on one VM goes when that VM is destroyed.
    """
    held: set[str] = set()
    for path in paths:
        granted = permissions(proxmox, path).get(path, {})
        held |= {name for name, reaches in granted.items() if path != "/vms" or int(reaches)}
    return [name for name in privileges if name not in held]
