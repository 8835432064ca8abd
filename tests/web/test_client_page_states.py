"""The client's page while something runs, after it ended, and after a form was refused."""

import pytest

from puq_backups.errors import Message

from .page_values import BUSY, EVERY_STATE, WHEN, a_backup, an_operation, values
from .rendering import Elements, button, confirmation, fields, page, words

KINDS = ("backup", "restore", "remove", "reinstall")
ENDS = ("done", "failed", "cancelled", "missed", "refused", "skipped")


def test_running_operation_shows_step_and_share() -> None:
    html = page(operation=an_operation())

    assert 'value="42"' in html
    assert "42%" in html
    assert "Making a backup" in html
    assert "Reading the disks" in html


def test_waiting_operation_shows_its_place_and_can_be_cancelled() -> None:
    html = page(operation=an_operation(state="waiting", queue_position=2, cancellable=True))

    assert "place 2 in line" in html
    assert "/s/1/backups/operations/o1/cancel" in fields(html)


def test_restore_in_progress_offers_no_cancel() -> None:
    html = page(operation=an_operation(kind="restore", step="Restoring the disks"))

    assert "/s/1/backups/operations/o1/cancel" not in fields(html)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ENDS)
def test_every_end_of_an_operation_is_told_with_reason_and_warnings(kind: str, end: str) -> None:
    ended = an_operation(
        kind=kind,
        state=end,
        finished_at=WHEN,
        reason=Message("The storage {storage} is full.", {"storage": "nfs"}),
        warnings=[Message("The system disk was not shrunk.")],
    )
    text = words(page(last_operation=ended))

    assert "The storage nfs is full." in text
    assert "The system disk was not shrunk." in text
    if kind == "backup" or end not in ("missed", "skipped"):
        assert f" {end} Jul" not in text


def test_failed_restore_offers_the_ways_on_and_tells_the_reason() -> None:
    html = page(**EVERY_STATE["restore failed"])
    text = words(html)

    assert "The storage nfs is full." in text
    assert text.index("Undo the restore") < text.index("Retry restore") < text.index("Reinstall")
    assert "Your server becomes what it was Wed, Jul 1, 5:00 AM, from its safety copy." in text
    assert "disabled" not in Elements(html).one("puqb-back")


def test_way_on_that_is_closed_says_why_and_the_lost_backup_is_not_offered() -> None:
    failed = EVERY_STATE["restore failed"]["restore_failed"]
    why = Message("No safety copy was made before this restore.")
    html = page(restore_failed={**failed, "same": Message("Gone.")}, may={**values()["may"], "back": why})

    assert Elements(html).one("puqb-back")["aria-describedby"] == "puqb-why-back"
    assert "No safety copy was made before this restore." in words(html)
    assert "The same backup as before" not in html


def test_restore_in_progress_says_how_many_bytes_are_there() -> None:
    moved = {"done": 13 * 1024**3 + 2**29, "total": 32 * 1024**3, "rate": 142 * 1024**2}
    text = words(page(operation=an_operation(kind="restore", bytes=moved, seconds_left=145)))

    assert "13.5 of 32 GiB" in text
    assert "42%, 2 min left" in text
    assert "142 MiB/s" in text


def test_next_run_names_the_backups_it_removes_with_keep_beside_each() -> None:
    html = page(**EVERY_STATE["removal ahead"])
    text = words(html[html.index('id="puqb-live-next"') :])

    assert "The next run removes nothing." in text
    assert "removes the oldest: Tue, Jun 30, 5:00 AM , Note 1" in text
    assert button(html[: html.index("puqb-schedule-title")], "b1/keep")["value"] == "1"
    assert text.count("Removes Tue, Jun 30") == 1


def test_marks_tell_kind_kept_missing_and_not_restorable() -> None:
    text = words(page(**EVERY_STATE["odd backups"]))

    for mark in (
        "Safety copy",
        "Kept",
        "Added by staff",
        "Missing",
        "Size unknown",
        "Scheduled",
        "Not restorable",
    ):
        assert mark in text


def test_empty_list_says_what_to_do() -> None:
    assert "There are no backups yet." in page(backups=[])
    assert "Your package includes no backups." in page(**EVERY_STATE["no quota"])


def test_schedule_error_stands_beside_its_field_with_what_was_entered() -> None:
    form = {f"time_{day}": "03:00" for day in range(7)} | {
        "time_2": "25:61",
        "day_2": "1",
        "timezone": "Mars/X",
    }
    html = page(errors={"time_2": Message("25:61 is not a time of day.")}, form=form)
    elements = Elements(html)

    assert elements.one("puqb-time_2")["value"] == "25:61"
    assert elements.one("puqb-time_2")["aria-describedby"] == "puqb-time_2-error"
    assert "checked" in elements.one("puqb-day_2")
    assert "checked" not in elements.one("puqb-day_1")
    assert elements.one("puqb-timezone")["value"] == "Mars/X"


def test_wrong_description_is_said_in_its_row_with_what_was_entered() -> None:
    html = page(
        backups=[a_backup(1), a_backup(2)],
        errors={"note": Message("That is not it.")},
        form={"backup_id": "b2", "note": "entered"},
    )

    assert Elements(html).one("puqb-note-b2")["value"] == "entered"
    assert Elements(html).one("puqb-note-b2-error")
    assert "/s/1/backups/b1/note" not in fields(html)


def test_wrong_name_is_said_beside_its_field_with_what_was_entered() -> None:
    html = confirmation(errors={"confirm": Message("That is not it.")}, form={"confirm": "entered"})

    assert Elements(html).one("puqb-confirm")["value"] == "entered"
    assert Elements(html).one("puqb-confirm")["aria-describedby"] == "puqb-confirm-error"


def test_binned_backup_has_undo_and_delete_and_nothing_else() -> None:
    html = page(**EVERY_STATE["in the bin"])
    row = html[html.index('id="puqb-backup-b1"') : html.index('id="puqb-backup-b2"')]

    assert [of["formaction"] for tag, of in Elements(row).all if tag == "button"] == [
        "/s/1/backups/b1/undo", "/s/1/backups/b1/remove"
    ]  # fmt: skip
    assert "Note 1" in words(row)
    assert "In the bin until Wed, Jul 1, 5:00 AM" in words(row)


@pytest.mark.parametrize(("outcome", "said"), [("refused", "is refused."), ("skipped", "is skipped.")])
def test_run_that_makes_nothing_says_why(outcome: str, said: str) -> None:
    text = words(page(**EVERY_STATE[f"{outcome} next"]))

    assert f"{said} {BUSY}" in text


@pytest.mark.parametrize(("kind", "role"), [("message", "status"), ("refusal", "alert")])
def test_what_came_of_the_last_click_is_told_at_the_top(kind: str, role: str) -> None:
    html = page(**{kind: Message("Said of {name}.", {"name": "web-1"})})

    assert f'role="{role}"' in html[: html.index("Said of web-1.")]
    assert html.index("Said of web-1.") < html.index("Scheduled Automatic Backups")
