"""A service's page for staff: what it shows, what staff does for the client, and what only staff may do."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from support import world as worlds

from puq_backups.models import Service, now
from puq_backups.pve import archives

from .admin_service_helpers import AT, audit
from .client_pages import visible_text
from .staff_pages import StaffPages


def changed(world: worlds.World, **values: Any) -> None:
    with world.context.database.begin() as session:
        session.execute(update(Service).where(Service.id == "1").values(**values))


def test_page_tells_the_facts_the_log_and_no_secret(world: worlds.World, admin: StaffPages) -> None:
    world.back_up("before the update")
    asked = len(world.proxmox.requests())

    page = admin.get(f"{AT}/")

    words = visible_text(page)
    for fact in (
        "web100", "Client", "alice@example.org", "100 · 127.0.0.1 · pve1", "1/3", "before the update",
        "Asked for by staff (system)", "vzdump of VM 100 to local", "Nothing holds the machine",
    ):  # fmt: skip
        assert fact in words, fact
    assert world.proxmox.tokens["panel"][1] not in page.text
    assert len(world.proxmox.requests()) == asked


def test_services_of_nobody_are_404(admin: StaffPages) -> None:
    for path in ("", "/proxmox", "/state", "/operations/x/task/1", "/x/restore"):
        for key in ("nobody", "x" * 65, "1%00"):
            assert admin.get(f"/services/{key}{path}").status_code == 404


@pytest.mark.flow
def test_staff_does_for_the_client_what_the_client_can_and_the_audit_names_them(
    world: worlds.World, admin: StaffPages
) -> None:
    answer = admin.post(f"{AT}/create", note="by support")
    assert (answer.status_code, answer.location) == (303, "/admin/backups/services/1/")
    assert "Your backup is starting." in admin.read(f"{AT}/")
    world.drain()
    [backup] = world.held()

    assert admin.post(f"{AT}/{backup.id}/keep", kept="1").status_code == 303
    assert admin.post(f"{AT}/{backup.id}/keep", kept="0").status_code == 303
    wrong = admin.post(f"{AT}/{backup.id}/restore", confirm="another")
    assert wrong.status_code == 400
    assert "Type the name of the server, web100, to confirm." in visible_text(wrong)
    assert admin.post(f"{AT}/{backup.id}/restore", confirm="web100").status_code == 303
    world.drain()
    assert admin.post(f"{AT}/{backup.id}/remove").status_code == 303
    world.drain()

    assert world.held() == []
    assert [operation.actor for operation in world.operations()] == ["staff (Steve)"] * 3
    assert audit(world, "restore")[0] == ("staff (Steve)", "asked for by staff (Steve)")


def test_waiting_operation_is_cancelled_and_one_that_has_ended_is_refused(
    world: worlds.World, admin: StaffPages
) -> None:
    changed(world, vm_lease_owner="another|1|1|x", vm_lease_until=now() + timedelta(hours=1))
    assert admin.post(f"{AT}/create").status_code == 303
    [waiting] = world.operations()
    assert "The billing application acts on the virtual machine just now." in admin.read(f"{AT}/")

    assert admin.post(f"{AT}/operations/{waiting.id}/cancel").status_code == 303
    again = admin.post(f"{AT}/operations/{waiting.id}/cancel")

    assert world.operations()[0].state == "cancelled"
    assert again.status_code == 409
    assert "It has ended already." in visible_text(again)


@pytest.mark.flow
def test_failed_restore_is_tried_again_or_taken_for_settled(world: worlds.World, admin: StaffPages) -> None:
    backup = world.back_up()
    world.proxmox.control("archive-damaged", volid=backup.volid)
    for _ in range(2):
        assert admin.post(f"{AT}/{backup.id}/restore", confirm="web100").status_code == 303
        world.drain()
        failed = world.service().restore_failed
        assert failed == world.operations()[-1].id
    assert "Take it for settled" in admin.read(f"{AT}/")
    assert admin.post(f"{AT}/operations/{failed}/retry").status_code == 303
    running = admin.post(f"{AT}/resolve")
    world.drain()

    assert admin.post(f"{AT}/resolve").status_code == 303
    twice = admin.post(f"{AT}/resolve")

    assert running.status_code == 409
    assert "is running; wait for its end" in visible_text(running)
    assert world.service().restore_failed is None
    assert audit(world, "resolve") == [
        ("staff (Steve)", f"the failed restore {world.operations()[-1].id} is settled")
    ]
    assert (twice.status_code, "There is no failed restore." in visible_text(twice)) == (409, True)


@pytest.mark.flow
def test_machine_that_is_not_the_registered_one_is_taken_over_by_staff_alone(
    world: worlds.World, admin: StaffPages
) -> None:
    before = world.service().vm_identity
    world.proxmox.control("vmid-reused", vmid=100)
    world.call("BackupNow")
    world.drain()
    assert "Not the registered machine" in admin.read(f"{AT}/")
    look = admin.get(f"{AT}/proxmox")
    assert "not as registered" in visible_text(look)
    found = re.search(r'name="identity" value="([^"]+)"', look.text)
    assert found
    assert found[1] != before

    stale = admin.post(f"{AT}/identity", identity=before)
    taken = admin.post(f"{AT}/identity", identity=found[1])

    assert (stale.status_code, "another one by now" in visible_text(stale)) == (409, True)
    assert taken.status_code == 303
    service = world.service()
    assert (service.vm_identity, service.problem, service.problem_since) == (found[1], None, None)
    [entry] = audit(world, "identity")
    assert entry == ("staff (Steve)", f"VM 100 is the right one: {found[1]}, before {before}")
    world.back_up()


def test_lock_that_was_left_behind_is_shown_with_the_command_that_clears_it(
    world: worlds.World, admin: StaffPages
) -> None:
    world.proxmox.control("leftover-lock", vmid=100, lock="backup")

    seen = admin.read(f"{AT}/proxmox")
    remembered = admin.read(f"{AT}/")
    world.proxmox.control("operator-unlock", vmid=100)

    assert "A lock was left behind" in seen
    assert "this command on the node pve1 clears the lock" in seen
    assert "qm unlock 100" in seen
    assert "Another task blocks this server now (backup)." in remembered
    assert "qm unlock" not in admin.read(f"{AT}/proxmox")
    assert "Nothing holds the machine" in admin.read(f"{AT}/")


def test_lock_of_a_running_task_is_not_called_left_behind(world: worlds.World, admin: StaffPages) -> None:
    world.proxmox.control("slow-backup", vmid=100, seconds=0.5)
    task = archives.create(world.client, "pve1", 100, storage="local", notes_template="by hand", lockwait=1)

    seen = admin.read(f"{AT}/proxmox")

    assert task.text in seen
    assert "Lock backup" in seen
    assert "qm unlock" not in seen


def test_unreachable_proxmox_is_said_and_the_page_stands(world: worlds.World, admin: StaffPages) -> None:
    world.proxmox.control("refuse", times=None, status=595, reason="No route to host", path="*")

    assert "No route to host" in admin.read(f"{AT}/proxmox")


def test_log_of_a_task_is_fetched_live(world: worlds.World, admin: StaffPages) -> None:
    world.back_up()
    operation = world.operations()[-1]

    words = admin.read(f"{AT}/operations/{operation.id}/task/1")

    assert "INFO: starting new backup job" in words
    assert f"/operations/{operation.id}/task/1" in admin.get(f"{AT}/").text
    assert admin.get(f"{AT}/operations/{operation.id}/task/2").status_code == 404
    assert admin.get(f"/services/2/operations/{operation.id}/task/1").status_code == 404
