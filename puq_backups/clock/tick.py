"""The tick: all time-driven work. Its cost depends on what is due, not on the number of services."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from ..context import Context
from ..mail import delivery
from ..operations import dispatch, queue, state_changes
from ..operations.set_aside import RowWork
from . import chores, periodic, protection, slots

log = logging.getLogger("puq_backups.clock")


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
        "started": lambda: dispatch.start_waiting(context),
        "enqueued": lambda: queue.enqueue_due(context),
        "stuck": lambda: _mark_stuck(context),
        "mails": lambda: delivery.send_due(context),
        "periodic": lambda: periodic.run_due(context),
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
    chores.record_heartbeat(context, "tick")
    if errors:
        raise errors[0]
    return {name: counts[name] for name in ("slots", "started", "enqueued", "mails")}


def _mark_stuck(context: Context) -> None:
    with context.database.open() as session:
        late = state_changes.overdue(session)
    rows = RowWork(context, "stuck")
    for operation_id, service_id in late:
        rows.run(operation_id, partial(state_changes.mark_stuck, context, operation_id), service_id)
