"""The mails we bring along, rendered from plain merge fields, and as staff first sees them to change them."""

import re
from html import unescape
from typing import Any

import pytest

from puq_backups.hook_registry.decorators import Email
from puq_backups.hook_registry.registry import Hooks
from puq_backups.i18n.translator import Translator
from puq_backups.mail import sandbox, template_source, templates
from puq_backups.mail.merge_fields import COMMON_FIELDS, FIELDS, HOST_FIELDS, localize, samples

HOOKS = Hooks()
HOOKS.load_package("puq_backups.hooks")
MAILS = HOOKS.emails
TO_CLIENTS = [mail for mail in MAILS if mail.to == "client"]
ABOUT_A_SERVICE = [mail for mail in MAILS if mail.event not in {"day.ended", "server.trouble"}]
URL = "https://billing.example/services/7/backups/?a=1&b=2"
ENGLISH = Translator("en", "UTC")


def each(mails: list[Email]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("mail", mails, ids=lambda mail: mail.name)


def render(mail: Email, translator: Translator = ENGLISH, **changes: Any) -> templates.RenderedEmail:
    """The mail with a sample of each of its merge fields; any other is an error."""
    given = {"client_name": "Alice <Doe>", "backup_note": "before & after", "backups_url": URL, **changes}
    return templates.render_shipped(mail.folder, localize({**samples(mail.own), **given}, translator), translator)


def words(html: str) -> str:
    """What a reader sees of an HTML body."""
    return " ".join(unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL)).split())


@each(MAILS)
def test_mail_needs_no_merge_field_that_is_not_its_own(mail: Email) -> None:
    outline = " ".join(template_source.shipped_source(mail.folder, "").values())

    used = set(re.findall(r"{{ (\w+)", outline)) - {"warning", "one"}
    assert used <= {field.name for field in (*COMMON_FIELDS, *HOST_FIELDS)} | set(mail.own)


@each(ABOUT_A_SERVICE)
def test_subject_is_one_line_that_names_the_vm(mail: Email) -> None:
    subject = render(mail).subject

    assert "web-1" in subject
    assert "\n" not in subject


@each(MAILS)
def test_text_and_html_say_the_same(mail: Email) -> None:
    letter = render(mail)
    html = words(letter.html).replace(":", "")

    assert "\n\n\n" not in letter.text
    for line in letter.text.splitlines():
        for said in line.removeprefix("- ").removeprefix("Reason: ").split("): "):
            plain = " ".join(said.replace(":", "").rstrip(")").split())
            assert said.startswith("https://") or plain in html


@each(MAILS)
def test_html_escapes_values_and_needs_nothing_from_elsewhere(mail: Email) -> None:
    evil = {"text": "<script>", "values": {}}
    html = render(mail, vm_name="<script>x</script>", reason=evil, warnings=[evil], client_name="<b>").html

    assert "<script>" not in html
    assert "<b>" not in html
    assert not re.search(r"""(src=|url\(|@import|<link)""", html)


@each(ABOUT_A_SERVICE)
def test_both_bodies_lead_to_the_backups_page(mail: Email) -> None:
    letter = render(mail)

    assert URL in letter.text
    assert f'href="{URL.replace("&", "&amp;")}"' in letter.html


@each(TO_CLIENTS)
def test_client_is_addressed_and_the_signature_closes(mail: Email) -> None:
    text = render(mail).text

    assert text.startswith("Dear Alice <Doe>,\n")
    assert text.endswith("Yours,\nExample Hosting")


@each(MAILS)
def test_empty_fields_leave_no_empty_lines_or_labels(mail: Email) -> None:
    lists = {name: [] for name in mail.own if FIELDS[name].kind == "rows"}
    empty = {"reason": None, "warnings": [], "backup_note": "", "service_domain": "", "service_product_name": ""}
    text = render(mail, **empty, **lists).text

    assert "\n\n\n" not in text
    assert not re.search(r"(Reason|Please note|Description|Domain|Product):", text)


def test_restored_mail_tells_what_was_restored_and_what_to_note() -> None:
    letter = render(MAILS[0])

    for said in ("Nov 22, 2026, 7:36:52", "before & after", "300 GiB", "- The last restore failed."):
        assert said in letter.text
    assert letter.subject == "Backup restored successfully: web-1"


@each(MAILS)
@pytest.mark.parametrize("part", templates.FILES)
def test_shipped_text_to_be_changed_says_the_same_as_it_does_unchanged(mail: Email, part: str) -> None:
    said = localize(samples(mail.own), ENGLISH)
    source = template_source.shipped_source(mail.folder, "")[part]

    sandbox.check(source, said, html=part == "html")
    changed, shipped = sandbox.render(source, said, html=part == "html"), getattr(render_plainly(mail), part)
    if part == "html":
        changed, shipped = words(changed), words(shipped.split("</h1>")[1].rsplit("<p class", 1)[0])
    assert " ".join(changed.split()) == " ".join(shipped.split())


def render_plainly(mail: Email) -> templates.RenderedEmail:
    return templates.render_shipped(mail.folder, localize(samples(mail.own), ENGLISH), ENGLISH)


def test_outline_is_in_the_language_it_is_asked_for() -> None:
    outline = template_source.shipped_source("backup_failed", "de")

    assert outline["subject"] == Translator("de").gettext("Backup failed: {name}", name="{{ vm_name }}")
    assert outline["subject"] != template_source.shipped_source("backup_failed", "")["subject"]


def test_every_merge_field_has_a_sample_that_reads_as_its_kind() -> None:
    said = localize(samples(tuple(FIELDS)), ENGLISH)

    assert set(said) == set(FIELDS)
    assert all(said.values())
    assert said["removal_date"] == "Nov 30, 2026, 8:00:00\u202fAM (UTC)"
    assert said["failed"][0]["reason"] == "The storage nfs-backups is offline."
    assert said["full"][0]["available"] == "30 GiB"
