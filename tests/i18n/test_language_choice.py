"""Who reads what in which language: the page, staff's pages, mails, the host; and a provider's own words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from support import world as worlds

from puq_backups.mail import compose
from puq_backups.models import Mail, Service, now
from puq_backups.simulator import Simulator

SPECIFIC_FIELDS = """
msgid "Backups"
msgstr "Sicherungen"

msgid "Another task blocks this server now ({lock})."
msgstr "Gesperrt: {lock}"

msgid "Your backups of {name} will be removed"
msgstr "Die Sicherungen von {name} gehen"
"""


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str, tmp_path: Path) -> Iterator[worlds.World]:
    """Alice's service; her provider has German words of its own."""
    place = tmp_path / "words" / "de" / "LC_MESSAGES"
    place.mkdir(parents=True)
    (place / "puq_backups.po").write_text(SPECIFIC_FIELDS)
    with worlds.registered(proxmox, sqlite_url, redis_url, lang_overrides=str(tmp_path / "words")) as found:
        yield found


def read(world: worlds.World, path: str) -> str:
    return world.app.test_client().get(path).text


def test_providers_words_are_read_by_clients_staff_and_host(world: worlds.World) -> None:
    german = replace(worlds.ALICE, locale="de")

    world.host.actor = german
    assert ">Sicherungen</h2>" in read(world, "/services/1/backups/")
    world.host.actor = replace(worlds.STAFF, locale="de")
    assert "· Sicherungen</title>" in read(world, "/admin/backups/")
    with world.context.database.begin() as session:
        service = session.get_one(Service, "1")
        service.vm_lock, service.vm_seen_at = "backup", now()
    world.host.actor = german
    with world.app.test_request_context():
        assert world.backups.lock_reason("1") == "Gesperrt: backup"
    assert world.backups.lock_reason("1") == "Another task blocks this server now (backup)."


@pytest.mark.parametrize(
    ("language", "lang", "subject"),
    [
        ("german", 'lang="de" dir="ltr"', "Die Sicherungen von web100 gehen"),
        ("Polish", 'lang="pl" dir="ltr"', "Kopie zapasowe serwera web100 zostaną usunięte"),
        ("arabic", 'lang="ar" dir="rtl"', "ستُحذف نسخك الاحتياطية للخادم \u2068web100\u2069"),
        ("klingon", 'lang="en" dir="ltr"', "Your backups of web100 will be removed"),
    ],
)
def test_mail_is_in_the_language_that_the_host_names(
    world: worlds.World, language: str, lang: str, subject: str
) -> None:
    world.back_up("before the update (v2)")
    params = world.params()
    params["clientsdetails"]["language"] = language
    assert world.backups.call("TerminateAccount", params) == "success"

    with world.context.database.open() as session:
        mail = session.scalars(select(Mail).where(Mail.folder == "backups_will_be_removed")).one()
    letter = compose.render(world.context, mail)

    assert letter
    assert letter.subject == subject
    assert f"<html {lang}" in letter.html
    assert ("Dear" in letter.text) == (language == "klingon")
