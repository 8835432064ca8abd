"""All served calls: importing this registers them with the router."""

from __future__ import annotations

from . import (
    agent,
    cluster,
    config,
    firewall,
    lifecycle,
    migration,
    power,
    resize,
    restore,
    snapshots,
    status,
    storage,
    taskcalls,
    vzdump,
)

__all__ = [
    "agent",
    "cluster",
    "config",
    "firewall",
    "lifecycle",
    "migration",
    "power",
    "resize",
    "restore",
    "snapshots",
    "status",
    "storage",
    "taskcalls",
    "vzdump",
]
