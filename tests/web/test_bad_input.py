"""What was sent cannot be used, or cannot be done now: a sentence, the right status, and nothing lost."""

from __future__ import annotations

import re

import pytest
from support.world import ALICE, STAFF

from .client_pages import ClientPages, visible_text
from .form_errors import WEEK, refuses_nothing_changed, value


@pytest.mark.parametrize(
    ("wrong", "field", "sentence"),
    [
        ({"day_7": "1"}, "day_7", "There is no weekday 7: weekdays go from 0 (Sunday) to 6."),
        ({"time_8": "01:00"}, "time_8", "There is no weekday 8"),
        ({"day_x": "1"}, "day_x", "There is no weekday x"),
        ({"time_2": "25:61"}, "time_2", "25:61 is not a time of day; write it as HH:MM, from 00:00 to 23:59."),
        ({"time_3": "24:00"}, "time_3", "24:00 is not a time of day"),
        ({"time_2": ""}, "time_2", "Enter a time."),
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
    "the marker's opening": ("my [puqb:0.0]", "A description cannot contain “[puqb:”."),
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


@pytest.mark.flow
def test_restore_that_is_not_confirmed_does_nothing(pages: ClientPages) -> None:
    backup = pages.world.back_up()
    for confirm in ("", "web10", "web100 x", "RESTORE"):
        answer = pages.post(f"/{backup.id}/restore", {"confirm": confirm})

        assert answer.status_code == 400
        assert "Type the name of the server, web100, to confirm." in visible_text(answer)
        assert value(answer, "confirm") == confirm
    assert [operation.kind for operation in pages.world.operations()] == ["backup"]


@pytest.mark.flow
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
