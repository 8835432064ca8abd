"""Moving a VM to another node."""

from __future__ import annotations

from typing import Any

from ..answers import bad_parameters, failed
from ..http.router import Call, needs, route
from ..world.guests import move
from ..world.locks import refuse_locked, take_config_lock
from ..world.task import Task


@route("POST", "/nodes/{node}/qemu/{vmid}/migrate", needs("/vms/{vmid}", "VM.Migrate"))
def migrate(call: Call) -> Any:
    """Migrate a VM, as a task; it carries the lock `migrate` meanwhile."""
    world, target = call.world, str(call.params["target"])
    if target not in world.nodes:
        raise bad_parameters({"target": f"no such cluster node '{target}'"})
    if target == call.node:
        raise bad_parameters({"target": "target is local node."})
    guest = world.guest(call.vmid, call.node)
    if guest.running and not call.params.get("online"):
        raise failed("can't migrate running VM without --online")

    def work(task: Task) -> None:
        take_config_lock(world, task, call.vmid)
        found = world.guest(call.vmid, call.node)
        refuse_locked(found)
        task.log(f"starting migration of VM {call.vmid} to node '{target}'")
        found.config["lock"] = "migrate"
        try:
            task.sleep(world.scaled(world.pace.get("migrate", 0)))
        finally:
            found.config.pop("lock", None)
        move(world, found, target)
        task.log("migration finished successfully (duration 00:00:01)")

    return call.task("qmigrate", call.vmid, work)
