"""The page's forms: what each does, and what the page says of it afterwards."""

from __future__ import annotations

import re

import pytest
import time_machine
from support import services
from support import world as worlds

from puq_backups.clock import slots
from puq_backups.mail import delivery
from puq_backups.models import now

from .conftest import Door, said


def follow(door: Door, path: str, form: dict[str, str] | None = None) -> str:
    """Send a form: the words of the page that the answer leads to. It is said once."""
    answer = door.post(path, form)
    assert answer.status_code == 303, said(answer)
    assert answer.headers["Location"].partition("#")[0] == "/services/1/backups/"
    first, again = said(door.get()), said(door.get())
    assert len(first) > len(again)
    return first


def test_backup_now_is_accepted_made_and_listed(door: Door) -> None:
    assert "Your backup is starting." in follow(door, "/create", {"note": "before the update"})
    door.world.drain()

    page = said(door.get())
    assert "before the update" in page
    assert re.search(r"Backups\s+1/3", page)


def test_schedule_is_saved_and_shown(door: Door) -> None:
    form = {f"time_{day}": "03:00" for day in range(7)} | {"day_6": "1", "timezone": "Asia/Tokyo"}

    assert "The schedule is saved." in follow(door, "/schedule", form)

    assert door.state()["schedule"]["timezone"] == "Asia/Tokyo"
    assert [day["enabled"] for day in door.state()["schedule"]["days"]] == [False] * 6 + [True]
    assert re.search(r'name="day_6"[^>]* checked', door.get().text)


def test_time_that_is_past_today_starts_at_once_and_the_page_says_so(door: Door) -> None:
    with time_machine.travel("2026-11-23T12:00:00Z", tick=True):
        form = {"day_1": "1", "time_1": "11:00", "timezone": "UTC"}
        told = "Today's time is already past: the backup of today starts now."

        assert told in follow(door, "/schedule", form)
        assert slots.claim_due(door.world.context) == 1
        assert told not in said(door.get())
        door.world.drain()

    [backup] = door.world.held()
    assert backup.kind == "scheduled"


def test_restore_is_accepted_and_done(door: Door) -> None:
    backup = door.world.back_up()

    assert "Your restore is starting." in follow(door, f"/{backup.id}/restore", {"confirm": "web100"})
    door.world.drain()

    assert door.state()["last_operation"]["kind"] == "restore"
    assert [task.exitstatus for task in door.world.proxmox.tasks("qmrestore")] == ["OK"]
    assert door.world.proxmox.vm(100).running


def test_remove_is_accepted_and_done(door: Door) -> None:
    backup = door.world.back_up("to be removed")

    assert "The backup is removed." in follow(door, f"/{backup.id}/remove")
    door.world.drain()

    assert "to be removed" not in door.get().text
    assert door.world.proxmox.volumes("local") == []


def test_note_is_changed_here_and_in_proxmox(door: Door) -> None:
    backup = door.world.back_up("the old one")

    assert "The description is saved." in follow(door, f"/{backup.id}/note", {"note": "  50% {{vmid}} \N{SNOWMAN} "})

    assert door.state()["backups"][0]["note"] == "50% {{vmid}} \N{SNOWMAN}"
    assert door.world.proxmox.volumes("local")[0].notes.startswith("50% {{vmid}} \N{SNOWMAN} [puqb:")


def test_backup_is_kept_and_let_go(door: Door) -> None:
    backup = door.world.back_up()
    for kept in ("1", "0"):
        follow(door, f"/{backup.id}/keep", {"kept": kept})

        assert door.state()["backups"][0]["kept"] is (kept == "1")
        assert bool(door.world.proxmox.volumes("local")[0].protected) is (kept == "1")


def test_waiting_operation_is_cancelled(door: Door) -> None:
    with door.world.backups.vm_action("1"):
        door.post("/create")
        [operation] = door.world.operations()

        assert "It is being stopped." in follow(door, f"/operations/{operation.id}/cancel")

    door.world.drain()
    assert door.state()["last_operation"]["state"] == "cancelled"
    assert door.world.proxmox.tasks() == []


