"""Locks: the flock of processes on files, the lock of a storage, and the `lock` option of a configuration.

A flock ends with the process that holds it; the `lock` option stays until somebody removes it.
"""

from __future__ import annotations

from ..answers import failed
from .model import Guest, Node, Storage
from .state import World
from .task import Task, TaskError


def config_lock(vmid: int) -> str:
    """The file whose flock guards a VM's configuration."""
    return f"/var/lock/qemu-server/lock-{vmid}.conf"


def storage_lock(world: World, storage: str, node: str) -> str:
    """The lock of a storage: cluster-wide for a shared one, a file of the node for others."""
    shared = world.storages[storage].shared
    return f"storage-{storage}" if shared else f"{node}:/var/lock/pve-manager/pve-storage-{storage}"


def flock(world: World, owner: object, name: str, seconds: float) -> bool:
    """Take the lock on a file, waiting so many seconds (not scaled); False where another one keeps it."""

    def ready() -> bool:
        return _is_free(world, owner, name)

    length = world.scaled(seconds)
    got = owner.wait_for(ready, length) if isinstance(owner, Task) else world.wait_for(ready, length)
    if not got and not world.time_scale:
        got = _pass_time(world, name, seconds)
    if got and world.flocks.get(name, (None, None))[0] is not owner:
        world.journal.add("held", name)
    if got:
        world.flocks[name] = (owner, None)
    return got


def _pass_time(world: World, name: str, seconds: float) -> bool:
    """With scale 0 nobody waits, but the time that would pass counts against a lock held for a while."""
    holder, until = world.flocks[name]
    if until is None:
        return False
    world.flocks[name] = (holder, until - seconds)
    return until - seconds <= world.now()


def _is_free(world: World, owner: object, name: str) -> bool:
    holder = world.flocks.get(name)
    if holder is not None and holder[1] is not None and holder[1] <= world.now():
        del world.flocks[name]
        holder = None
    return holder is None or holder[0] is owner


def release(world: World, owner: object, name: str) -> None:
    """Give a lock back."""
    if world.flocks.get(name, (None, None))[0] is owner:
        del world.flocks[name]
        world.journal.add("released", name)
        world.poke()


def release_all(world: World, owner: object) -> None:
    """Give back what an ended process held."""
    for name in [name for name, holder in world.flocks.items() if holder[0] is owner]:
        release(world, owner, name)
    for node in world.nodes.values():
        if node.vzdump_holder == getattr(owner, "upid", ""):
            set_vzdump_holder(world, node, None)


VZDUMP_LOCK = "/var/run/vzdump.lock"


def set_vzdump_holder(world: World, node: Node, holder: str | None) -> None:
    """Give the lock for which the backups of a node queue to a task (its UPID) or to nobody."""
    node.vzdump_holder = holder
    world.journal.add("held" if holder else "released", f"{node.name}:{VZDUMP_LOCK}")
    world.poke()


def take_config_lock(world: World, task: Task, vmid: int, seconds: float = 10) -> None:
    """The flock on a VM's configuration, for the rest of a task."""
    name = config_lock(vmid)
    if flock(world, task, name, 0):
        return
    task.log("trying to acquire lock...")
    if not flock(world, task, name, seconds):
        raise TaskError(f"can't lock file '{name}' - got timeout")
    task.log(" OK")


def refuse_locked(guest: Guest) -> None:
    """Refuse a VM whose configuration carries a lock."""
    if guest.lock:
        raise failed(f"VM is locked ({guest.lock})")


LOCK_SECONDS = 10


def take_storage_lock(world: World, task: Task, storage: Storage, node: str) -> str:
    """The lock that guards changes of a storage; give it back with release."""
    name = storage_lock(world, storage.storage, node)
    if storage.shared and not world.quorum:
        raise TaskError(f"cfs-lock '{name}' error: no quorum!")
    if flock(world, task, name, LOCK_SECONDS):
        return name
    if storage.shared:
        raise TaskError(f"cfs-lock '{name}' error: got lock request timeout")
    raise TaskError(f"can't lock file '{name.partition(':')[2]}' - got timeout")
