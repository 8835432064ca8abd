"""The tick: all time-driven work. Its cost depends on what is due, not on the number of services."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import select

from ..context import Context
from ..errors import ProxmoxError
from ..inventory import sync
from ..mail import delivery, events
from ..models import Server
from ..operations import dispatch, queue, state_changes
from . import empty_bin, expire_safety_copies, periodic, protection, purge_history, purge_terminated, slots

PURGE_INTERVAL = VM_REFRESH_INTERVAL = timedelta(minutes=5)
HISTORY_INTERVAL = timedelta(hours=1)


def tick(context: Context) -> dict[str, int]:
    """One tick; running it twice, or two at once, does no more than one.

    1. Claim due slots, and record the missed ones.
    2. Start waiting operations where a node and storage have capacity.
    3. Enqueue jobs for running operations whose next poll is due.
    4. Mark operations past their deadline as stuck.
    5. Send waiting mails.
    6. Run due chores: sync, VM status, purge, expiry of safety copies, daily tasks.
    7. Store the heartbeat.

    Returns counts by the keys `slots` (services with a due slot), `started`, `rung` (jobs enqueued) and `mails`.
    """
    counts = {"slots": slots.claim_due(context)}
    counts["started"] = start_waiting(context)
    counts["enqueued"] = queue.enqueue_due(context, anyway=True)
    with context.database.begin() as session:
        state_changes.mark_stuck(session, context)
    counts["mails"] = delivery.send_due(context)
    _run_periodic(context)
    periodic.record_heartbeat(context, "tick")
    return counts


def start_waiting(context: Context) -> int:
    """Start waiting operations in queue order where there is capacity. Returns how many were started."""
    return dispatch.start_waiting(context)


def sync_all(context: Context) -> None:
    """Sync backups and VM status of all servers at once, whether due or not."""
    with context.database.open() as session:
        servers = session.scalars(select(Server)).all()
    for server in servers:
        sync.sync_backups(context, server)
        sync.refresh_vms(context, server)


def _refresh_vms(context: Context, server: Server) -> None:
    """Update the VMs of a server. Staff get a mail if it cannot be read: the clients' page shows old facts then."""
    try:
        sync.refresh_vms(context, server)
    except ProxmoxError as error:
        with context.database.begin() as session:
            events.on_server_trouble(session, context, server, error.message)
        raise


def _run_periodic(context: Context) -> None:
    resting = periodic.resting(context)

    def run(name: str, again: timedelta | Callable[[datetime], datetime], work: Callable[[], object]) -> None:
        if name not in resting:
            periodic.run_due(context, name, again, work)

    with context.database.open() as session:
        servers = session.scalars(select(Server)).all()
    for server in servers:
        run(f"sync {server.id}", context.settings.sync_interval, partial(sync.sync_backups, context, server))
        run(f"vms {server.id}", VM_REFRESH_INTERVAL, partial(_refresh_vms, context, server))
    protection.note_silent_storages(context)
    protection.refresh_due(context)
    run("purge", PURGE_INTERVAL, lambda: purge_terminated.purge_due(context))
    run("owners", PURGE_INTERVAL, lambda: purge_terminated.purge_other_owners(context))
    run("history", HISTORY_INTERVAL, lambda: purge_history.purge(context))
    run("bin", PURGE_INTERVAL, lambda: empty_bin.empty(context))
    run("expiry", PURGE_INTERVAL, lambda: expire_safety_copies.remove_expired(context))
    run("daily", periodic.next_midnight, lambda: context.hooks.run("DailyCronJob", context=context))
