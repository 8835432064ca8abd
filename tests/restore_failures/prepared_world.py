"""A world prepared for the cases: an operation has come to a step, and the state is saved, so that cases begin there.

Alice's VM 101 runs on pve2, its disk is on `ceph`, its backups are on `nfs`. The package differs from the backups in
all that it can, and the VM was changed after them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support import world as worlds
from support.waiting import PATIENCE

from puq_backups.client_area.restore import restore_safety_copy
from puq_backups.models import ACTIVE_STATES, Base, Operation, Service
from puq_backups.operations import dispatch, engine
from puq_backups.simulator import Simulator
from puq_backups.simulator.world.volumes import Volume

from .saved_state import SavedState, go_back, take

VMID = 101
NODE, OTHER_NODE = "pve2", "pve3"
GIB = 1024**3
PRESENT = 9 * GIB
"""The bytes on the disk that are there when the operation begins; the backups hold others."""
PACKAGE: dict[str, Any] = {
    "storage": "nfs", "cores": 3, "memory": 4096, "system_disk": 40, "system_mbps_rd": 50, "vlan": 7,
    "additional_disk": 2, "additional_storage": "ceph", "additional_mbps_rd": 60, "template": 9000,
}  # fmt: skip
RULES = [{"type": "in", "action": "ACCEPT", "enable": 1, "dport": "443"}]


@dataclass
class PreparedWorld:
    """A world in which an operation has come to `step`. `notes` names what the case is about."""

    world: worlds.World
    step: str = ""
    notes: dict[str, Any] = field(default_factory=dict)
    lifted: bool = False
    saved_states: dict[tuple[str, str], dict[str, SavedState]] = field(default_factory=dict)

    @property
    def proxmox(self) -> Simulator:
        return self.world.proxmox

    @property
    def operation(self) -> Operation:
        """The operation that the case is about."""
        with self.world.context.database.open() as session:
            return session.get_one(Operation, self.notes["operation"])

    def is_live(self) -> bool:
        return self.operation.state in ACTIVE_STATES

    def set_to(self, operation: str, step: str, pve: str) -> None:
        """Go to where this step is the next; the first time by going through the whole operation."""
        if (operation, pve) not in self.saved_states:
            self.saved_states[operation, pve] = dict(_through(self, operation, pve))
        self.notes = go_back(self.world, self.saved_states[operation, pve][step])
        self.step, self.lifted = step, False

    def go_on(self) -> None:
        """Work until the operation has ended; what only waits for the end of the trouble gets it."""
        give_up = time.monotonic() + PATIENCE
        dispatch.start_waiting(self.world.context)
        while self.is_live():
            assert time.monotonic() < give_up, (vars(self.operation), self.proxmox.requests()[-5:])
            while engine.advance(self.world.context, self.notes["operation"]):
                pass
            if self.waits():
                self.lift()
            time.sleep(0.003)

    def waits(self) -> bool:
        """Whether the operation has met the same trouble again and again."""
        failed = [task for task in self.proxmox.tasks("qmstop") if task.exitstatus not in {None, "OK"}]
        return int(self.operation.data.get("tries") or 0) > 1 or len(failed) > 1

    def lift(self) -> None:
        """End the trouble, as time or staff would."""
        control = self.proxmox.control
        self.lifted = True
        control("release")
        control("node-online", node=NODE)
        for name in ("nfs", "pbs", "ceph"):
            control("storage-online", storage=name)
            control("storage-full", storage=name, full=False)
        for name in ("slow-restore", "backup-error", "start-fail", "powerdown-ignored"):
            control("clear", of=name, vmid=VMID)
        if VMID in self.proxmox.vms:
            control("operator-unlock", vmid=VMID)


@contextmanager
def opened(proxmox: Simulator, folder: Path, redis_url: str) -> Iterator[PreparedWorld]:
    """A world with a database of its own in `folder`; tasks take no time, and lost ones are given up soon."""
    from support import databases

    world = worlds.make(
        proxmox, databases.sqlite_file(folder), redis_url, staff_email="staff@example.net",
        smtp_url="smtp://127.0.0.1:1", mail_from="backups@example.net",
    )  # fmt: skip
    settings = world.context.settings
    vars(settings).update(poll=settings.poll / 5, settle=settings.settle / 5)
    yield PreparedWorld(world)
    world.context.database.engine.dispose()


def _through(prepared: PreparedWorld, operation: str, pve: str) -> Iterator[tuple[str, SavedState]]:
    """Go through the operation once and save the state at each step that it comes to."""
    _begin(prepared, pve)
    prepared.notes["operation"] = ASKED[operation](prepared)
    prepared.notes["tasks"] = len(prepared.proxmox.tasks())
    dispatch.start_waiting(prepared.world.context)
    seen = set()
    while prepared.is_live():
        step = prepared.operation.step
        if step not in seen:
            seen.add(step)
            yield step, take(prepared.world, prepared.notes)
        while prepared.is_live() and prepared.operation.step == step:
            engine.advance(prepared.world.context, prepared.notes["operation"])
            time.sleep(0.002)
    assert prepared.operation.state == "done", (operation, prepared.operation.why)


def _begin(prepared: PreparedWorld, pve: str) -> None:
    world, proxmox = prepared.world, prepared.proxmox
    proxmox.reset(pve=pve)
    with world.context.database.begin() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())
    world.register("1", VMID, **PACKAGE)
    vm = proxmox.vm(VMID)
    vm.firewall_rules = [{**rule, "comment": "former"} for rule in RULES]
    good, other = world.back_up(), world.back_up()
    system_disk(prepared).data = PRESENT
    proxmox.control("vm-config", vmid=VMID, set={"description": "as it is now", "protection": 1})
    vm.firewall_rules = [dict(rule) for rule in RULES]
    prepared.notes = {"good": good.id, "other": other.id, "volid": good.volid}


def let_reinstall(prepared: PreparedWorld) -> None:
    """Give the service's token the rights that a reinstallation needs beyond the minimal ones, of a VM under HA."""
    control = prepared.proxmox.control
    control("acl", path="/", user="panel@pve!puq", role="PanelReinstall")
    for user in ("panel@pve", "panel@pve!puq"):
        control("acl", path="/", user=user, role="Console", privileges=["Sys.Console", "Pool.Audit"])


