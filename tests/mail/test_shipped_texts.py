"""The shipped mails as they are read: each thing is said once, and each time has its zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from support import world as worlds

from puq_backups.errors import Message
from puq_backups.mail import merge_fields, templates
from puq_backups.mail.templates import RenderedEmail

TIME = re.compile(r"\d{1,2}:\d{2}:\d{2}(?!(?:\s[AP]M)? \()")
"""A time of day without a zone behind it."""
MOMENT = datetime(2026, 11, 27, 2, tzinfo=UTC)
URL = "https://provider.example/services/7/backups"


@pytest.fixture
def client_mails(world: worlds.World) -> dict[str, RenderedEmail]:
    """The client's mails by name, with sample values, in English."""
    translator = world.context.translator("en", "Europe/London")
    found = {}
    for email in world.context.hooks.emails:
        if email.to == "client":
            said = merge_fields.localize(merge_fields.samples(email.own), translator)
            said["backups_url"] = URL
            found[email.name] = templates.render_shipped(email.folder, said, translator)
    return found


def test_client_mails_lead_to_the_backups_page_once(client_mails: dict[str, RenderedEmail]) -> None:
    assert {name: mail.text.count(URL) for name, mail in client_mails.items()} == dict.fromkeys(client_mails, 1)
    assert [name for name, mail in client_mails.items() if f'href="{URL}"' not in mail.html] == []


def test_mail_about_no_service_has_no_button_that_leads_nowhere(world: worlds.World) -> None:
    translator = world.context.translator("en", "Europe/London")
    said = merge_fields.localize({"service_server_hostname": "pve1", "reason": None}, translator)
    html = templates.render_shipped("server_trouble", said, translator).html

    assert "pve1" in html
    assert 'href=""' not in html


def test_client_mails_name_the_zone_of_each_time(client_mails: dict[str, RenderedEmail]) -> None:
    assert {name: TIME.findall(mail.text) for name, mail in client_mails.items() if TIME.search(mail.text)} == {}


def test_client_mails_say_each_moment_once(client_mails: dict[str, RenderedEmail]) -> None:
    moments = {name: re.findall(r"\w+ \d+, \d{4}, [\d:]+", mail.text) for name, mail in client_mails.items()}

    assert {name: found for name, found in moments.items() if len(found) != len(set(found))} == {}


def test_mail_about_kept_backups_gives_its_reason_once(client_mails: dict[str, RenderedEmail]) -> None:
    assert "Reason:" not in client_mails["Quota full of kept backups"].text


def test_mail_about_a_failed_restore_names_the_reinstallation_last(client_mails: dict[str, RenderedEmail]) -> None:
    text = client_mails["Restore failed"].text

    assert text.index("retry the restore") < text.index("You can also reinstall")


def test_time_inside_a_sentence_has_its_zone(world: worlds.World) -> None:
    inner = Message("Last good backup: {last}.", last=MOMENT)
    stored = Message("The next backup will not run. {reason}", reason=inner).to_json()

    said = merge_fields.localize({"reason": stored}, world.context.translator("en", "Europe/London"))

    assert said["reason"] == (
        "The next backup will not run. Last good backup: Nov 27, 2026, 2:00:00\u202fAM (Europe/London)."
    )
