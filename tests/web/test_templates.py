"""The client's page, rendered from plain values: what stands on it in which state."""

import copy
import datetime as dt
import re
from html import unescape
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader

from puq_backups.errors import Message
from puq_backups.i18n import Translator

SCHEDULE_NOTE = (
    "If the schedule is configured, the system will automatically create backups and delete old backups."
)
RESTORE_NOTE = "In the case of a backup restore, all snapshots of Virtual Machine will be deleted."
WHEN = dt.datetime(2026, 7, 1, 3, 0, 5, tzinfo=dt.UTC)
NOTHING_AGAINST = {"restore": None, "remove": None, "keep": None, "note": None}
TEMPLATES = Environment(
    loader=FileSystemLoader(str(files("puq_backups.templates"))), autoescape=True, trim_blocks=True
)
KINDS = ("backup", "restore", "remove", "reinstall")
ENDS = ("done", "failed", "cancelled", "missed", "refused", "skipped")


def a_backup(number: int, **changes: Any) -> dict[str, Any]:
    """Backup `number`, one day older with each; `urls` as the web part makes them."""
    at = f"/s/1/backups/b{number}"
    return {
        "id": f"b{number}",
        "created_at": WHEN - dt.timedelta(days=number),
        "note": f"Note {number}",
        "size": 300 * 1024**3,
        "kind": "manual",
        "kept": False,
        "missing": False,
        "restorable": True,
        "urls": {action: f"{at}/{action}" for action in NOTHING_AGAINST},
        "reason_against": dict(NOTHING_AGAINST),
        **changes,
    }


def an_operation(**changes: Any) -> dict[str, Any]:
    """A running backup, or what `changes` make of it."""
    return {
        "id": "o1",
        "kind": "backup",
        "state": "running",
        "step": "Reading the disks",
        "progress": 42,
        "queue_position": None,
        "reason": None,
        "warnings": [],
        "started_at": WHEN,
        "finished_at": None,
        "cancellable": False,
        "urls": {action: f"/s/1/backups/operations/o1/{action}" for action in ("retry", "cancel", "back")},
        **changes,
    }


def values(**changes: Any) -> dict[str, Any]:
    """What the view hands to the page: a quiet service with ten places and one backup."""
    days = [{"day": day, "enabled": day == 1, "time": "03:00"} for day in range(7)]
    at = "/s/1/backups"
    return {
        "service": {"id": "1", "name": "web-1", "status": "running"},
        "urls": {
            "page": f"{at}/",
            "state": f"{at}/state",
            "schedule": f"{at}/schedule",
            "create": f"{at}/create",
            "reinstall": f"{at}/reinstall",
            "stylesheet": "backups.css",
            "script": "backups.js",
        },
        "csrf_token": "the-token",
        "quota": {"used": 1, "limit": 10},
        "schedule": {
            "timezone": "Europe/Warsaw",
            "days": days,
            "next_run": None,
            "next_removal": [],
            "skip_notice": None,
            "notice": None,
        },
        "timezones": ["Europe/Kyiv", "Europe/Warsaw", "UTC"],
        "backups": [a_backup(1)],
        "operation": None,
        "last_operation": None,
        "locked": False,
        "lock_reason": None,
        "restore_failed": None,
        "may": dict.fromkeys(("create", "schedule", "restore", "remove", "keep", "reinstall")),
        "errors": {},
        "message": None,
        "refusal": None,
        "form": {},
        "snapshots": None,
        **copy.deepcopy(changes),
    }


def page(locale: str = "en", **changes: Any) -> str:
    """The page as HTML, each run of white space made one space."""
    t = Translator(locale, "Europe/Warsaw")
    template = TEMPLATES.get_template("puq_backups/client/backups.html")
    html = template.render(values(**changes), _=t.gettext, ngettext=t.ngettext, t=t)
    return re.sub(r"\s+", " ", html)


def words(html: str) -> str:
    """What a reader sees, tags taken away."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html)))


class Elements(HTMLParser):
    """Every element of a page as (tag, attributes), and for each form the names of its fields."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.forms: list[tuple[dict[str, str | None], list[str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))
        if tag == "form":
            self.forms.append((dict(attrs), []))
        elif tag in ("input", "select") and self.forms:
            self.forms[-1][1].append(dict(attrs).get("name"))

    def one(self, element_id: str) -> dict[str, str | None]:
        """The attributes of the one element with this id."""
        (found,) = [attributes for _, attributes in self.all if attributes.get("id") == element_id]
        return found


def fields(html: str) -> dict[str | None, list[str | None]]:
    """The fields of each form by the URL it posts to."""
    return {form.get("action"): names for form, names in Elements(html).forms}


