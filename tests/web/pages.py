"""The page rendered from plain values, for the tests of this folder."""

import copy
import datetime as dt
import re
import types
from html import unescape
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FileSystemLoader

from puq_backups.client_area import backup_list
from puq_backups.errors import Message
from puq_backups.i18n.translator import Translator

WHEN = dt.datetime(2026, 7, 1, 3, 0, 5, tzinfo=dt.UTC)
NOTHING_AGAINST = dict.fromkeys(("restore", "remove", "keep", "note", "undo", "delete", "release"))
TEMPLATES = Environment(
    loader=FileSystemLoader(str(files("puq_backups.templates"))), autoescape=True, trim_blocks=True
)


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
        "expires_at": None,
        "missing": False,
        "restorable": True,
        "verified": None,
        "damaged": False,
        "binned_until": None,
        "seconds": 240.0,
        "urls": {action: f"{at}/{action}" for action in ("look", *NOTHING_AGAINST)},
        "reason_against": dict(NOTHING_AGAINST),
        **changes,
    }


def an_operation(**changes: Any) -> dict[str, Any]:
    """A running backup, or what `changes` make of it."""
    return {
        "id": "o1",
        "kind": "backup",
        "origin": "manual",
        "state": "running",
        "step": "Reading the disks",
        "progress": 42,
        "bytes": None,
        "seconds_left": None,
        "expected_start": None,
        "expected_end": None,
        "queue_position": None,
        "reason": None,
        "warnings": [],
        "started_at": WHEN,
        "finished_at": None,
        "cancellable": False,
        "urls": {action: f"/s/1/backups/operations/o1/{action}" for action in ("retry", "cancel", "back")},
        **changes,
    }


def a_run(index: int, **changes: Any) -> dict[str, Any]:
    """The scheduled run `index`, which removes nothing."""
    at = WHEN + dt.timedelta(days=index)
    return {
        "index": index,
        "at": at,
        "outcome": "runs",
        "reason": None,
        "removes": [],
        "removes_later": [],
        "place": 2,
        **changes,
    }


def values(**changes: Any) -> dict[str, Any]:
    """What the view hands to the page: a quiet service with ten places and one backup."""
    days = [{"day": day, "enabled": day == 1, "time": "03:00"} for day in range(7)]
    at = "/s/1/backups"
    backups = changes.get("backups", [a_backup(1)])
    listing = backup_list.select_page([types.SimpleNamespace(**backup) for backup in backups], {})[1]
    noon = [{"at": WHEN - dt.timedelta(days=days), "state": "none", "text": Message("-")} for days in range(30)]
    return {
        "service": {"id": "1", "name": "web-1", "status": "running"},
        "listing": {**listing, **backup_list.urls(listing, lambda **query: f"{at}/")},
        "history": {"days": noon[::-1], "counts": {"none": 30}, "curve": None},
        "runs": [],
        "clock_change": None,
        "edit": "",
        "bin_hours": 24,
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
        "quota_places": {"coming": 0, "kept": 0, "blocked": False},
        "protection": {
            "state": "protected",
            "tone": "ok",
            "mark": "check",
            "sentence": Message("Last good backup: {last}.", last=WHEN),
            "last_good_at": WHEN,
            "since": WHEN,
        },
        "schedule": {
            "timezone": "Europe/Warsaw",
            "days": days,
            "next_run": None,
            "next_removal": [],
            "emptied": [],
            "next_outcome": "none",
            "next_reason": None,
            "skip_notice": None,
            "notice": None,
            "version": "v1",
        },
        "timezones": ["Europe/Kyiv", "Europe/Warsaw", "UTC"],
        "backups": [a_backup(1)],
        "operation": None,
        "last_operation": None,
        "locked": False,
        "lock_reason": None,
        "restore_failed": None,
        "may": dict.fromkeys(
            ("create", "schedule", "restore", "remove", "keep", "cancel", "retry", "back", "reinstall")
        ),
        "errors": {},
        "message": None,
        "refusal": None,
        "form": {},
        "safety_copy": "off",
        "snapshots": None,
        **copy.deepcopy(changes),
    }


def page(locale: str = "en", **changes: Any) -> str:
    """The page as HTML, each run of white space made one space."""
    t = Translator(locale, "Europe/Warsaw")
    template = TEMPLATES.get_template("puq_backups/client/backups.html")
    html = template.render(values(**changes), _=t.gettext, ngettext=t.ngettext, t=t, puq_backups=t)
    return re.sub(r"\s+", " ", html)


def confirmation(locale: str = "en", **changes: Any) -> str:
    """The page that confirms the restore of the first backup."""
    t = Translator(locale, "Europe/Warsaw")
    plan = {
        "happens": [Message("The disk scsi0 goes back.")],
        "warnings": [Message("Snapshots will be lost: friday.")],
    }
    shown = {
        "backup": a_backup(1), "plan": plan, "blocked": [], "reason": None, "trouble": None, "safety_copy": "offer",
        "safety_against": None, "minutes": 7,
    }  # fmt: skip
    template = TEMPLATES.get_template("puq_backups/client/restore.html")
    urls = {"page": "/s/1/backups/", "restore": "/s/1/backups/b1/restore", "stylesheet": "backups.css"}
    return template.render(
        values(**{**shown, "urls": urls, **changes}), _=t.gettext, ngettext=t.ngettext, t=t, puq_backups=t
    )


def words(html: str) -> str:
    """What a reader sees, tags taken away."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html)))


class Elements(HTMLParser):
    """Every element of a page as (tag, attributes), and for each form the names of its fields."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.forms: list[tuple[dict[str, str | None], list[str | None]]] = []
        """Those that post: what only leads to another page carries no token."""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))
        if tag == "form" and dict(attrs).get("method") == "post":
            self.forms.append((dict(attrs), []))
        elif tag in ("input", "select") and self.forms:
            self.forms[-1][1].append(dict(attrs).get("name"))

    def one(self, element_id: str) -> dict[str, str | None]:
        """The attributes of the one element with this id."""
        (found,) = [attributes for _, attributes in self.all if attributes.get("id") == element_id]
        return found


def button(html: str, address: str) -> dict[str, str | None]:
    """The attributes of the row's button that leads or posts to an address below the page's."""
    found = [
        of for tag, of in Elements(html).all if tag == "button" and of.get("formaction") == f"/s/1/backups/{address}"
    ]
    return found[-1]


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
            "kind": "restore",
            "same": None,
            "at": WHEN,
            "cause": None,
            "raw": None,
            "damaged": False,
            "backup": {"created_at": WHEN, "note": "Note 1"},
            "choices": [{"id": "b1", "created_at": WHEN, "note": "Note 1"}],
            "safety_copy": {"id": "b1", "created_at": WHEN},
            "urls": an_operation()["urls"],
        }
    },
    "removal ahead": {
        "schedule": {**values()["schedule"], "next_run": WHEN, "next_removal": ["b1"], "notice": BUSY},
        "runs": [a_run(0), a_run(1, removes=[a_backup(1)])],
    },
    "refused next": {"runs": [a_run(0, outcome="refused", reason=BUSY)]},
    "skipped next": {"runs": [a_run(0, outcome="skipped", reason=BUSY)]},
    "in the bin": {"backups": [a_backup(1, binned_until=WHEN), a_backup(2)]},
    "odd backups": {
        "backups": [
            a_backup(1, kind="safety", kept=True, expires_at=WHEN),
            a_backup(2, kind="adopted", missing=True, size=None, restorable=False, note=""),
            a_backup(3, kind="scheduled", restorable=False),
        ]
    },
}
