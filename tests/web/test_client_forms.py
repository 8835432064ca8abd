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

from .client_pages import ClientPages, visible_text


def follow(pages: ClientPages, path: str, form: dict[str, str] | None = None) -> str:
    """Send a form: the words of the page that the answer leads to. It is said once."""
    answer = pages.post(path, form)
    assert answer.status_code == 303, visible_text(answer)
    assert answer.headers["Location"].partition("#")[0] == "/services/1/backups/"
    first, again = visible_text(pages.get()), visible_text(pages.get())
    assert len(first) > len(again)
    return first


@pytest.mark.flow
def test_backup_now_is_accepted_made_and_listed(pages: ClientPages) -> None:
    assert "Your backup is starting." in follow(pages, "/create", {"note": "before the update"})
    pages.world.drain()

    page = visible_text(pages.get())
    assert "before the update" in page
    assert re.search(r"Backups\s+1/3", page)


def test_schedule_is_saved_and_shown(pages: ClientPages) -> None:
    form = {f"time_{day}": "03:00" for day in range(7)} | {"day_6": "1", "timezone": "Asia/Tokyo"}

    assert "The schedule is saved." in follow(pages, "/schedule", form)

    assert pages.state()["schedule"]["timezone"] == "Asia/Tokyo"
    assert [day["enabled"] for day in pages.state()["schedule"]["days"]] == [False] * 6 + [True]
    assert re.search(r'name="day_6"[^>]* checked', pages.get().text)


def test_time_that_is_past_today_starts_at_once_and_the_page_says_so(pages: ClientPages) -> None:
    with time_machine.travel("2026-11-23T12:00:00Z", tick=True):
        form = {"day_1": "1", "time_1": "11:00", "timezone": "UTC"}
        told = "Today's time is already past: the backup of today starts now."

        assert told in follow(pages, "/schedule", form)
        assert slots.claim_due(pages.world.context) == 1
        assert told not in visible_text(pages.get())
        pages.world.drain()

    [backup] = pages.world.held()
    assert backup.kind == "scheduled"


def test_restore_is_accepted_and_done(pages: ClientPages) -> None:
    backup = pages.world.back_up()

    assert "Your restore is starting." in follow(pages, f"/{backup.id}/restore", {"confirm": "web100"})
    pages.world.drain()

    assert pages.state()["last_operation"]["kind"] == "restore"
    assert [task.exitstatus for task in pages.world.proxmox.tasks("qmrestore")] == ["OK"]
    assert pages.world.proxmox.vm(100).running


def test_result_of_a_restore_has_no_size_though_it_made_a_safety_copy(pages: ClientPages) -> None:
    backup = pages.world.back_up()
    assert re.search(r"The backup was made\..{0,60}iB in ", visible_text(pages.get()))
    pages.post(f"/{backup.id}/restore", {"confirm": "web100", "safety_copy": "1"})
    pages.world.drain()
    assert [one.kind for one in pages.world.held()] == ["manual", "safety"]

    words = visible_text(pages.get()).partition("The backup was restored.")[2]
    assert "iB in " not in words.partition("You can")[0], words[:200]


def test_remove_is_accepted_and_done(pages: ClientPages) -> None:
    backup = pages.world.back_up("to be removed")

    assert "The backup will be removed." in follow(pages, f"/{backup.id}/remove")
    pages.world.drain()

    assert "to be removed" not in pages.get().text
    assert pages.world.proxmox.volumes("local") == []


def test_note_is_changed_here_and_in_proxmox(pages: ClientPages) -> None:
    backup = pages.world.back_up("the old one")

    assert "The description is saved." in follow(pages, f"/{backup.id}/note", {"note": "  50% {{vmid}} \N{SNOWMAN} "})

    assert pages.state()["backups"][0]["note"] == "50% {{vmid}} \N{SNOWMAN}"
    assert pages.world.proxmox.volumes("local")[0].notes.startswith("50% {{vmid}} \N{SNOWMAN} [puqb:")


def test_backup_is_kept_and_let_go(pages: ClientPages) -> None:
    backup = pages.world.back_up()
    for kept in ("1", "0"):
        follow(pages, f"/{backup.id}/keep", {"kept": kept})

        assert pages.state()["backups"][0]["kept"] is (kept == "1")
        assert bool(pages.world.proxmox.volumes("local")[0].protected) is (kept == "1")


