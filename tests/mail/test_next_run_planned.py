"""Mails say that the next scheduled backup runs as planned only where the run's own decision says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select, update
from support import world as worlds

from puq_backups.errors import Message
from puq_backups.models import Backup, Mail, Service
from puq_backups.operations import state_changes
from puq_backups.simulator import Simulator

WEEK = {f"day_{day}": "1" for day in range(7)} | {f"time_{day}": "12:00" for day in range(7)} | {"timezone": "UTC"}
Change = Callable[[Any], object]


def service(**values: Any) -> Change:
    return lambda session: session.execute(update(Service).values(**values))


CIRCUMSTANCES: dict[str, tuple[Change, bool]] = {
    "nothing special": (lambda _: None, True),
    "suspended": (service(status="suspended"), False),
    "no backups in the package": (service(quota=0), False),
    "another machine": (service(problem=Message("It is another one.").to_json()), False),
    "a failed restore": (service(restore_failed="o1"), False),
    "all kept": (lambda session: session.execute(update(Backup).values(kept=True)), False),
    "no day of the schedule": (service(next_run_at=None, next_run_date=None), False),
}


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str) -> Iterator[worlds.World]:
    found = worlds.make(proxmox, sqlite_url, redis_url)
    found.register(backups=2)
    found.back_up()
    yield found
    found.context.database.engine.dispose()


@pytest.mark.parametrize("what", CIRCUMSTANCES)
def test_next_run_is_promised_only_where_one_is_planned(world: worlds.World, what: str) -> None:
    change, planned = CIRCUMSTANCES[what]
    assert world.call("SaveSchedule", **WEEK) == "success"
    assert world.call("BackupNow") == "success"
    with world.context.database.begin() as session:
        # Not a day that today's backup stands for.
        session.execute(update(Service).values(next_run_date="2040-01-01", quota=1 if what == "all kept" else 2))
        change(session)
    _end_failed(world)

    with world.context.database.open() as session:
        [mail] = session.scalars(select(Mail).where(Mail.folder == "backup_failed"))
    assert mail.fields["next_run_planned"] == int(planned)


def _end_failed(world: worlds.World) -> None:
    """The waiting backup ends as failed."""
    with world.context.database.begin() as session:
        operation = session.merge(world.operations()[-1])
        found = session.get_one(Service, operation.service_id)
        state_changes.end(session, world.context, operation, found, "failed", Message("No room."))
