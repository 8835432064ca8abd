"""Leases on running operations. One worker holds an operation at a time; without the lease nothing is committed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, inspect, select, update
from sqlalchemy.orm import InstanceState, Session
from sqlalchemy.orm.attributes import set_committed_value

from ..context import Context
from ..models import DatabaseTime, Operation, changes, leases, now
from .step import StepContext

WITH_CLOCK = select(Operation, DatabaseTime()).where(Operation.id == bindparam("operation"))
TAKE = (
    update(Operation)
    .where(Operation.id == bindparam("operation"))
    .values(lease_owner=bindparam("owner"), lease_until=DatabaseTime(bindparam("seconds")))
)
TAKE_FREE = TAKE.where(Operation.lease_owner.is_(None))
TAKE_LAPSED = TAKE.where(Operation.lease_owner == bindparam("before"))


class LeaseLost(Exception):
    """The lease ran out and another worker took the operation over. This worker must not write any more."""


def claim(context: Context, session: Session, operation_id: str, owner: str) -> Operation | None:
    """Lease a running operation for `owner`, or return it if `owner` kept its lease from the step before.

    Returns None if another owner holds it, it has ended, or its `wake_at` has not come. The lease lasts
    `leases.duration_seconds()` by the database's clock.
    """
    found = session.execute(WITH_CLOCK, {"operation": operation_id}).first()
    if found is None:
        return None
    operation, clock = found
    if operation.state not in {"running", "stuck"} or operation.wake_at > now():
        return None
    before = operation.lease_owner
    if leases.is_held(before, operation.lease_until, clock):
        return operation if before == owner else None
    given = {"operation": operation_id, "before": before, "owner": owner}
    taken = session.connection().execute(
        TAKE_FREE if before is None else TAKE_LAPSED,
        given | {"seconds": leases.duration_seconds(context.settings)},
    )
    session.commit()
    # No row: another worker got there first.
    if taken.rowcount != 1:
        return None
    session.refresh(operation)
    return operation if operation.state in {"running", "stuck"} else None


def commit(step: StepContext, owner: str, *, release: bool = False) -> None:
    """Commit the changes of a step and renew or release the lease; raises LeaseLost if the lease has run out."""
    write(step, owner, release=release)
    step.session.commit()


def write(step: StepContext, owner: str, *, release: bool = False) -> None:
    """Write the changes of a step, and of the one before if that was put off, without a commit; see `commit`.

    The operation's own changes are written by the same UPDATE that checks the lease. It comes last: requests too lock
    the service's row first, so that two transactions never wait for each other.
    """
    session, operation = step.session, step.operation
    with session.no_autoflush:
        changes.lock_services(session)
        # The values as they are now: a query in between may have written later ones.
        changed = {name: getattr(operation, name) for name in step.put_off} | _changed_columns(operation)
    for name, value in changed.items():
        # To the session it is written: the flush leaves it to the UPDATE below.
        set_committed_value(operation, name, value)
    session.flush()
    until = DatabaseTime(leases.duration_seconds(step.context.settings))
    held = session.connection().execute(
        update(Operation)
        .where(Operation.id == operation.id, Operation.lease_owner == owner, Operation.lease_until > DatabaseTime())
        .values({**changed, "lease_owner": None if release else owner, "lease_until": until, "enqueued_at": None})
    )
    if held.rowcount != 1:
        raise LeaseLost
    step.put_off = ()


def put_off(step: StepContext) -> bool:
    """Leave the commit of a step that changed nothing but its operation to the next step. Returns whether it is so.

    If the worker dies before, the step is run again. Never two at once, so that the lease is renewed in time.
    """
    session, operation = step.session, step.operation
    rows = (*session.new, *session.dirty, *session.deleted)
    if step.put_off or not step.keeps_lease or session.info.get("in_transaction"):
        return False
    if step.task_result is not None or any(row is not operation for row in rows):
        return False
    changed = _changed_columns(operation)
    for name, value in changed.items():
        set_committed_value(operation, name, value)
    step.put_off = tuple(changed)
    return True


def _changed_columns(operation: Operation) -> dict[str, Any]:
    """The values of the operation's columns that differ from its row."""
    state: InstanceState[Operation] = inspect(operation)
    return {
        column.key: getattr(operation, column.key)
        for column in state.mapper.column_attrs
        if state.attrs[column.key].history.has_changes()
    }


def go_on(step: StepContext, owner: str) -> bool:
    """Commit before the next step, which can be run at once. Returns True."""
    commit(step, owner, release=not step.keeps_lease)
    return True


def pause(step: StepContext, owner: str, seconds: float) -> bool:
    """Commit and set `wake_at` to `seconds` from now. Returns whether it can continue at once."""
    step.operation.wake_at = now() + timedelta(seconds=seconds)
    if seconds <= 0:
        return go_on(step, owner)
    commit(step, owner, release=True)
    return False