def test_ended_operation_is_not_cancelled(door: Door) -> None:
    door.world.back_up()
    answer = door.post(f"/operations/{door.world.operations()[0].id}/cancel")

    assert answer.status_code == 409
    assert "It has ended already." in said(answer)


def test_failed_restore_is_offered_again_and_retried(door: Door) -> None:
    good, bad = door.world.back_up("good"), door.world.back_up("bad")
    door.world.proxmox.control("archive-damaged", volid=bad.volid)
    door.post(f"/{bad.id}/restore", {"confirm": "web100"})
    door.world.drain()

    failed = door.state()["last_operation"]
    assert door.state()["restore_failed"] is True
    assert f'action="/services/1/backups/operations/{failed["id"]}/retry"' in door.get().text
    answer = follow(door, f"/operations/{failed['id']}/retry", {"backup_id": good.id})
    door.world.drain()

    assert "Your restore is starting again." in answer
    assert door.state()["restore_failed"] is False


def test_reinstall_without_a_host_that_does_it_is_refused(door: Door) -> None:
    assert "There is no failed restore." in said(door.post("/reinstall", {"confirm": "REINSTALL"}))
    with door.world.context.database.begin() as session:
        session.get_one(worlds.Service, "1").restore_failed = "o"

    wrong, right = door.post("/reinstall", {"confirm": "yes"}), door.post("/reinstall", {"confirm": "REINSTALL"})

    assert (wrong.status_code, right.status_code) == (400, 409)
    assert "Type the word REINSTALL to confirm." in said(wrong)
    assert "Reinstalling is not set up here." in said(right)


def test_page_and_state_ask_proxmox_nothing(door: Door) -> None:
    door.world.back_up()
    asked = len(door.world.proxmox.requests())

    for actor in (worlds.ALICE, worlds.STAFF):
        assert door.get(actor=actor).status_code == 200
        assert door.get("/state", actor).status_code == 200

    assert len(door.world.proxmox.requests()) == asked


def test_page_is_not_kept_by_caches(door: Door) -> None:
    assert door.get().headers["Cache-Control"] == "no-store"


def test_page_is_found_with_and_without_the_last_slash(door: Door) -> None:
    assert door.get("").status_code == 200
    assert door.get("/").status_code == 200


def test_page_speaks_the_reader_s_language_and_zone(door: Door) -> None:
    door.world.back_up()
    reader = worlds.Actor(client_id="alice", locale="de", timezone="Asia/Tokyo")

    page = door.get(actor=reader)

    assert '<html lang="de"' in page.text
    assert "Sonntag" in said(page)


def test_hook_adds_variables_to_the_page(door: Door) -> None:
    door.world.backups.hooks.add("ClientAreaPage", lambda vars: {"quota": {"used": 41, "limit": 42}})  # noqa: A006 - WHMCS's own name

    assert "41/42" in said(door.get())
    assert door.state()["quota"] == {"used": 41, "limit": 42}


def test_no_secret_stands_in_page_state_log_or_mail(
    door: Door, mailbox: services.Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    world = door.world
    settings = world.context.settings.__dict__
    settings.update(smtp_url=mailbox.url, mail_from="backups@example.org", busy_patience=now() - now())
    caplog.set_level("DEBUG")
    backup = world.back_up("mine")
    world.proxmox.control("backup-error", vmid=100, text="job failed")
    door.post("/create")
    world.drain()
    door.post(f"/{backup.id}/restore", {"confirm": "web100"})
    world.drain()
    delivery.send_due(world.context)

    shown = [door.get().text, door.get(actor=worlds.STAFF).text, str(door.state()), caplog.text]
    shown += [part.as_string() for part in mailbox.wait_for(1)]
    secret = world.params()["serverpassword"]
    service = world.service()
    for text in shown:
        assert secret not in text
        assert worlds.KEY not in text
    for text in shown[:3] + shown[4:]:
        assert service.token not in text
