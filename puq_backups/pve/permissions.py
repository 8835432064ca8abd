"""Privileges of the API token."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .client import Proxmox


def permissions(proxmox: Proxmox, path: str | None = None) -> dict[str, dict[str, Any]]:
    """The token's privileges as {path: {privilege: propagates (0 or 1)}}, of all paths or of one."""
    return proxmox.get_dict("access", "permissions", path=path)


def missing_privileges(proxmox: Proxmox, paths: Iterable[str], privileges: Iterable[str]) -> list[str]:
    """The privileges that the token has on none of these paths.

    On /vms only propagating privileges count, because those on a single VM are dropped when it is destroyed.
    """
    held: set[str] = set()
    for path in paths:
        granted = permissions(proxmox, path).get(path, {})
        held |= {name for name, reaches in granted.items() if path != "/vms" or int(reaches)}
    return [name for name in privileges if name not in held]
