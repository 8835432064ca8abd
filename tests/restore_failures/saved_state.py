"""Saves the state of the simulated Proxmox and of our database while no task runs, and restores it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import make_url
from support import world as worlds

from puq_backups.simulator.world.state import World

OF_PROXMOX = (
    "nodes", "storages", "volumes", "guests", "pools", "tasks", "conditions", "faults", "flocks", "acl", "quorum",
    "crashes", "pve", "version",
)  # fmt: skip


@dataclass(frozen=True)
class SavedState:
    """Proxmox, our database and some notes at one moment."""

    proxmox: dict[str, Any]
    database: bytes
    notes: dict[str, Any]


def take(world: worlds.World, notes: dict[str, Any]) -> SavedState:
    """Save the state as it is now."""
    assert world.proxmox.idle()
    world.context.database.engine.dispose()
    found = {name: getattr(world.proxmox.world, name) for name in OF_PROXMOX}
    return SavedState(_copy(world.proxmox.world, found), _file(world).read_bytes(), dict(notes))


def go_back(world: worlds.World, saved: SavedState) -> dict[str, Any]:
    """Restore a saved state, and return its notes."""
    world.proxmox._end_workers()
    world.context.database.engine.dispose()
    for suffix in ("-wal", "-shm"):
        Path(f"{_file(world)}{suffix}").unlink(missing_ok=True)
    _file(world).write_bytes(saved.database)
    vars(world.proxmox.world).update(_copy(world.proxmox.world, saved.proxmox))
    world.proxmox.world.rights_changed()
    world.proxmox._seen = []
    return dict(saved.notes)


def _file(world: worlds.World) -> Path:
    return Path(str(make_url(world.app.config["SQLALCHEMY_DATABASE_URI"]).database))


def _copy(state: World, parts: dict[str, Any]) -> dict[str, Any]:
    """A copy of parts of the state. It shares the tasks, which have ended, and what is told of changes."""
    shared = [state, state.clock, state.journal, *parts["tasks"].values()]
    return copy.deepcopy(parts, {id(one): one for one in shared})