def test_waiting_operation_is_cancelled(pages: ClientPages) -> None:
    with pages.world.backups.vm_action("1"):
        pages.post("/create")
        [operation] = pages.world.operations()

        assert "It is being stopped." in follow(pages, f"/operations/{operation.id}/cancel")

    pages.world.drain()
    assert pages.state()["last_operation"]["state"] == "cancelled"
    assert pages.world.proxmox.tasks() == []


def test_ended_operation_is_not_cancelled(pages: ClientPages) -> None:
    pages.world.back_up()
    answer = pages.post(f"/operations/{pages.world.operations()[0].id}/cancel")

    assert answer.status_code == 409
    assert "It has ended already." in visible_text(answer)


@pytest.mark.flow
def test_failed_restore_is_offered_again_and_retried(pages: ClientPages) -> None:
    good, bad = pages.world.back_up("good"), pages.world.back_up("bad")
    pages.world.proxmox.control("archive-damaged", volid=bad.volid)
    pages.post(f"/{bad.id}/restore", {"confirm": "web100"})
    pages.world.drain()

    failed = pages.state()["last_operation"]
    assert pages.state()["restore_failed"] is True
    assert f'action="/services/1/backups/operations/{failed["id"]}/retry"' in pages.get().text
    answer = follow(pages, f"/operations/{failed['id']}/retry", {"backup_id": good.id})
    pages.world.drain()

    assert "Your restore is starting again." in answer
    assert pages.state()["restore_failed"] is False


def test_reinstall_without_a_host_that_does_it_is_refused(pages: ClientPages) -> None:
    assert "There is no failed restore." in visible_text(pages.post("/reinstall", {"confirm": "REINSTALL"}))
    with pages.world.context.database.begin() as session:
        session.get_one(worlds.Service, "1").restore_failed = "o"

    wrong, right = pages.post("/reinstall", {"confirm": "yes"}), pages.post("/reinstall", {"confirm": "REINSTALL"})

    assert (wrong.status_code, right.status_code) == (400, 409)
    assert "Type the word REINSTALL to confirm." in visible_text(wrong)
    assert "Reinstalling is not set up here." in visible_text(right)


def test_page_and_state_ask_proxmox_nothing(pages: ClientPages) -> None:
    pages.world.back_up()
    asked = len(pages.world.proxmox.requests())

    for actor in (worlds.ALICE, worlds.STAFF):
        assert pages.get(actor=actor).status_code == 200
        assert pages.get("/state", actor).status_code == 200

    assert len(pages.world.proxmox.requests()) == asked


def test_page_is_not_kept_by_caches(pages: ClientPages) -> None:
    assert pages.get().headers["Cache-Control"] == "no-store"


def test_page_is_found_with_and_without_the_last_slash(pages: ClientPages) -> None:
    assert pages.get("").status_code == 200
    assert pages.get("/").status_code == 200


def test_page_speaks_the_reader_s_language_and_zone(pages: ClientPages) -> None:
    pages.world.back_up()
    reader = worlds.Actor(client_id="alice", locale="de", timezone="Asia/Tokyo")

    page = pages.get(actor=reader)

    assert '<html lang="de"' in page.text
    assert "Sonntag" in visible_text(page)


@pytest.mark.flow
def test_hook_adds_variables_to_the_page(pages: ClientPages) -> None:
    pages.world.backups.hooks.add("ClientAreaPage", lambda vars: {"quota": {"used": 41, "limit": 42}})  # noqa: A006 - WHMCS's own name

    assert "41/42" in visible_text(pages.get())
    assert pages.state()["quota"] == {"used": 41, "limit": 42}


@pytest.mark.flow
def test_no_secret_stands_in_page_state_log_or_mail(
    pages: ClientPages, mailbox: services.Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    world = pages.world
    settings = world.context.settings.__dict__
    settings.update(smtp_url=mailbox.url, mail_from="backups@example.org", busy_patience=now() - now())
    caplog.set_level("DEBUG")
    backup = world.back_up("mine")
    world.proxmox.control("backup-error", vmid=100, text="job failed")
    pages.post("/create")
    world.drain()
    pages.post(f"/{backup.id}/restore", {"confirm": "web100"})
    world.drain()
    delivery.send_due(world.context)

    shown = [pages.get().text, pages.get(actor=worlds.STAFF).text, str(pages.state()), caplog.text]
    shown += [part.as_string() for part in mailbox.wait_for(1)]
    secret = world.params()["serverpassword"]
    service = world.service()
    for text in shown:
        assert secret not in text
        assert worlds.KEY not in text
    for text in shown[:3] + shown[4:]:
        assert service.token not in text