def system_disk(prepared: PreparedWorld) -> Volume | None:
    """The volume that is the VM's system disk; None where there is none."""
    vm = prepared.proxmox.vms.get(VMID)
    volid = str(vm.config.get("scsi0", "")).partition(",")[0] if vm else ""
    return prepared.proxmox.world.volume(volid, vm.node) if vm and volid else None


def _restore(prepared: PreparedWorld, safety_copy: str = "0") -> str:
    answer = prepared.world.call(
        "RestoreBackup", backup_id=prepared.notes["good"], confirm="db101", safety_copy=safety_copy
    )
    assert answer == "success", answer
    return prepared.world.operations()[-1].id


def _fail(prepared: PreparedWorld, safety_copy: str = "0") -> str:
    """A restore that failed half-way: its archive was damaged, and is whole again."""
    archive = next(one for one in prepared.proxmox.volumes("nfs") if one.volid == prepared.notes["volid"])
    archive.damaged = True
    prepared.notes["failed"] = prepared.notes["operation"] = _restore(prepared, safety_copy)
    prepared.go_on()
    archive.damaged = False
    with prepared.world.context.database.open() as session:
        assert session.get_one(Service, "1").restore_failed == prepared.notes["failed"], prepared.operation.why
    return str(prepared.notes["failed"])


def _back(prepared: PreparedWorld) -> str:
    return restore_safety_copy(prepared.world.context, "1", worlds.ALICE, _fail(prepared, "1"))


def _retry(prepared: PreparedWorld) -> str:
    assert prepared.world.call("RetryRestore", operation_id=_fail(prepared)) == "success"
    return prepared.world.operations()[-1].id


def _reinstall(prepared: PreparedWorld) -> str:
    let_reinstall(prepared)
    _fail(prepared)
    prepared.proxmox.control("ha", vmid=VMID, state="stopped")
    assert prepared.world.call("Reinstall", confirm="REINSTALL") == "success"
    return prepared.world.operations()[-1].id


ASKED: dict[str, Callable[[PreparedWorld], str]] = {
    "restore": _restore,
    "restore with a safety copy": lambda prepared: _restore(prepared, "1"),
    "retry": _retry,
    "back": _back,
    "reinstall": _reinstall,
}
"""How each operation is asked for: its id."""
