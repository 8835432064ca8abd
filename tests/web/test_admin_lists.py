"""Staff's lists: what they find, how they are turned over, and what a spreadsheet gets."""

from __future__ import annotations

import csv
import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from sqlalchemy import update
from support import world as worlds

from puq_backups.errors import Message
from puq_backups.models import AuditEntry, Backup, Operation, Service, now

from .admin_rows import HOUR, add_operation, set_service
from .staff_pages import StaffPages


@pytest.mark.flow
def test_overview_is_quiet_where_nothing_is_wrong(admin: StaffPages) -> None:
    words = admin.read()

    assert (
        "Nothing runs or waits, and nothing went wrong in the last 48 hours." in words[words.index("All is quiet") :]
    )
    assert "Clock Error Never seen The clock does not tick: run `flask backups clock`" in words


def test_overview_says_what_runs_waits_and_went_wrong(world: worlds.World, admin: StaffPages) -> None:
    add_operation(world, "running", step="make_archive", progress=42, started_at=now() - HOUR, lock="1")
    add_operation(world, "waiting", "2")
    add_operation(world, "failed", reason=Message("No room.").to_json(), finished_at=now() - HOUR)
    add_operation(world, "missed", finished_at=now() - 50 * HOUR)

    words, longer = admin.read(), admin.read(hours="72")

    assert re.search(
        r"Running now 1 .*web100 Service 1 · Client alice Backup .*1 hour ago Copying the data 42%", words
    )
    assert re.search(
        r"Waiting for their turn 1 .*Place 1 in the queue of its node. It starts with the next look", words
    )
    assert re.search(r"Failed 1 .*No room\.", words)
    assert "Scheduled backups that were missed" not in words
    assert "Scheduled backups that were missed 1" in longer
    assert "in the last" not in words


@pytest.mark.flow
def test_each_waiting_operation_says_why_it_waits(world: worlds.World, admin: StaffPages) -> None:
    world.register("3", 103, "carol")
    waiting = {service: add_operation(world, "waiting", service) for service in ("1", "2", "3")}
    add_operation(world, "running", "1", started_at=now(), lock="1", kind="restore")

    def why() -> str:
        return admin.read("/operations", state="waiting")

    assert "Other actions wait until the restore is done." in why()
    set_service(world, "2", vm_lease_owner="another|1|1|x", vm_lease_until=now() + HOUR)
    assert "The billing application acts on the virtual machine just now." in why()
    add_operation(world, "waiting", "3", kind="remove")
    assert "A restore or removal goes first." in why()
    with world.context.database.begin() as session:
        session.execute(update(Operation).where(Operation.kind != "backup").values(state="done", lock=None))
        session.execute(update(Operation).where(Operation.id == waiting["1"].id).values(state="running", lock="1"))
    set_service(world, "3", node="pve1")
    assert "The backup of another server goes first." in why()
    with world.context.database.begin() as session:
        values = {"wake_at": now() + HOUR, "reason": Message("No room.").to_json()}
        session.execute(update(Operation).where(Operation.id == waiting["3"].id).values(**values))
    assert "No room. It is tried again at " in why()


def test_service_is_found_by_whatever_staff_knows_of_it(world: worlds.World, admin: StaffPages) -> None:
    set_service(world, vm_name="Web-100%", domain="shop.alice.example")

    for text in ("1", "alice", "100", "web-1", "WEB-100", "0%", "shop.alice", "ALICE.EXAMPLE", " alice "):
        assert "Client alice" in admin.read("/services", q=text), text
    for text in ("bob", "101", "shop_alice", "%%", "nobody", "9" * 40, "'", "x" * 999):
        assert "Client alice" not in admin.read("/services", q=text), text


def test_services_are_listed_by_what_is_wrong_with_them(world: worlds.World, admin: StaffPages) -> None:
    def listed(trouble: str, **more: str) -> set[str]:
        return set(re.findall(r"Client (\w+)", admin.read("/services", trouble=trouble, **more)))

    add_operation(world, "stuck", "2")
    set_service(world, restore_failed="an operation")
    with world.context.database.begin() as session:
        session.get_one(Service, "2").problem = Message("It is another one.").to_json()

    assert listed("stuck") == {"bob"}
    assert listed("restore_failed") == {"alice"}
    assert listed("other_vm") == {"bob"}
    assert listed("no_good_backup") == set()
    assert listed("") == listed("nonsense") == {"alice", "bob"}
    assert "1 Failed restores to settle" in admin.read()


def test_service_that_its_backups_do_not_protect_is_on_the_overview(world: worlds.World, admin: StaffPages) -> None:
    assert 'id="puqb-unprotected"' not in admin.get().text
    set_service(world, protection="unprotected")

    assert "Not protected by backups 1" in admin.read()
    assert "Client alice" in admin.read("/services", trouble="unprotected")
    assert "Client bob" not in admin.read("/services", trouble="unprotected")


