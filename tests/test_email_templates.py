"""The mails we bring along, rendered from plain merge fields."""

import re
from html import unescape
from importlib.resources import files
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from puq_backups.i18n import Translator

TO_CLIENTS = ("backup_restored", "backup_failed", "scheduled_backup_missed", "restore_failed", "quota_full_of_kept")
MAILS = (*TO_CLIENTS, "operation_stuck")
FIELDS: dict[str, Any] = {
    "client_name": "Alice <Doe>",
    "service_id": "7",
    "service_domain": "web-1.example.com",
    "service_product_name": "KVM L",
    "service_dedicated_ip": "",
    "signature": "Yours,\nExample Hosting",
    "company_name": "Example Hosting",
    "backup_date": "Nov 22, 2026, 8:36:52 AM",
    "backup_note": "before & after",
    "backup_size": "300 GiB",
    "vm_name": "web-1",
    "finished_at": "Nov 23, 2026, 9:00:00 AM",
    "reason": "The storage nfs is full.",
    "warnings": ["The system disk was not shrunk."],
    "backups_url": "https://billing.example/services/7/backups/?a=1&b=2",
}


def render(name: str, part: str, *, trim_blocks: bool = False, **changes: Any) -> str:
    """One part of a mail; a merge field that it needs and that is not documented is an error."""
    environment = Environment(
        loader=FileSystemLoader(str(files("puq_backups.templates"))),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=trim_blocks,
    )
    t = Translator("en", "UTC")
    template = environment.get_template(f"puq_backups/emails/{name}/{part}")
    return template.render(FIELDS | changes, _=t.gettext, ngettext=t.ngettext, t=t)


def words(html: str) -> str:
    """What a reader sees of an HTML body."""
    return " ".join(unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL)).split())


@pytest.mark.parametrize("name", MAILS)
def test_subject_is_one_line_that_names_the_vm(name: str) -> None:
    subject = render(name, "subject.txt")

    assert "web-1" in subject
    assert "\n" not in subject


@pytest.mark.parametrize("name", MAILS)
def test_text_does_not_depend_on_how_blocks_are_trimmed(name: str) -> None:
    text = render(name, "body.txt")

    assert text == render(name, "body.txt", trim_blocks=True)
    assert "\n\n\n" not in text


@pytest.mark.parametrize("name", MAILS)
def test_text_and_html_say_the_same(name: str) -> None:
    text, html = render(name, "body.txt"), words(render(name, "body.html"))

    for line in text.splitlines():
        said = line.removeprefix("- ").removeprefix("Reason: ")
        if said and not said.startswith("https://"):
            assert said.replace(":", "") in html.replace(":", "")


@pytest.mark.parametrize("name", MAILS)
def test_html_escapes_values_and_needs_nothing_from_elsewhere(name: str) -> None:
    html = render(name, "body.html", vm_name="<script>x</script>", reason="<b>", warnings=["<i>"])

    assert "<script>" not in html
    assert "<b>" not in html
    assert "<i>" not in html
    assert not re.search(r"""(src=|url\(|@import|<link)""", html)


@pytest.mark.parametrize("name", MAILS)
def test_both_bodies_lead_to_the_backups_page(name: str) -> None:
    assert FIELDS["backups_url"] in render(name, "body.txt")
    assert f'href="{FIELDS["backups_url"].replace("&", "&amp;")}"' in render(name, "body.html")


@pytest.mark.parametrize("name", TO_CLIENTS)
def test_client_is_addressed_and_the_signature_closes(name: str) -> None:
    text = render(name, "body.txt")

    assert text.startswith("Dear Alice <Doe>,\n")
    assert text.endswith(FIELDS["signature"])


@pytest.mark.parametrize("name", MAILS)
def test_empty_fields_leave_no_empty_lines_or_labels(name: str) -> None:
    empty = {"reason": "", "warnings": [], "backup_note": "", "service_domain": "", "service_product_name": ""}
    text = render(name, "body.txt", **empty)

    assert "\n\n\n" not in text
    assert not re.search(r"(Reason|Please note|Description|Domain|Product):", text)


def test_restored_mail_tells_what_was_restored_and_what_to_note() -> None:
    text = render("backup_restored", "body.txt")

    for said in ("Nov 22, 2026, 8:36:52 AM", "before & after", "300 GiB", "- The system disk was not shrunk."):
        assert said in text
    assert render("backup_restored", "subject.txt") == "Backup restored successfully: web-1"
