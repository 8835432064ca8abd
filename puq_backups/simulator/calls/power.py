"""Start, stop, shutdown, reboot."""

from __future__ import annotations

from typing import Any

from ..answers import Refusal, bad_parameters, failed
from ..http.router import Call, needs, route
from ..world import access, workers
from ..world.locks import refuse_locked, take_config_lock
from ..world.model import Guest
from ..world.qemu import power_off, power_on, start_qemu
from ..world.state import World
from ..world.task import Task, TaskError

HA_STATES_OFF = "stopped"
SKIPLOCK_TEXT = "Only root may use this option."
POWER = needs("/vms/{vmid}", "VM.PowerMgmt")


ROOT_ONLY = (
    *("stateuri", "skiplock", "keepActive", "migratedfrom", "migration_type", "migration_network", "targetstorage"),
    *("force-cpu", "with-conntrack-state", "nets-host-mtu", "nocheck"),
)
PAUSED = ("paused", "prelaunch", "suspended")


def refuse_skiplock(call: Call) -> None:
    """Only the user root@pam, never a token, may pass over locks, or do what migrations do."""
    for key in ROOT_ONLY:
        if call.params.get(key) and call.caller.id != "root@pam":
            raise bad_parameters({key: SKIPLOCK_TEXT})


def _is_paused(call: Call) -> bool:
    guest = call.world.guests.get(call.vmid)
    return guest is not None and guest.qmpstatus in PAUSED


def _through_ha(call: Call, kind: str, state: str) -> str | None:
    """For a VM under HA the task only asks for a state; the VM follows some time later."""
    guest = call.world.guests.get(call.vmid)
    if guest is None or not guest.ha:
        return None

    def work(task: Task) -> None:
        task.log(f"Requesting HA {kind.removeprefix('ha')} for VM {call.vmid}")
        guest.ha = state

    upid = call.task(kind, call.vmid, work)
    _follow_ha(call, guest, state)
    return upid


def _follow_ha(call: Call, guest: Guest, state: str) -> None:
    """What the node's HA service does once it looks: about ten seconds later."""

    def look() -> None:
        call.world.wait_for(lambda: False, call.world.scaled(10))
        if guest.ha != state or guest.lock:
            return
        if state == "started" and not guest.running:
            power_on(call.world, guest)
        elif state == HA_STATES_OFF and guest.running:
            power_off(call.world, guest)

    call.world.clock.spawn(look, f"ha-{guest.vmid}")


@route("POST", "/nodes/{node}/qemu/{vmid}/status/start", POWER)
def start(call: Call) -> Any:
    """Start a VM, as a task; one under backup whose QEMU is there is resumed."""
    refuse_skiplock(call)
    if not call.world.quorum:
        raise failed("cluster not ready - no quorum?")
    if upid := _through_ha(call, "hastart", "started"):
        return upid

    def work(task: Task) -> None:
        world = call.world
        take_config_lock(world, task, call.vmid)
        guest = world.guest(call.vmid, call.node)
        if guest.is_template:
            raise TaskError("you can't start a vm if it's a template")
        if guest.lock == "backup" and guest.running:
            guest.qmpstatus = "running"
            return
        refuse_locked(guest)
        if guest.running:
            raise TaskError(f"VM {call.vmid} already running")
        start_qemu(world, task, guest)

    return call.task("qmstart", call.vmid, work)


@route("POST", "/nodes/{node}/qemu/{vmid}/status/stop", POWER)
def stop(call: Call) -> Any:
    """Pull the plug, as a task. A lock matters only while the VM runs."""
    refuse_skiplock(call)
    managed = getattr(call.world.guests.get(call.vmid), "ha", None)
    if managed and call.params.get("overrule-shutdown"):
        raise bad_parameters({"overrule-shutdown": "Not applicable for HA resources."})
    if upid := _through_ha(call, "hastop", HA_STATES_OFF):
        return upid

    def work(task: Task) -> None:
        world = call.world
        if call.params.get("overrule-shutdown"):
            _end_shutdowns(call, task)
        take_config_lock(world, task, call.vmid)
        guest = world.guest_to_run(call.vmid, call.node)
        if guest.running:
            refuse_locked(guest)
            task.sleep(world.scaled(world.pace.get("stop", 0)))
            power_off(world, guest)

    return call.task("qmstop", call.vmid, work)


