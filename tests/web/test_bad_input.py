"""What was sent cannot be used, or cannot be done now: a sentence, the right status, and nothing lost."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select
from support import world as worlds
from support.world import ALICE, STAFF
from werkzeug.test import TestResponse

from puq_backups.clock import tick
from puq_backups.models import Server

from .client_pages import ClientPages, visible_text

WEEK: dict[str, Any] = {f"time_{day}": f"0{day}:30" for day in range(7)} | {"day_2": "1", "timezone": "Europe/Paris"}
SECRET = "5d0c9a1e-0000-4000-8000-999999999999"


def value(answer: TestResponse, name: str) -> str | None:
    """What stands in the first field `name` of the page."""
    tag = re.search(rf'<input[^>]*\sname="{name}"[^>]*>', answer.text)
    found = re.search(r'value="([^"]*)"', tag[0]) if tag else None
    return found[1] if found else None


def refuses_nothing_changed(pages: ClientPages, answer: TestResponse, status: int, *sentences: str) -> None:
    assert answer.status_code == status, visible_text(answer)
    for sentence in sentences:
        assert sentence in visible_text(answer)
    assert "Traceback" not in answer.text
    assert pages.world.proxmox.tasks() == []
    assert pages.world.operations() == []


@pytest.mark.parametrize(
    ("wrong", "field", "sentence"),
    [
        ({"day_7": "1"}, "day_7", "There is no weekday 7: weekdays go from 0 (Sunday) to 6."),
        ({"time_8": "01:00"}, "time_8", "There is no weekday 8"),
        ({"day_x": "1"}, "day_x", "There is no weekday x"),
        ({"time_2": "25:61"}, "time_2", "25:61 is not a time of day; write it as HH:MM, from 00:00 to 23:59."),
        ({"time_3": "24:00"}, "time_3", "24:00 is not a time of day"),
        ({"time_2": ""}, "time_2", "Enter a time for this day."),
        ({"timezone": "Mars/Olympus"}, "timezone", "There is no time zone Mars/Olympus."),
        ({"timezone": "../../etc/passwd"}, "timezone", "There is no time zone ../../etc/passwd."),
    ],
)  # fmt: skip
def test_wrong_schedule_names_the_field_and_keeps_what_was_typed(
    pages: ClientPages, wrong: dict[str, str], field: str, sentence: str
) -> None:
    before = pages.state()["schedule"]
    answer = pages.post("/schedule", WEEK | wrong)

    refuses_nothing_changed(pages, answer, 400, sentence)
    assert f'href="#puqb-{field}"' in answer.text
    assert value(answer, "time_5") == "05:30"
    assert value(answer, "time_2") == wrong.get("time_2", "02:30")
    assert re.search(r'name="day_2"[^>]* checked', answer.text)
    zone = wrong.get("timezone", "Europe/Paris")
    assert value(answer, "timezone") == zone
    assert pages.state()["schedule"] == before


NOTES = {
    "too long": ("n" * 256, "The note may have at most 255 characters; it has 256."),
    "two lines": ("one\r\ntwo", "The note must be one line."),
    "a control character": ("a\x00b", "The note must be one line."),
    "the marker's opening": ("my [puqb:0.0]", "The note may not hold [puqb:: that is how we mark our own backups."),
}


@pytest.mark.parametrize("case", NOTES)
def test_wrong_note_names_the_field_and_keeps_what_was_typed(pages: ClientPages, case: str) -> None:
    note, sentence = NOTES[case]
    answer = pages.post("/create", {"note": note})

    refuses_nothing_changed(pages, answer, 400, sentence)
    assert 'href="#puqb-note"' in answer.text
    assert (value(answer, "note") or "")[:3] == note[:3].replace("\x00", "\ufffd")[
        :3
    ] or case == "a control character"


def test_wrong_note_of_a_backup_leaves_the_old_one(pages: ClientPages) -> None:
    backup = pages.world.back_up("the old one")
    for note, sentence in NOTES.values():
        answer = pages.post(f"/{backup.id}/note", {"note": note})

        assert answer.status_code == 400
        assert sentence in visible_text(answer)
        assert f'href="#puqb-note-{backup.id}"' in answer.text
    assert pages.world.held()[0].note == "the old one"


def test_restore_that_is_not_confirmed_does_nothing(pages: ClientPages) -> None:
    backup = pages.world.back_up()
    for confirm in ("", "web10", "web100 x", "RESTORE"):
        answer = pages.post(f"/{backup.id}/restore", {"confirm": confirm})

        assert answer.status_code == 400
        assert "Type the name of the virtual machine, web100, to confirm." in visible_text(answer)
        assert value(answer, "confirm") == confirm
    assert [operation.kind for operation in pages.world.operations()] == ["backup"]


def test_restore_is_confirmed_in_any_case(pages: ClientPages) -> None:
    backup = pages.world.back_up()

    assert pages.post(f"/{backup.id}/restore", {"confirm": "  WEB100 "}).status_code == 303
    pages.world.drain()


def test_kept_is_one_or_zero(pages: ClientPages) -> None:
    backup = pages.world.back_up()
    asked = len(pages.world.proxmox.requests())
    for kept in ("2", "", "yes", "-1"):
        answer = pages.post(f"/{backup.id}/keep", {"kept": kept})

        assert answer.status_code == 400
        assert "kept must be 1 or 0." in visible_text(answer)
    assert len(pages.world.proxmox.requests()) == asked
    assert pages.world.held()[0].kept is False


def test_token_that_ran_out_keeps_what_was_typed(pages: ClientPages) -> None:
    answer = pages.post("/create", {"note": "a long thought"}, token="x.y.z")

    refuses_nothing_changed(pages, answer, 400, "Nothing was done; try again.")
    assert value(answer, "note") == "a long thought"


def test_full_quota_is_refused_with_what_helps(pages: ClientPages) -> None:
    pages.world.call("ChangePackage", **pages.world.params(backups=1))
    pages.world.back_up()

    answer = pages.post("/create", {"note": "one more"})

    assert answer.status_code == 409
    assert "Quota full (1 of 1). Remove a backup or upgrade." in visible_text(answer)
    assert value(answer, "note") == "one more"
    assert len(pages.world.operations()) == 1


@pytest.mark.parametrize(
    ("function", "sentence"),
    [("SuspendAccount", "The service is suspended."), ("TerminateAccount", "The service is terminated.")],
)
def test_service_that_is_not_active_refuses_and_still_shows(pages: ClientPages, function: str, sentence: str) -> None:
    backup = pages.world.back_up()
    pages.world.call(function)

    assert pages.get().status_code == 200
    for path, form in (
        ("/create", {}), ("/schedule", WEEK), (f"/{backup.id}/remove", {}),
        (f"/{backup.id}/restore", {"confirm": "web100"}), (f"/{backup.id}/keep", {"kept": "1"}),
    ):  # fmt: skip
        answer = pages.post(path, form)
        assert answer.status_code == 409, path
        assert sentence in visible_text(answer)
    assert len(pages.world.operations()) == 1


def test_second_wish_while_the_first_waits_is_refused(pages: ClientPages) -> None:
    backup = pages.world.back_up()
    with pages.world.backups.vm_action("1"):
        assert pages.post(f"/{backup.id}/remove").status_code == 303
        answer = pages.post(f"/{backup.id}/remove")
    assert answer.status_code == 409
    assert "This has been asked for already and is about to start." in visible_text(answer)
    pages.world.drain()


def test_kept_backup_is_not_removed(pages: ClientPages) -> None:
    backup = pages.world.back_up()
    assert pages.post(f"/{backup.id}/keep", {"kept": "1"}).status_code == 303

    answer = pages.post(f"/{backup.id}/remove")

    assert answer.status_code == 409
    assert "Kept. Choose “Do not keep” to remove it." in visible_text(answer)
    assert pages.world.proxmox.volumes("local")[0].protected


TROUBLES: dict[str, tuple[dict[str, Any], str]] = {
    "unreachable": ({"port": 1}, "Proxmox cannot be reached at 127.0.0.1"),
    "wrong token": ({"sealed_secret": SECRET}, "Proxmox refused the API token"),
    "wrong fingerprint": ({"fingerprint": "AB:" * 31 + "AB"}, "certificate"),
}


@pytest.mark.parametrize("case", TROUBLES)
def test_backup_that_proxmox_does_not_take_is_told_on_the_page(
    pages: ClientPages, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    wrong, sentence = TROUBLES[case]
    world = pages.world
    with world.context.database.begin() as session:
        server = session.scalars(select(Server)).one()
        for column, value in wrong.items():
            setattr(server, column, world.context.vault.seal(value) if column == "sealed_secret" else value)

    assert pages.post("/create", {"note": "now"}).status_code == 303
    world.context.settings.__dict__["busy_patience"] *= 0
    world.drain()

    page, state = pages.get(), pages.state()
    assert state["last_operation"]["state"] == "failed"
    assert sentence in state["last_operation"]["reason"]
    assert sentence in visible_text(page)
    for text in (page.text, str(state), caplog.text):
        assert "Traceback" not in text
        assert SECRET not in text
        assert world.params()["serverpassword"] not in text


def test_full_storage_is_told_on_the_page(pages: ClientPages) -> None:
    pages.world.call("ChangePackage", **pages.world.params(storage="tiny"))
    pages.post("/create")
    pages.world.drain()

    reason = pages.state()["last_operation"]["reason"]
    assert re.search("No space left on device|no room", reason)
    assert reason in visible_text(pages.get())


def test_vm_that_is_gone_is_told_on_the_page(pages: ClientPages) -> None:
    pages.world.proxmox.control("vm-destroyed", vmid=100)
    pages.post("/create")
    pages.world.drain()

    assert pages.state()["last_operation"]["reason"] == "The virtual machine 100 is no longer there."
    assert "The virtual machine 100 is no longer there." in visible_text(pages.get())


def test_proxmox_out_of_reach_leaves_kept_as_it_was(pages: ClientPages) -> None:
    backup = pages.world.back_up()
    pages.world.proxmox.control("refuse", method="PUT", path="*", status=595, reason="No route to host")

    answer = pages.post(f"/{backup.id}/keep", {"kept": "1"})

    assert answer.status_code == 409
    assert (
        "Proxmox did not take it: Proxmox cannot reach the node that was asked for: No route to host."
        in visible_text(answer)
    )
    assert pages.world.held()[0].kept is False


def test_proxmox_out_of_reach_leaves_a_backup_running_that_was_to_be_stopped(pages: ClientPages) -> None:
    world = pages.world
    world.proxmox.control("slow-backup", vmid=100, seconds=1)
    pages.post("/create")
    for _ in range(40):
        if not tick.start_waiting(world.context) and world.operations()[0].upid:
            break
        advance(world)
    world.proxmox.control("refuse", method="DELETE", path="*", status=595, reason="No route to host")

    answer = pages.post(f"/operations/{world.operations()[0].id}/cancel")

    assert answer.status_code == 409
    assert "No route to host" in visible_text(answer)
    world.drain()


def advance(world: worlds.World) -> None:
    from puq_backups.operations import engine

    for operation in world.operations():
        engine.advance(world.context, operation.id)


def test_fault_of_ours_is_logged_and_not_shown(pages: ClientPages, caplog: pytest.LogCaptureFixture) -> None:
    pages.world.app.testing = False
    pages.world.backups.hooks.functions["EditNote"] = lambda: {}["no such key"]
    backup = pages.world.back_up()

    answer = pages.post(f"/{backup.id}/note", {"note": "kept as typed"})

    assert answer.status_code == 500
    assert "Something went wrong on our side" in visible_text(answer)
    assert "kept as typed" in answer.text
    assert "KeyError" not in answer.text
    assert "KeyError" in caplog.text


def test_what_clients_type_is_never_html(pages: ClientPages) -> None:
    attack = '"><script>alert(1)</script>'
    backup = pages.world.back_up(attack)
    for answer in (
        pages.get(), pages.get(actor=STAFF), pages.post("/create", {"note": f"{attack}\n2"}),
        pages.post("/schedule", WEEK | {"timezone": attack, "time_1": attack}),
        pages.post("/schedule", WEEK | {f"day_{attack}": "1"}),
        pages.post(f"/{backup.id}/restore", {"confirm": attack}, ALICE),
    ):  # fmt: skip
        assert "<script>alert" not in answer.text
        assert "alert(1)" in answer.text