BUSY = Message("A backup of this virtual machine is running.")
EVERY_STATE: dict[str, dict[str, Any]] = {
    "quiet": {},
    "empty": {"backups": []},
    "no quota": {"backups": [], "quota": {"used": 0, "limit": 0}},
    "waiting": {"operation": an_operation(state="waiting", queue_position=2, cancellable=True)},
    "running": {"operation": an_operation(cancellable=True), "locked": True, "lock_reason": BUSY},
    "stuck": {"operation": an_operation(state="stuck", progress=None), "locked": True},
    "locked by staff": {"locked": True, "lock_reason": BUSY},
    "restore failed": {
        "restore_failed": {
            "reason": Message("The storage {storage} is full.", {"storage": "nfs"}),
            "operation_id": "o1",
            "urls": an_operation()["urls"],
        }
    },
    "removal ahead": {
        "schedule": {**values()["schedule"], "next_run": WHEN, "next_removal": ["b1"], "notice": BUSY}
    },
    "odd backups": {
        "backups": [
            a_backup(1, kind="safety", kept=True),
            a_backup(2, kind="adopted", missing=True, size=None, restorable=False, note=""),
            a_backup(3, kind="scheduled", restorable=False),
        ]
    },
}


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
    assert not [
        name for _, attributes in elements for name in attributes if name == "style" or name[:2] == "on"
    ]


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
    assert "Jun 30, 2026 5:00:05 AM" in words(page())


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
    assert ["checked" in elements.one(f"puqb-day_{day}") for day in range(7)] == [
        day == 1 for day in range(7)
    ]
    assert {elements.one(f"puqb-time_{day}")["type"] for day in range(7)} == {"time"}
    assert set(fields(html)["/s/1/backups/schedule"]) == {
        "csrf_token", "timezone", *(f"{what}_{day}" for what in ("day", "time") for day in range(7)),
    }  # fmt: skip


def test_sections_follow_the_feature_text() -> None:
    text = words(page())
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
        "/s/1/backups/b1/restore": ["csrf_token", "confirm"],
        "/s/1/backups/b1/remove": ["csrf_token"],
        "/s/1/backups/b1/note": ["csrf_token", "note"],
        "/s/1/backups/b1/keep": ["csrf_token", "kept"],
    }
    assert Elements(html).one("puqb-note")["maxlength"] == "255"
    assert "Type REINSTALL to confirm" in words(html)


def test_restore_dialog_lists_what_will_be_lost_and_asks_for_the_name() -> None:
    text = words(page(snapshots=["before-upgrade", "friday"]))

    assert "Everything that changed on web-1 after this backup is lost." in text
    assert "All snapshots of the virtual machine are deleted. before-upgrade, friday" in text
    assert "Type web-1 to confirm" in text


def test_safety_copy_is_offered_where_the_view_knows_it() -> None:
    assert "safety_copy" not in page()
    assert (
        "safety_copy" in fields(page(may={**values()["may"], "safety_copy": None}))["/s/1/backups/b1/restore"]
    )


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
    html = page(
        backups=[a_backup(1, reason_against=off), a_backup(2)], may={**values()["may"], "restore": BUSY}
    )
    elements = Elements(html)

    assert html.count(f"<span>{BUSY}</span>") == 1
    assert html.count(f"<span>{own}</span>") == 1
    assert elements.one("puqb-restore-b1-open")["aria-describedby"] == "puqb-why-restore"
    assert elements.one("puqb-remove-b1-open")["aria-describedby"] == "puqb-why-remove-b1"
    assert "disabled" not in elements.one("puqb-remove-b2-open")


def test_lock_says_why_and_the_buttons_point_to_it() -> None:
    off = dict.fromkeys(NOTHING_AGAINST, BUSY)
    html = page(
        **EVERY_STATE["running"] | {"backups": [a_backup(1, reason_against=off)]},
        may=dict.fromkeys(values()["may"], BUSY),
    )

    assert Elements(html).one("puqb-restore-b1-open")["aria-describedby"] == "puqb-lock"
    assert str(BUSY) in html[html.index('id="puqb-lock"') :]


def test_running_operation_shows_step_and_share() -> None:
    html = page(operation=an_operation())

    assert 'value="42"' in html
    assert "42%" in html
    assert "Creating a backup" in html
    assert "Reading the disks" in html


def test_waiting_operation_shows_its_place_and_can_be_cancelled() -> None:
    html = page(operation=an_operation(state="waiting", queue_position=2, cancellable=True))

    assert "place 2 in the queue" in html
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


def test_failed_restore_offers_retry_and_reinstall_and_tells_the_reason() -> None:
    text = words(page(**EVERY_STATE["restore failed"]))

    assert "The storage nfs is full." in text
    assert text.index("Retry restore") < text.index("Reinstall")


def test_next_run_names_the_backups_it_removes_with_keep_beside_each() -> None:
    html = page(**EVERY_STATE["removal ahead"])
    keep = next(
        attributes for tag, attributes in Elements(html).all if attributes.get("form") == "puqb-keep-b1"
    )

    assert "This backup will be removed to make room for it:" in html
    assert keep["type"] == "submit"
    assert "Removed at the next run" in html


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
    assert "<option selected>Mars/X</option>" in html


@pytest.mark.parametrize("field", ["confirm", "note"])
def test_error_in_a_dialog_opens_it_again_with_what_was_entered(field: str) -> None:
    html = page(
        backups=[a_backup(1), a_backup(2)],
        errors={field: Message("That is not it.")},
        form={"backup_id": "b2", field: "entered"},
    )
    elements = Elements(html)
    dialog = "puqb-restore-b2" if field == "confirm" else "puqb-edit-b2"

    assert [attributes["id"] for tag, attributes in elements.all if "open" in attributes] == [dialog]
    assert elements.one(f"puqb-{field}-b2")["value"] == "entered"
    assert elements.one(f"puqb-{field}-b2-error")


@pytest.mark.parametrize(("kind", "role"), [("message", "status"), ("refusal", "alert")])
def test_what_came_of_the_last_click_is_told_at_the_top(kind: str, role: str) -> None:
    html = page(**{kind: Message("Said of {name}.", {"name": "web-1"})})

    assert f'role="{role}"' in html[: html.index("Said of web-1.")]
    assert html.index("Said of web-1.") < html.index("Scheduled Automatic Backups")
