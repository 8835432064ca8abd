"""Choices of a product's form."""

from __future__ import annotations

from typing import Any

import responses

from puq_backups.pve import choices

from .answers import good, proxmox

GIB = 1024**3


def row(storage: str, node: str, status: str = "available", **more: Any) -> dict[str, Any]:
    return {
        "storage": storage, "node": node, "status": status, "content": "backup,images", "plugintype": "dir",
        "disk": 40 * GIB, "maxdisk": 100 * GIB, **more,
    }  # fmt: skip


@responses.activate
def test_storages_show_what_proxmox_calls_available() -> None:
    """A file system reserves some of the rest for root, so it is less than total minus used."""
    offline = row("far", "pve2", "unknown")
    good("GET", "cluster/resources", [row("local", "pve1"), row("local", "pve2", "unknown"), offline])
    good("GET", "nodes/pve1/storage", [
        {"storage": "local", "type": "dir", "active": 1, "total": 100 * GIB, "used": 40 * GIB, "avail": 55 * GIB},
    ])  # fmt: skip

    assert choices.storages(proxmox(), "backup") == {
        "local": "local (dir, 55.0 GiB free)", "far": "far (dir, offline)"
    }  # fmt: skip
