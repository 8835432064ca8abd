"""The client's page: what stands on it, and that every button leads somewhere."""

import re

import pytest

from puq_backups.errors import Message

from .page_values import BUSY, EVERY_STATE, NOTHING_AGAINST, WHEN, a_backup, values
from .rendering import Elements, button, confirmation, fields, page, words

SCHEDULE_NOTE = "If the schedule is configured, the system will automatically create backups and delete old backups."
RESTORE_NOTE = "In the case of a backup restore, all snapshots of Virtual Machine will be deleted."


@pytest.mark.parametrize("state", EVERY_STATE)
def test_every_form_carries_the_token_and_posts_to_an_address(state: str) -> None:
    forms = Elements(page(**EVERY_STATE[state])).forms

    assert len(forms) >= 2
    for form, names in forms:
        assert form["method"] == "post"
        assert (form["action"] or "").startswith("/s/1/backups/")
        assert "csrf_token" in names


@pytest.mark.parametrize("state", EVERY_STATE)
def test_ids_are_unique_and_references_lead_somewhere(state: str) -> None:
    elements = Elements(page(**EVERY_STATE[state])).all
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    named = ("aria-describedby", "aria-labelledby", "popovertarget", "for", "form")
    references = {attributes[name] for _, attributes in elements for name in named if name in attributes}

    assert len(ids) == len(set(ids))
    assert references <= set(ids)


@pytest.mark.parametrize("state", EVERY_STATE)
def test_nothing_is_inline_under_a_strict_content_policy(state: str) -> None:
    elements = Elements(page(**EVERY_STATE[state])).all

    assert "style" not in {tag for tag, _ in elements}
    assert [attributes["src"] for tag, attributes in elements if tag == "script"] == ["backups.js"]
    assert not [name for _, attributes in elements for name in attributes if name == "style" or name[:2] == "on"]


@pytest.mark.parametrize("state", EVERY_STATE)
def test_both_notes_stand_on_the_page_word_for_word(state: str) -> None:
    html = page(**EVERY_STATE[state])

    assert html.count(SCHEDULE_NOTE) == 1
    assert html.count(RESTORE_NOTE) == 1


def test_quota_and_size_read_as_in_the_feature_text() -> None:
    html = page()

    assert ">1/10<" in html
    assert "> 300 GiB<" in html or ">300 GiB<" in html


def test_backup_shows_date_and_time_in_the_readers_zone() -> None:
    assert "Made Jun 30, 2026, 5:00:05 AM." in words(page())


def test_backups_are_listed_as_handed_in() -> None:
    text = words(page(backups=[a_backup(1), a_backup(2)]))

    assert text.index("Note 1") < text.index("Note 2")


def test_note_is_shown_as_text_never_as_markup() -> None:
    nasty = "<script>alert(1)</script> \"' {{x}}"
    html = page(
        backups=[a_backup(1, note=nasty)],
        schedule={**values()["schedule"], "next_run": WHEN, "next_removal": ["b1"]},
        form={"note": nasty},
        errors={"note": Message("No: {note}", {"note": nasty})},
        service={"id": "1", "name": nasty, "status": "running"},
        snapshots=[nasty],
    )

    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5
    assert Elements(html).one("puqb-note")["value"] == nasty


def test_week_runs_from_sunday_to_saturday_with_box_and_time() -> None:
    html = page()
    days = re.findall(r'puqb-day-name">(\w+)<', html)
    elements = Elements(html)

    assert days == ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
    assert ["checked" in elements.one(f"puqb-day_{day}") for day in range(7)] == [day == 1 for day in range(7)]
    assert {elements.one(f"puqb-time_{day}")["type"] for day in range(7)} == {"time"}
    assert set(fields(html)["/s/1/backups/schedule"]) == {
        "csrf_token", "schedule_version", "timezone", None,
        *(f"{what}_{day}" for what in ("day", "time") for day in range(7)),
    }  # fmt: skip


def test_sections_follow_the_feature_text() -> None:
    html = page()
    text = words(html[html.index('id="puqb-schedule-title"') :])
    order = [
        "Scheduled Automatic Backups", "Sunday", SCHEDULE_NOTE, "Save Schedule", "1/10", "Backups notes",
        "Backup now", RESTORE_NOTE, "Date and time", "Description", "Size", "300 GiB", "Restore", "Remove",
    ]  # fmt: skip
    places = [text.index(part, text.index("Backup now") if part == "Restore" else 0) for part in order[:-2]]

    assert places == sorted(places)
    assert text.index("Restore", places[-1]) < text.index("Remove", places[-1])


