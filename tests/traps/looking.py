"""What the traps have in common: asking for something, and looking at what the client sees of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from support import world as worlds
from support.waiting import PATIENCE, wait_until

from puq_backups.models import Operation
from puq_backups.operations import engine, state_changes


def back_up(world: worlds.World) -> Operation:
    """A backup now, to its end, however that is."""
    assert world.call("BackupNow") == "success"
    world.drain()
    return world.operations()[-1]


def restore(world: worlds.World, backup_id: str) -> Operation:
    """A restore to its end, however that is."""
    name = world.proxmox.vm(100).config["name"]
    assert world.call("RestoreBackup", backup_id=backup_id, confirm=name) == "success"
    world.drain()
    return world.operations()[-1]


def scheduled(world: worlds.World, date: str) -> Operation:
    """A scheduled run of today's slot, to the end of its first attempt."""
    from datetime import date as dates

    from puq_backups.clock import slots
    from puq_backups.models import Service, now

    with world.context.database.begin() as session:
        slot = slots._new_slot(session, session.get_one(Service, "1"), dates.fromisoformat(date), now())
    state_changes.start(world.context, slot.id)
    while engine.advance(world.context, slot.id) or running(world, slot.id):
        pass
    return world.operations()[-1]


def running(world: worlds.World, operation_id: str) -> bool:
    return any(one.id == operation_id and one.state == "running" for one in world.operations())


def advance_until(world: worlds.World, ready: Callable[[Operation], Any], service_id: str = "1") -> Operation:
    """Start the last operation and do its steps until `ready` says so."""
    operation = world.operations(service_id)[-1]
    state_changes.start(world.context, operation.id)
    wait_until(lambda: ready(world.operations(service_id)[-1]) or _step(world, operation.id), pause=0.005)
    return world.operations(service_id)[-1]


def _step(world: worlds.World, operation_id: str) -> bool:
    engine.advance(world.context, operation_id)
    return False


def drain_while(world: worlds.World, label: str, meanwhile: Callable[[], None]) -> None:
    """Work on; what happens `meanwhile` falls between the last look and the request held under `label`."""
    trouble: list[BaseException] = []

    def work() -> None:
        try:
            world.drain()
        except BaseException as error:  # noqa: BLE001 - handed on to the test's own thread
            trouble.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    held = world.proxmox.wait_until_held(label)
    meanwhile()
    world.proxmox.control("release", label=label)
    thread.join(PATIENCE)
    assert (held, trouble) == (True, [])


def seen(world: worlds.World) -> dict[str, Any]:
    """What the client's page shows, as `/state` gives it."""
    world.host.actor = worlds.ALICE
    answer = world.app.test_client().get("/services/1/backups/state")
    found: dict[str, Any] = answer.get_json()
    return found


def said(operation: Operation) -> str:
    return str(operation.why or "")


def warned(operation: Operation) -> list[str]:
    from puq_backups.errors import Message

    return [str(Message.from_json(stored)) for stored in operation.warnings]


def kinds(world: worlds.World, *wanted: str) -> list[str]:
    """The tasks that Proxmox has run, of these types."""
    return [task.type for task in world.proxmox.tasks() if task.type in wanted]
