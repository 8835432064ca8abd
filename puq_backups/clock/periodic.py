"""The periodic tasks: which there are, and how often each runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import select

from ..context import Context
from ..errors import ProxmoxError
from ..inventory import sync
from ..mail import trouble
from ..models import Server
from ..operations.set_aside import RowWork
from . import chores, empty_bin, expire_safety_copies, purge_history, purge_terminated, standstill

Task = tuple[str, timedelta | Callable[[datetime], datetime], Callable[[], object]]
"""Name, pause (or next due time) and work of a periodic task."""
SERVERS = select(Server)
PURGE_INTERVAL = timedelta(minutes=5)
VM_REFRESH_INTERVAL = timedelta(minutes=2)
"""What is seen in two looks is told within five minutes."""
HISTORY_INTERVAL = timedelta(hours=1)


def run_due(context: Context) -> None:
    """Run the tasks that are due, and enqueue a sync for each server that is due for one."""
    with context.database.open() as session:
        servers = session.scalars(SERVERS).all()
    tasks: list[Task] = [
        *((f"vms {server.id}", VM_REFRESH_INTERVAL, partial(_refresh_vms, context, server)) for server in servers),
        ("purge", PURGE_INTERVAL, partial(purge_terminated.purge_due, context)),
        ("owners", PURGE_INTERVAL, partial(purge_terminated.purge_other_owners, context)),
        ("history", HISTORY_INTERVAL, partial(purge_history.purge, context)),
        ("bin", PURGE_INTERVAL, partial(empty_bin.empty, context)),
        ("expiry", PURGE_INTERVAL, partial(expire_safety_copies.remove_expired, context)),
        ("daily", chores.next_midnight, partial(context.hooks.run, "DailyCronJob", context=context)),
    ]
    resting = chores.resting(context)
    # A storage with very many backups takes minutes: a worker looks at it, so that nothing here has to wait.
    context.enqueue_syncs([server.id for server in servers if f"sync {server.id}" not in resting])
    due = [task for task in tasks if task[0] not in resting]
    rows = RowWork(context, "chore")
    for name, again, work in due:
        rows.run(name, partial(chores.run_due, context, name, again, work))


def _refresh_vms(context: Context, server: Server) -> None:
    """Update the VMs of a server, and see what stands still there. Staff get a mail if it cannot be read."""
    try:
        standstill.look(context, server, sync.refresh_vms(context, server).storages)
    except ProxmoxError as error:
        with context.database.begin() as session:
            trouble.on_server(session, context, server, error.message)
        raise


def sync_all(context: Context, track: Callable[[Sequence[Server]], Iterable[Server]] = iter) -> int:
    """Sync backups and VM status of all servers at once, whether due or not. Returns how many servers there are.

    `track` shows the progress.
    """
    with context.database.open() as session:
        servers = session.scalars(SERVERS).all()
    for server in track(servers):
        sync.sync_backups(context, server)
        sync.refresh_vms(context, server)
    return len(servers)


def sync_server(context: Context, server_id: str, progress: Callable[[], None]) -> None:
    """Sync the backups of a server if that is due; no two processes do it at once. `progress` is called meanwhile."""
    with context.database.open() as session:
        server = session.get(Server, server_id)
    if server is None:
        return
    name, work = f"sync {server_id}", partial(sync.sync_backups, context, server, progress)
    again = context.settings.sync_interval
    RowWork(context, "chore").run(name, partial(chores.run_due, context, name, again, work))
