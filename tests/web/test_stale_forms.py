"""Forms of a page that is older than what is there now: answered with the page and a sentence, never overwriting."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import update

from puq_backups.models import Service
from puq_backups.rules.schedule import Schedule

from .client_pages import ClientPages, visible_text

NEVER = "0" * 32
TITLE = "Scheduled Automatic Backups"
NOT_THERE = "It is no longer there. The page shows what is there now."


def week(pages: ClientPages, *days: int, time: str = "03:00") -> dict[str, str]:
    """The schedule's form with these days, as the page shows it now."""
    found = re.search(r'name="schedule_version" value="([^"]*)"', pages.get().text)
    assert found
    times = {f"time_{day}": time for day in range(7)}
    return {"timezone": "UTC", "schedule_version": found[1], **times, **{f"day_{day}": "1" for day in days}}


def stored(pages: ClientPages) -> list[int]:
    days = Schedule.from_json(pages.world.service().schedule).to_json()["days"]
    return [day["day"] for day in days if day["enabled"]]


def test_schedule_that_changed_meanwhile_is_shown_beside_the_typed_one_and_not_overwritten(
    pages: ClientPages,
) -> None:
    mine, theirs = week(pages, 1, time="04:05"), week(pages, 2, time="22:10")
    assert pages.post("/schedule", theirs).status_code == 303

    answer = pages.post("/schedule", mine)

    words = visible_text(answer)
    assert answer.status_code == 409
    assert "The schedule was changed meanwhile. Yours is not saved." in words
    assert "Saved now Tuesday 22:10" in words
    assert "Yours, below Monday 04:05" in words
    assert 'name="time_1" id="puqb-time_1"' in answer.text
    assert re.search(r'id="puqb-time_1"\s+value="04:05"', answer.text)
    assert stored(pages) == [2]
    again = re.search(r'name="schedule_version" value="([^"]*)"', answer.text)
    assert again
    assert pages.post("/schedule", {**mine, "schedule_version": again[1]}).status_code == 303
    assert stored(pages) == [1]


@pytest.mark.flow
def test_schedule_that_staff_changed_meanwhile_is_not_overwritten(pages: ClientPages) -> None:
    mine = week(pages, 1)
    days = [{"day": day, "enabled": day == 5, "time": "01:00" if day == 5 else ""} for day in range(7)]
    with pages.world.context.database.begin() as session:
        values = {"schedule": {"timezone": "UTC", "days": days}}
        session.execute(update(Service).where(Service.id == "1").values(**values))

    assert pages.post("/schedule", mine).status_code == 409
    assert stored(pages) == [5]


@pytest.mark.parametrize("act", ["restore", "remove", "undo", "delete", "note", "keep", "release"])
def test_form_of_a_backup_that_is_gone_answers_with_the_page_and_a_sentence(pages: ClientPages, act: str) -> None:
    backup = pages.world.back_up()
    assert pages.post(f"/{backup.id}/delete").status_code == 303
    pages.world.drain()
    fields = {"confirm": pages.world.service().vm_name, "note": "typed", "kept": "1"}

    for backup_id in (backup.id, NEVER):
        answer = pages.post(f"/{backup_id}/{act}", fields)
        assert answer.status_code == 404
        assert NOT_THERE in visible_text(answer)
        assert TITLE in visible_text(answer)


@pytest.mark.parametrize("act", ["restore", "remove"])
def test_page_that_confirms_for_a_backup_that_is_gone_says_so(pages: ClientPages, act: str) -> None:
    answer = pages.get(f"/{NEVER}/{act}")

    assert answer.status_code == 404
    assert NOT_THERE in visible_text(answer)
    assert TITLE in visible_text(answer)


@pytest.mark.parametrize("act", ["cancel", "retry", "back"])
def test_form_of_an_operation_that_is_over_answers_with_the_page_and_a_sentence(pages: ClientPages, act: str) -> None:
    pages.world.back_up()
    over = pages.world.operations()[-1].id

    for operation_id, statuses in ((over, {409}), (NEVER, {404, 409})):
        answer = pages.post(f"/operations/{operation_id}/{act}")
        assert answer.status_code in statuses
        assert 'role="alert" data-puqb-said' in answer.text
        assert TITLE in visible_text(answer)


@pytest.mark.parametrize(
    "path",
    ["/schedule", "/create", "/x/undo", "/x/delete", "/x/note", "/x/keep", "/x/release", "/reinstall",
     "/operations/x/retry", "/operations/x/back", "/operations/x/cancel"],
)  # fmt: skip
def test_address_of_a_form_that_is_loaded_again_leads_to_the_page(pages: ClientPages, path: str) -> None:
    answer = pages.get(path)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/services/1/backups/")


def test_form_whose_token_is_over_keeps_what_was_typed(pages: ClientPages) -> None:
    backup = pages.world.back_up("first words")
    schedule = pages.post("/schedule", week(pages, 1, time="04:05"), token="old")
    created = pages.post("/create", {"note": "before the upgrade"}, token="old")
    noted = pages.post(f"/{backup.id}/note", {"note": "other words"}, token="old")

    for answer in (schedule, created, noted):
        assert answer.status_code == 400
        assert 'role="alert" data-puqb-said' in answer.text
    assert re.search(r'id="puqb-time_1"\s+value="04:05"', schedule.text)
    assert re.search(r'id="puqb-day_1" value="1" checked', schedule.text)
    assert "data-puqb-unsaved" in schedule.text
    assert re.search(r'id="puqb-note"[^>]*value="before the upgrade"', created.text)
    assert re.search(rf'id="puqb-note-{backup.id}"[^>]*value="other words"', noted.text)


def test_page_that_confirms_a_restore_keeps_what_was_typed_when_its_token_is_over(pages: ClientPages) -> None:
    backup = pages.world.back_up()
    answer = pages.post(f"/{backup.id}/restore", {"confirm": "web100"}, token="old")

    assert answer.status_code == 400
    assert "The form had expired" in visible_text(answer)
    assert "Please correct this" not in visible_text(answer)
    assert re.search(r'id="puqb-confirm"[^>]*value="web100"', answer.text)
    assert re.search(r'name="safety_copy"(?![^>]*checked)', answer.text)
    assert [operation.kind for operation in pages.world.operations()] == ["backup"]


def test_another_site_types_no_name_into_the_page_that_confirms(pages: ClientPages) -> None:
    backup = pages.world.back_up()
    form = {"confirm": "web100"}
    answer = pages.post(f"/{backup.id}/restore", form, token="old", headers={"Sec-Fetch-Site": "cross-site"})

    assert (answer.status_code, "Another site sent this form." in visible_text(answer)) == (400, True)
    assert 'value="web100"' not in answer.text


@pytest.mark.flow
def test_reinstallation_keeps_what_was_typed_when_its_token_is_over(pages: ClientPages) -> None:
    backup = pages.world.back_up()
    pages.world.proxmox.control("archive-damaged", volid=backup.volid)
    assert pages.post(f"/{backup.id}/restore", {"confirm": "web100"}).status_code == 303
    pages.world.drain()
    answer = pages.post("/reinstall", {"confirm": "REINSTALL"}, token="old")

    assert answer.status_code == 400
    assert re.search(r'name="confirm" value="REINSTALL"', answer.text)
