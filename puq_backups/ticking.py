"""The tick: what time brings about. Its cost depends on what is due, never on how many services there are."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from sqlalchemy import select

from . import accounts, chores, expiring, mailing, queueing, slots, syncing
from .models import Server
from .operations import engine
from .toolbox import Toolbox

PURGE_EVERY = LOOK_EVERY = timedelta(minutes=5)


def tick(toolbox: Toolbox) -> dict[str, int]:
    """One tick; running it twice, or two at once, does no more than one.

    1. Claim due slots; 2. among them record those that were missed. 3. Start waiting operations where there is
    room. 4. Ring for operations whose time has come. 5. Mark those past their deadline. 6. Send mail that waits.
    7. Do due housekeeping. 8. Beat the heart.
    """
    counts = {"slots": slots.claim_due(toolbox)}
    counts["started"] = start_waiting(toolbox)
    counts["rung"] = queueing.ring_due(toolbox, anyway=True)
    with toolbox.database.begin() as session:
        engine.mark_stuck(session, toolbox)
    counts["mails"] = mailing.send_due(toolbox)
    _housekeeping(toolbox)
    chores.beat(toolbox, "tick")
    return counts


def start_waiting(toolbox: Toolbox) -> int:
    """Start what waits, in turn, wherever a node has room: how many were started."""
    with toolbox.database.open() as session:
        order = [
            operation.id
            for server_id in queueing.servers_waiting(session)
            for operation in queueing.in_order(session, server_id)
        ]
    started = [operation_id for operation_id in order if engine.start(toolbox, operation_id)]
    toolbox.ring(started)
    return len(started)


def sync_all(toolbox: Toolbox) -> None:
    """Compare our backups with every server's storages, now."""
    with toolbox.database.open() as session:
        servers = session.scalars(select(Server)).all()
    for server in servers:
        syncing.sync(toolbox, server)
        syncing.look_at_vms(toolbox, server)


def _housekeeping(toolbox: Toolbox) -> None:
    with toolbox.database.open() as session:
        servers = session.scalars(select(Server)).all()
    for server in servers:
        chores.run_due(
            toolbox, f"sync {server.id}", toolbox.settings.sync_interval, partial(syncing.sync, toolbox, server)
        )
        chores.run_due(toolbox, f"vms {server.id}", LOOK_EVERY, partial(syncing.look_at_vms, toolbox, server))
    chores.run_due(toolbox, "purge", PURGE_EVERY, lambda: accounts.purge_due(toolbox))
    chores.run_due(toolbox, "expiry", PURGE_EVERY, lambda: expiring.remove_expired(toolbox))
    chores.run_due(toolbox, "daily", chores.next_midnight, lambda: toolbox.hooks.run("DailyCronJob", toolbox=toolbox))
