"""What the tests of storages share."""

from __future__ import annotations

from support import world as worlds

from puq_backups.inventory import sync as inventory_sync
from puq_backups.models import Server


def sync(world: worlds.World) -> None:
    with world.context.database.open() as session:
        server = session.query(Server).one()
    inventory_sync.sync_backups(world.context, server)


def on(world: worlds.World, storage: str, **package: object) -> None:
    assert world.call("ChangePackage", **world.params(storage=storage, **package)) == "success"
