"""The tick: all time-driven work. Its cost depends on what is due, not on the number of services."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import select

from ..context import Context
from ..errors import ProxmoxError
from ..inventory import sync
from ..mail import delivery, trouble
from ..models import Server
from ..operations import dispatch, queue, state_changes
from ..operations.set_aside import RowWork
from . import (
    empty_bin,
    expire_safety_copies,
    periodic,
    protection,
    purge_history,
    purge_terminated,
    slots,
    standstill,
)

log = logging.getLogger("puq_backups.clock")
ChoreWork = tuple[str, timedelta | Callable[[datetime], datetime], Callable[[], object]]
"""Name, pause (or next due time) and work of a periodic task."""
PURGE_INTERVAL = timedelta(minutes=5)
VM_REFRESH_INTERVAL = timedelta(minutes=2)
"""What is seen in two looks is told within five minutes."""
HISTORY_INTERVAL = timedelta(hours=1)


def tick(context: Context) -> dict[str, int]:
    """One tick; running it twice, or two at once, does no more than one.

    1. Claim due slots, and record the missed ones.
    2. Start waiting operations where a node and storage have capacity.
    3. Enqueue jobs for running operations whose next poll is due.
    4. Mark operations past their deadline as stuck.
    5. Send waiting mails.
    6. Run due chores: VM status, purge, expiry of safety copies, daily tasks. Enqueue a sync for each server that is
       due for one.
    7. Store the heartbeat.

    Returns counts by the keys `slots` (services with a due slot), `started`, `enqueued` (jobs) and `mails`. A part
    that fails does not keep the others from running; its error is raised at the end.
    """
    parts: dict[str, Callable[[], int | None]] = {
        "slots": lambda: slots.claim_due(context),
        "started": lambda: start_waiting(context),
        "enqueued": lambda: queue.enqueue_due(context, anyway=True),
        "stuck": lambda: _mark_stuck(context),
        "mails": lambda: delivery.send_due(context),
        "periodic": lambda: _run_periodic(context),
        # A sync, which a worker makes, sees storages again.
        "protection": lambda: protection.note_silent_storages(context) + protection.refresh_due(context),
    }
    counts: dict[str, int] = {}
    errors: list[Exception] = []
    for name, work in parts.items():
        try:
            counts[name] = work() or 0
        except Exception as error:  # noqa: BLE001 - the other parts run all the same
            log.error("tick: %s failed (%s)", name, type(error).__name__)  # noqa: TRY400 - the first one is raised
            errors.append(error)
    periodic.record_heartbeat(context, "tick")
    if errors:
        raise errors[0]
    return {name: counts[name] for name in ("slots", "started", "enqueued", "mails")}


def _mark_stuck(context: Context) -> None:
    with context.database.open() as session:
        late = state_changes.overdue(session)
    rows = RowWork(context, "stuck")
    for operation_id, service_id in late:
        rows.run(operation_id, partial(state_changes.mark_stuck, context, operation_id), service_id)


def start_waiting(context: Context) -> int:
    """Start waiting operations in queue order where there is capacity. Returns how many were started."""
    return dispatch.start_waiting(context)


def start_accepted(context: Context) -> None:
    """Start what was asked for just now. It is accepted already: if this fails, the next tick starts it."""
    try:
        start_waiting(context)
    except Exception:
        log.exception("what was accepted could not be started; the next tick does it")


def sync_all(context: Context, track: Callable[[Sequence[Server]], Iterable[Server]] = iter) -> None:
    """Sync backups and VM status of all servers at once, whether due or not. `track` shows the progress."""
    with context.database.open() as session:
        servers = session.scalars(select(Server)).all()
    for server in track(servers):
        sync.sync_backups(context, server)
        sync.refresh_vms(context, server)


def sync_server(context: Context, server_id: str, progress: Callable[[], None]) -> None:
    """Sync the backups of a server if that is due; no two processes do it at once. `progress` is called meanwhile."""
    with context.database.open() as session:
        server = session.get(Server, server_id)
    if server is None:
        return
    name, work = f"sync {server_id}", partial(sync.sync_backups, context, server, progress)
    again = context.settings.sync_interval
    RowWork(context, "chore").run(name, partial(periodic.run_due, context, name, again, work))


def _refresh_vms(context: Context, server: Server) -> None:
    """Update the VMs of a server, and see what stands still there. Staff get a mail if it cannot be read."""
    try:
        sync.refresh_vms(context, server)
        standstill.look(context, server)
    except ProxmoxError as error:
        with context.database.begin() as session:
            trouble.on_server(session, context, server, error.message)
        raise
    with context.database.begin() as session:
        trouble.over(session, context, "server", server.id)


def _run_periodic(context: Context) -> None:
    with context.database.open() as session:
        servers = session.scalars(select(Server)).all()
    chores: list[ChoreWork] = [
        *((f"vms {server.id}", VM_REFRESH_INTERVAL, partial(_refresh_vms, context, server)) for server in servers),
        ("purge", PURGE_INTERVAL, partial(purge_terminated.purge_due, context)),
        ("owners", PURGE_INTERVAL, partial(purge_terminated.purge_other_owners, context)),
        ("history", HISTORY_INTERVAL, partial(purge_history.purge, context)),
        ("bin", PURGE_INTERVAL, partial(empty_bin.empty, context)),
        ("expiry", PURGE_INTERVAL, partial(expire_safety_copies.remove_expired, context)),
        ("daily", periodic.next_midnight, partial(context.hooks.run, "DailyCronJob", context=context)),
    ]
    resting = periodic.resting(context)
    # A storage with very many backups takes minutes: a worker looks at it, so that nothing here has to wait.
    context.enqueue_syncs([server.id for server in servers if f"sync {server.id}" not in resting])
    due = [chore for chore in chores if chore[0] not in resting]
    rows = RowWork(context, "chore")
    for name, again, work in due:
        rows.run(name, partial(periodic.run_due, context, name, again, work))
