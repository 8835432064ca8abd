"""Moves Alice's service to a storage, and compares its backups with that storage."""

from __future__ import annotations

from support import world as worlds

from puq_backups.inventory import sync as inventory_sync
from puq_backups.models import Server


def sync(world: worlds.World) -> None:
    """Compare the backups of Alice's server with Proxmox."""
    with world.context.database.open() as session:
        server = session.query(Server).one()
    inventory_sync.sync_backups(world.context, server)


def use_storage(world: worlds.World, storage: str, **package: object) -> None:
    """Set the backup storage of Alice's package, and other product settings."""
    assert world.call("ChangePackage", **world.params(storage=storage, **package)) == "success"
