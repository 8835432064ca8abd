"""Queries and ETag of `/state`, and queries of the page with many backups."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Boolean, Column, String, event, select, update
from support import world as worlds

from puq_backups.inventory import service_backups
from puq_backups.models import Backup, Service, Storage, now
from puq_backups.models.base import UTCDateTime
from puq_backups.models.json_column import Json

from .client_pages import SCHEDULE, ClientPages

MOST_QUERIES = 8
MOST_QUERIES_UNCHANGED = 2


@contextmanager
def queries(world: worlds.World) -> Iterator[list[str]]:
    """The statements that are sent to the database meanwhile."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("PRAGMA"):
            seen.append(statement)

    event.listen(world.context.database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(world.context.database.engine, "before_cursor_execute", note)


def test_unchanged_state_is_304_without_a_body(pages: ClientPages) -> None:
    first = pages.get("/state")
    tag = first.headers["ETag"]

    again = pages.get("/state", headers={"If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)

    pages.world.back_up()
    changed = pages.get("/state", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag
    assert changed.headers["Cache-Control"] == "private, no-cache"


def test_unchanged_state_costs_two_queries(pages: ClientPages) -> None:
    pages.world.back_up()
    tag = pages.get("/state").headers["ETag"]

    with queries(pages.world) as seen:
        assert pages.get("/state", headers={"If-None-Match": tag}).status_code == 304

    assert len(seen) <= MOST_QUERIES_UNCHANGED, seen


NOT_SHOWN = {"id", "service_id", "server_id", "token", "client_id", "active_vmid"}


def another(column: Column[Any], value: Any) -> Any:
    """Another value for a column."""
    if isinstance(column.type, Json):
        return {**(value or {}), "text": "another"}
    if isinstance(column.type, UTCDateTime):
        return (value or now()) + timedelta(seconds=1)
    if isinstance(column.type, String):
        return f"{value or ''}-"
    return not value if isinstance(column.type, Boolean) else (value or 0) + 1


@contextmanager
def changed(world: worlds.World, column: Column[Any]) -> Iterator[None]:
    """Another value in a column of all rows meanwhile, by an UPDATE that goes past the session."""
    with world.context.database.begin() as session:
        value = session.scalar(select(column).limit(1))
        session.execute(update(column.table).values({column: another(column, value)}))
    yield
    with world.context.database.begin() as session:
        session.execute(update(column.table).values({column: value}))


@pytest.mark.flow
def test_what_changes_the_state_changes_its_tag(pages: ClientPages) -> None:
    pages.world.call("SaveSchedule", **SCHEDULE)
    pages.world.back_up("a note")
    with pages.world.context.database.begin() as session:
        session.delete(session.get_one(Service, "2"))
    # A value that no service can have ends as 500, which is no "unchanged" either.
    pages.world.app.config["PROPAGATE_EXCEPTIONS"] = False
    before, unseen = pages.get("/state"), []
    columns = [column for model in (Service, Backup, Storage) for column in model.__table__.columns]
    for column in (one for one in columns if one.name not in NOT_SHOWN):
        with changed(pages.world, column):
            answer = pages.get("/state", headers={"If-None-Match": before.headers["ETag"]})
            if answer.status_code == 304 and pages.state() != before.get_json():
                unseen.append(str(column))

    assert pages.get("/state", headers={"If-None-Match": before.headers["ETag"]}).status_code == 304
    assert unseen == []


def add_backups(world: worlds.World, count: int) -> None:
    with world.context.database.begin() as session:
        for number in range(count):
            session.add(
                Backup.of(
                    world.service(), volid=f"local:backup/{number}.vma.zst", storage="local", node="pve1",
                    kind="manual", note="", disks=1, size=1,
                    local_date="2026-01-01", created_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number),
                    seen_at=now(),
                )
            )  # fmt: skip


@pytest.mark.flow
def test_page_asks_the_database_as_often_at_100_backups_as_at_1(pages: ClientPages) -> None:
    world, counts = pages.world, []
    world.call("SaveSchedule", **SCHEDULE)
    world.back_up()
    for more in (0, 99):
        add_backups(world, more)
        for path in ("/", "/state"):
            with queries(world) as seen:
                assert pages.get(path).status_code == 200
            counts.append(len(seen))
            # The tag is one more.
            assert len(seen) <= MOST_QUERIES + (path == "/state"), seen
    with world.context.database.open() as session:
        assert len(service_backups.load_inventory(session, world.service()).backups) == 100

    assert counts[:2] == counts[2:], counts


@pytest.mark.flow
def test_page_of_a_waiting_retry_after_a_failed_restore_stays_within_its_queries(pages: ClientPages) -> None:
    world, backup = pages.world, pages.world.back_up()
    world.proxmox.control("archive-damaged", volid=backup.volid)
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    world.drain()
    failed = world.operations()[-1]
    with world.backups.vm_action("2"), queries(world) as seen:
        pages.get()
        assert len(seen) <= MOST_QUERIES, seen
    answer = pages.post(f"/operations/{failed.id}/retry")
    assert answer.status_code == 303

    with queries(world) as seen:
        assert pages.get().status_code == 200
    assert len(seen) <= MOST_QUERIES, seen
    world.drain()


@pytest.mark.flow
def test_backups_of_state_are_those_of_one_page(pages: ClientPages) -> None:
    add_backups(pages.world, 60)

    given = [pages.get(f"/state{query}") for query in ("", "?page=2", "?page=3", "?page=4", "?page=all", "?page=x")]
    found = [[backup["id"] for backup in one.get_json()["backups"]] for one in given]

    assert [len(ids) for ids in found] == [25, 25, 10, 10, 60, 25]
    assert found[0] + found[1] + found[2] == found[4]
    assert given[1].get_json()["listing"] == {
        "kind": "", "page": 2, "pages": 3, "total": 60, "all": 60, "newest": found[0][0],
    }  # fmt: skip
    assert pages.get("/state?kind=scheduled").get_json()["listing"]["total"] == 0
    first, second = (one.headers["ETag"] for one in given[:2])
    assert pages.get("/state?page=2", headers={"If-None-Match": second}).status_code == 304
    assert pages.get("/state?page=2", headers={"If-None-Match": first}).status_code == 200


def test_page_polls_the_state_of_the_backups_that_it_shows(pages: ClientPages) -> None:
    add_backups(pages.world, 60)

    found = [re.search(r'data-puqb-state="([^"]*)"', pages.get(path).text) for path in ("/", "/?page=2&kind=manual")]

    assert [one[1].partition("/backups")[2] for one in found if one] == [
        "/state", "/state?kind=manual&amp;page=2",
    ]  # fmt: skip
