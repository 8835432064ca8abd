"""A look at a service's VM as Proxmox has it now: who it is, what holds it, which archives have its number."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from ..context import Context
from ..errors import Message
from ..inventory import locks
from ..models import Operation, Server, Service
from ..pve import tasks, vms
from ..pve.client import Proxmox
from ..pve.upid import Upid
from . import foreign_archives

LINES = 500


@dataclass(frozen=True)
class Look:
    """What was seen. `left_behind`: a lock is set, and neither an operation of ours nor a task we can see runs."""

    node: str
    status: vms.VmStatus
    lock: str
    identity: str
    same: bool
    tasks: list[Upid]
    left_behind: bool
    archives: list[foreign_archives.Foreign]
    troubles: list[Message]

    @property
    def hidden(self) -> int:
        return sum(one.hidden for one in self.archives)


def look(context: Context, service_id: str) -> Look:
    """Ask Proxmox. Raises what it answers where the VM cannot be seen."""
    # What the pages say from last sight is brought up to date as well.
    locks.live_lock_reason(context, service_id)
    with context.database.open() as session:
        service = session.get_one(Service, service_id)
        server = session.get_one(Server, service.server_id)
        ours = session.scalar(select(Operation.id).where(Operation.lock == service_id)) is not None
    proxmox = context.connect(server)
    node = vms.find_node(proxmox, service.vmid) or service.node
    status, config = vms.status(proxmox, node, service.vmid), vms.config(proxmox, node, service.vmid)
    lock, identity = str(config.get("lock") or status.lock or ""), vms.identity(config)
    running = _tasks(proxmox, node, service.vmid)
    found, troubles = foreign_archives.found(context, proxmox, service, node)
    return Look(
        node=node, status=status, lock=lock, identity=identity, same=identity == service.vm_identity, tasks=running,
        left_behind=bool(lock) and not running and not ours, archives=found, troubles=troubles,
    )  # fmt: skip


def _tasks(proxmox: Proxmox, node: str, vmid: int) -> list[Upid]:
    """The tasks of the VM that run on its node. Those of other accounts are seen with Sys.Audit on the node only."""
    running = [Upid.parse(text) for text in sorted(tasks.active(proxmox, node))]
    return [task for task in running if task.id == str(vmid)]


def upids(operation: Operation) -> list[str]:
    """The tasks that an operation has started, the last one last."""
    known = [*operation.data.get("upids", []), *([operation.upid] if operation.upid else [])]
    return list(dict.fromkeys(known))


@dataclass(frozen=True)
class TaskLog:
    """How a task stands (None: Proxmox knows it no more), and the last lines of its log."""

    task: tasks.Task | None
    lines: list[str]


def task_log(context: Context, service: Service, upid: str) -> TaskLog:
    """Ask Proxmox for a task. Raises what it answers."""
    with context.database.open() as session:
        server = session.get_one(Server, service.server_id)
    proxmox = context.connect(server)
    return TaskLog(tasks.status(proxmox, upid), tasks.log(proxmox, upid)[-LINES:])