def test_forms_carry_the_fields_of_the_addresses() -> None:
    html = page(restore_failed=EVERY_STATE["restore failed"]["restore_failed"])

    assert fields(html) == fields(html) | {
        "/s/1/backups/create": ["csrf_token", "note"],
        "/s/1/backups/reinstall": ["csrf_token", "confirm"],
        "/s/1/backups/operations/o1/retry": ["csrf_token", "backup_id"],
        "/s/1/backups/operations/o1/back": ["csrf_token"],
    }
    for action in ("restore", "remove", "keep"):
        assert button(html, f"b1/{action if action != 'restore' else 'look'}")["form"]
    assert fields(page(edit="b1"))["/s/1/backups/b1/note"] == ["csrf_token", "note"]
    assert Elements(html).one("puqb-note")["maxlength"] == "255"
    assert "Type REINSTALL to confirm" in words(html)


def test_restore_dialog_lists_what_will_be_lost_and_asks_for_the_name() -> None:
    text = words(page(snapshots=["before-upgrade", "friday"]))

    assert "Everything that changed on web-1 after this backup." in text
    assert "These snapshots of the server are deleted: before-upgrade, friday." in text
    assert "Type web-1 to confirm" in text


@pytest.mark.parametrize("rule", ["offer", "always", "off"])
def test_safety_copy_is_offered_said_or_left_out(rule: str) -> None:
    html = confirmation(safety_copy=rule)

    assert ("safety_copy" in fields(html)["/s/1/backups/b1/restore"]) is (rule == "offer")
    assert ("A safety copy of the present state is made first." in html) is (rule == "always")
    assert ("safety copy" in html) is (rule != "off")


def test_button_that_is_off_shows_why() -> None:
    why = Message("The quota of {limit} backups is used up; remove one.", {"limit": 10})
    html = page(may={**values()["may"], "create": why})
    elements = Elements(html)

    assert "disabled" in elements.one("puqb-create")
    assert elements.one("puqb-create")["aria-describedby"] == "puqb-why-create"
    assert "<span>The quota of 10 backups is used up; remove one.</span>" in html


def test_reason_for_the_whole_list_is_said_once_and_one_backups_own_in_its_row() -> None:
    own = Message("This backup is kept.")
    off = {"restore": BUSY, "remove": own, "keep": BUSY, "note": None}
    html = page(backups=[a_backup(1, reason_against=off), a_backup(2)], may={**values()["may"], "restore": BUSY})
    elements = Elements(html)

    assert html.count(f"<span>{BUSY}</span>") == 1
    assert html.count(f"<span>{own}</span>") == 1
    assert button(html, "b1/look")["aria-describedby"] == "puqb-why-restore"
    assert button(html, "b1/remove")["aria-describedby"] == "puqb-why-remove-b1"
    assert elements.one("puqb-why-remove-b1")
    assert "disabled" not in button(html, "b2/remove")


def test_lock_says_why_and_the_buttons_point_to_it() -> None:
    off = dict.fromkeys(NOTHING_AGAINST, BUSY)
    html = page(
        **EVERY_STATE["running"] | {"backups": [a_backup(1, reason_against=off)]},
        may=dict.fromkeys(values()["may"], BUSY),
    )

    assert button(html, "b1/look")["aria-describedby"] == "puqb-lock"
    assert str(BUSY) in html[html.index('id="puqb-lock"') :]


def test_page_promises_no_restore_where_none_is_possible() -> None:
    promise = "You can start, stop and restore your server."
    backups = [a_backup(1)]

    assert promise in words(page(backups=backups))
    assert promise not in words(page(backups=backups, may={**values()["may"], "restore": BUSY}))


def test_reason_against_all_is_said_once_below_the_form_and_the_rows_point_to_it() -> None:
    off = dict.fromkeys(NOTHING_AGAINST, BUSY)
    html = page(
        backups=[a_backup(1, reason_against=off)], may={**dict.fromkeys(values()["may"], BUSY), "schedule": None}
    )

    assert html.count(f"<span>{BUSY}</span>") == 1
    assert button(html, "b1/look")["aria-describedby"] == "puqb-why-create"
    assert Elements(html).one("puqb-why-create")
