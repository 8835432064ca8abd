"""Steps of a client for tests: request a backup or a restore, run it, and read what the client is shown."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date
from typing import Any

from support import world as worlds
from support.waiting import PATIENCE, wait_until

from puq_backups.clock import slots
from puq_backups.errors import Message
from puq_backups.models import Operation, Service, now
from puq_backups.operations import engine, state_changes


def back_up(world: worlds.World) -> Operation:
    """Request a backup of Alice's service "1" and run it to its end, in whatever state."""
    assert world.call("BackupNow") == "success"
    world.drain()
    return world.operations()[-1]


def restore(world: worlds.World, backup_id: str) -> Operation:
    """Request a restore and run it to its end, in whatever state."""
    name = world.proxmox.vm(100).config["name"]
    assert world.call("RestoreBackup", backup_id=backup_id, confirm=name) == "success"
    world.drain()
    return world.operations()[-1]


def run_slot(world: worlds.World, slot_date: str) -> Operation:
    """Run the scheduled backup of a date (YYYY-MM-DD) to the end of its first attempt."""
    with world.context.database.begin() as session:
        slot = slots._new_slot(session, session.get_one(Service, "1"), date.fromisoformat(slot_date), now())
    state_changes.start(world.context, slot.id)
    while engine.advance(world.context, slot.id) or running(world, slot.id):
        pass
    return world.operations()[-1]


def running(world: worlds.World, operation_id: str) -> bool:
    return any(one.id == operation_id and one.state == "running" for one in world.operations())


def advance_until(world: worlds.World, ready: Callable[[Operation], Any], service_id: str = "1") -> Operation:
    """Start the newest operation of a service and advance it until `ready(operation)` is true."""
    operation = world.operations(service_id)[-1]
    state_changes.start(world.context, operation.id)
    wait_until(lambda: ready(world.operations(service_id)[-1]) or _step(world, operation.id), pause=0.005)
    return world.operations(service_id)[-1]


def _step(world: worlds.World, operation_id: str) -> bool:
    engine.advance(world.context, operation_id)
    return False


def drain_while(world: worlds.World, label: str, meanwhile: Callable[[], None]) -> None:
    """Drain the world in a thread. Once the simulator holds the request `label`, call `meanwhile`, then release it.

    So `meanwhile` happens after our last read and before that request takes effect.
    """
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


def client_state(world: worlds.World) -> dict[str, Any]:
    """The answer of `/state` for Alice's service "1"."""
    world.host.actor = worlds.ALICE
    answer = world.app.test_client().get("/services/1/backups/state")
    found: dict[str, Any] = answer.get_json()
    return found


def reason_text(operation: Operation) -> str:
    """Why the operation ended as it did, in English; empty without a reason."""
    return str(operation.why or "")


def warning_texts(operation: Operation) -> list[str]:
    """The warnings of an operation in English."""
    return [str(Message.from_json(stored)) for stored in operation.warnings]


def task_types(world: worlds.World, *wanted: str) -> list[str]:
    """The types of the tasks that Proxmox has run, in order; only those in `wanted`."""
    return [task.type for task in world.proxmox.tasks() if task.type in wanted]