@pytest.mark.flow
def test_service_without_a_good_backup_is_listed_and_only_where_one_is_due(
    world: worlds.World, admin: StaffPages
) -> None:
    backup = world.back_up()
    set_service(world, created_at=now() - 100 * HOUR, next_run_at=now() + HOUR)

    def is_listed(hours: int = 48) -> bool:
        return "Client alice" in admin.read("/services", trouble="no_good_backup", hours=str(hours))

    def backed_up(**values: Any) -> None:
        with world.context.database.begin() as session:
            row = session.get_one(Backup, backup.id)
            for name, value in values.items():
                setattr(row, name, value)

    assert not is_listed()
    backed_up(created_at=now() - 50 * HOUR)
    assert is_listed()
    assert not is_listed(51)
    not_good: tuple[dict[str, Any], ...] = (
        {"verification": "failed"}, {"size": None}, {"disks": 0}, {"missing_at": now()}, {"removed_at": now()},
        {"damaged_at": now()}, {"binned_until": now() + HOUR}, {"machine": "another"}, {"kind": "safety"},
        {"kind": "imported"},
    )  # fmt: skip
    whole = {name: getattr(backup, name) for values in not_good for name in values}
    for values in not_good:
        backed_up(created_at=now(), **values)
        assert is_listed(), values
        backed_up(**whole)
        assert not is_listed()
    backed_up(created_at=now() - 50 * HOUR)
    for values in ({"status": "suspended"}, {"quota": 0}, {"next_run_at": None}, {"created_at": now()}):
        set_service(world, **values)
        assert not is_listed(), values
        set_service(world, status="active", quota=3, next_run_at=now() + HOUR, created_at=now() - 100 * HOUR)
        assert is_listed()


def turned(admin: StaffPages, path: str, pattern: str, **query: str) -> tuple[list[str], list[str]]:
    """What is listed on all pages, going on to the end, and then back to the start."""
    ways = []
    page = admin.get(path, **query)
    for rel in ("next", "prev"):
        found = [re.findall(pattern, page.text)]
        while link := re.search(rf'rel="{rel}" href="([^"]+)"', page.text):
            page = admin.client.get(unescape(link[1]))
            found.append(re.findall(pattern, page.text))
        ways.append([one for part in (found if rel == "next" else reversed(found)) for one in part])
    return ways[0], ways[1]


def test_lists_are_turned_over_to_the_end_and_back(world: worlds.World, admin: StaffPages) -> None:
    at = now() - HOUR
    with world.context.database.begin() as session:
        for number in range(120):
            # Three of each moment: the place of a row is more than its moment.
            moment = at + timedelta(seconds=number // 3)
            session.add(AuditEntry(at=moment, service_id="2", actor="Sam", action="try", text=f"{number:03}"))
    for number in range(53):
        add_operation(world, "failed", finished_at=at, reason=Message("Number {number}.", number=number).to_json())

    forth, back = turned(admin, "/activity", r">(\d{3})<", action="try")
    failed, failed_back = turned(admin, "/operations", r"Number (\d+)", state="failed")

    assert forth == back
    assert sorted(forth) == [f"{number:03}" for number in range(120)]
    assert [int(one) // 3 for one in forth] == sorted((number // 3 for number in range(120)), reverse=True)
    assert failed == failed_back
    assert sorted(map(int, failed)) == list(range(53))
    for odd in ("x", "2026-01-01", "2026-01-01T00:00:00+00:00 \x00", " "):
        assert admin.get("/activity", after=odd).status_code == 200
        assert admin.get("/services", before=odd).status_code == 200


@pytest.mark.databases
def test_activity_is_filtered_and_downloaded_without_formulas(world: worlds.World, admin: StaffPages) -> None:
    day = now().replace(hour=12) - timedelta(days=2)
    rows = [
        ("1", "staff (Sam)", "keep", "=1+1", day), ("2", "client bob (Bob)", "keep", "-2", day),
        ("1", "system", "remove", "@x", day + timedelta(days=1)),
        (None, "system", "email", '+3, "quoted"\nline', day),
    ]  # fmt: skip
    with world.context.database.begin() as session:
        for service, actor, action, text, at in rows:
            session.add(AuditEntry(service_id=service, actor=actor, action=action, text=text, at=at))

    def texts(**query: str) -> set[str]:
        lines = csv.reader(admin.get("/activity.csv", **query).text.splitlines(keepends=True))
        assert next(lines) == ["at", "service_id", "operation_id", "actor", "action", "text"]
        return {text for *_, text in lines} & {"'=1+1", "'-2", "'@x", '\'+3, "quoted"\nline'}

    assert len(texts()) == 4
    assert texts(service="1") == {"'=1+1", "'@x"}
    assert texts(client="bob") == {"'-2"}
    assert texts(client="nobody") == set()
    assert texts(actor="Sam") == texts(actor="staff (Sam)") == {"'=1+1"}
    assert texts(action="keep", service="2") == {"'-2"}
    assert texts(**{"from": f"{day + timedelta(days=1):%Y-%m-%d}"}) == {"'@x"}
    assert texts(to=f"{day:%Y-%m-%d}") == {"'=1+1", "'-2", '\'+3, "quoted"\nline'}
    assert len(texts(**{"from": "soon", "to": "9999-12-31", "actor": "\x00"})) == 4
    answer = admin.get("/activity.csv")
    assert (answer.mimetype, answer.headers["Content-Disposition"]) == (
        "text/csv", 'attachment; filename="backups-activity.csv"',
    )  # fmt: skip
    page = admin.read("/activity", service="1", action="keep")
    assert "=1+1" in page
    assert "@x" not in page
