"""Live status of a service's VM, read from Proxmox: status, identity, lock, tasks and foreign archives."""

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

LOG_LINES = 500


@dataclass(frozen=True)
class LiveStatus:
    """What Proxmox reports. `stale_lock`: a lock is set, but neither an operation of ours nor a visible task runs."""

    node: str
    status: vms.VmStatus
    lock: str
    identity: str
    identity_matches: bool
    tasks: list[Upid]
    stale_lock: bool
    archives: list[foreign_archives.ForeignArchive]
    storage_errors: list[Message]

    @property
    def hidden(self) -> int:
        return sum(one.hidden for one in self.archives)


def fetch(context: Context, service_id: str) -> LiveStatus:
    """Read the status from Proxmox. Raises ProxmoxError if the VM cannot be read."""
    # Also refreshes the stored status that the other pages show.
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
    found, storage_errors = foreign_archives.find(context, proxmox, service, node)
    return LiveStatus(
        node=node, status=status, lock=lock, identity=identity,
        identity_matches=identity == service.vm_identity, tasks=running,
        stale_lock=bool(lock) and not running and not ours, archives=found, storage_errors=storage_errors,
    )  # fmt: skip


def _tasks(proxmox: Proxmox, node: str, vmid: int) -> list[Upid]:
    """Return the VM's running tasks on its node. Tasks of other accounts are visible only with Sys.Audit."""
    running = [Upid.parse(text) for text in sorted(tasks.active(proxmox, node))]
    return [task for task in running if task.id == str(vmid)]


def upids(operation: Operation) -> list[str]:
    """Return the UPIDs of the tasks that an operation started, oldest first."""
    known = [*operation.data.get("upids", []), *([operation.upid] if operation.upid else [])]
    return list(dict.fromkeys(known))


@dataclass(frozen=True)
class TaskLog:
    """Status of a task (None: unknown to Proxmox) and the last LOG_LINES lines of its log."""

    task: tasks.Task | None
    lines: list[str]


def task_log(context: Context, service: Service, upid: str) -> TaskLog:
    """Read a task's status and log. Raises ProxmoxError."""
    with context.database.open() as session:
        server = session.get_one(Server, service.server_id)
    proxmox = context.connect(server)
    return TaskLog(tasks.status(proxmox, upid), tasks.log(proxmox, upid)[-LOG_LINES:])