def _end_shutdowns(call: Call, own: Task) -> None:
    """End the tasks that wait for the guest to go, if the caller may."""
    ended = []
    may_end_all = access.may(call.world, call.caller, f"/nodes/{call.node}", "Sys.Modify")
    for task in list(call.world.tasks.values()):
        if not task.running or (task.type, task.id) != ("qmshutdown", str(call.vmid)):
            continue
        if may_end_all or task.caller.id == call.caller.id:
            workers.stop(call.world, task)
            ended.append(task.upid)
    if ended:
        own.log(f"overruled qmshutdown tasks: {', '.join(ended)}")


def _power_down(world: World, task: Task, guest: Guest, timeout: float) -> bool:
    """Ask the guest to go; False if it did not within the time."""
    vmid = guest.vmid
    if not timeout or world.condition("powerdown-ignored", vmid):
        task.sleep(world.scaled(timeout))
        return not guest.running
    needed = world.pace.get("shutdown", 0)
    task.sleep(world.scaled(min(needed, timeout)))
    if needed > timeout:
        return False
    power_off(world, guest)
    return True


@route("POST", "/nodes/{node}/qemu/{vmid}/status/shutdown", POWER)
def shutdown(call: Call) -> Any:
    """Shut a VM down by ACPI or agent, as a task."""
    refuse_skiplock(call)
    paused = _is_paused(call)
    if paused and not call.params.get("forceStop"):
        raise failed("VM is paused - cannot shutdown")
    if upid := _through_ha(call, "hastop", HA_STATES_OFF):
        return upid

    def work(task: Task) -> None:
        world = call.world
        take_config_lock(world, task, call.vmid)
        guest = world.guest_to_run(call.vmid, call.node)
        if not guest.running:
            return
        refuse_locked(guest)
        if paused:
            power_off(world, guest)
            return
        if _power_down(world, task, guest, call.params.get("timeout", 60)):
            return
        if not call.params.get("forceStop"):
            raise TaskError("VM quit/powerdown failed - got timeout")
        task.log("VM still running - terminating now with SIGTERM")
        power_off(world, guest)

    return call.task("qmshutdown", call.vmid, work)


@route("POST", "/nodes/{node}/qemu/{vmid}/status/reboot", POWER)
def reboot(call: Call) -> Any:
    """Shut down and start again, as a task."""
    if _is_paused(call):
        raise failed("VM is paused - cannot shutdown")
    if not call.world.guest_to_run(call.vmid, call.node).running:
        raise failed(f"VM {call.vmid} not running")

    def work(task: Task) -> None:
        world = call.world
        take_config_lock(world, task, call.vmid)
        guest = world.guest(call.vmid, call.node)
        refuse_locked(guest)
        if not _power_down(world, task, guest, call.params.get("timeout", 60)):
            raise TaskError("VM quit/powerdown failed - got timeout")
        start_qemu(world, task, guest)

    return call.task("qmreboot", call.vmid, work)


@route("POST", "/nodes/{node}/qemu/{vmid}/status/reset", POWER)
def reset(call: Call) -> Any:
    """Press the reset button, as a task."""
    refuse_skiplock(call)
    if not call.world.guest_to_run(call.vmid, call.node).running:
        raise failed(f"VM {call.vmid} not running")

    def work(_task: Task) -> None:
        guest = call.world.guest(call.vmid, call.node)
        refuse_locked(guest)
        guest.started = call.world.now(call.node)

    return call.task("qmreset", call.vmid, work)


@route("POST", "/nodes/{node}/qemu/{vmid}/status/suspend", POWER)
def suspend(call: Call) -> Any:
    """Pause a VM, as a task."""
    refuse_skiplock(call)
    if not call.world.guest_to_run(call.vmid, call.node).running:
        raise failed(f"VM {call.vmid} not running")
    if call.params.get("todisk"):
        raise Refusal(501, "the simulator does not serve suspend with 'todisk'")

    def work(task: Task) -> None:
        take_config_lock(call.world, task, call.vmid)
        guest = call.world.guest(call.vmid, call.node)
        if guest.lock != "backup":
            refuse_locked(guest)
        guest.qmpstatus = "paused"

    return call.task("qmpause", call.vmid, work)


@route("POST", "/nodes/{node}/qemu/{vmid}/status/resume", POWER)
def resume(call: Call) -> Any:
    """Let a paused VM run on, as a task."""
    refuse_skiplock(call)
    if not call.world.guest_to_run(call.vmid, call.node).running:
        raise failed(f"VM {call.vmid} not running")

    def work(task: Task) -> None:
        take_config_lock(call.world, task, call.vmid)
        guest = call.world.guest(call.vmid, call.node)
        if guest.lock != "backup":
            refuse_locked(guest)
        guest.qmpstatus = "running"

    return call.task("qmresume", call.vmid, work)
