"""Composes a mail of the outbox: merge fields of the host, hooks, the selected template, the MIME message."""

from __future__ import annotations

import logging
import re
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import idna

from .. import host as hosts
from ..config import Settings
from ..context import Context
from ..models import Mail
from . import merge_fields, templates
from .templates import RenderedEmail

log = logging.getLogger("puq_backups.mail")


def render(context: Context, mail: Mail) -> RenderedEmail | None:
    """Render a mail of the outbox with the current templates.

    Returns None if a hook at `EmailPreSend` aborts it. Raises whatever the host's hooks and `service_params` raise.
    """
    translator = context.translator(mail.locale, mail.timezone)
    fields = {**merge_fields.localize(mail.fields, translator), **host_fields(context, mail.service_id)}
    extra: dict[str, Any] = {}
    for answer in context.hooks.run_for_dicts(
        "EmailPreSend", messagename=mail.name, relid=mail.service_id or "", mergefields=dict(fields)
    ):
        if answer.get("abortsend"):
            return None
        extra |= {name: value for name, value in answer.items() if name != "abortsend"}
    with context.database.open() as session:
        template = templates.select_template(session, mail.name, mail.locale)
    return templates.render(mail.folder, template, {**fields, **merge_fields.to_plain(extra)}, translator)


def host_fields(context: Context, service_id: str | None) -> dict[str, Any]:
    """Return the merge fields that only the host knows: the page's address and values of `Host.service_params`."""
    if not service_id:
        return {}
    try:
        params = hosts.service_params(context.host, service_id) or {}
    except Exception:
        # The host may no longer know the service; the stored fields are enough for the mail.
        log.exception("service_params(%s) of the host failed; the mail is sent without its fields", service_id)
        params = {}
    client = {f"client_{name}": value for name, value in (params.get("clientsdetails") or {}).items()}
    given = {**client, **params}
    found = {field.name: given[field.name] for field in merge_fields.HOST_FIELDS if given.get(field.name) is not None}
    url = backups_url(context.host.service_url(service_id), context.settings.url_prefix, service_id)
    return {"backups_url": url, **dict(merge_fields.to_plain(found))}


def backups_url(service_url: str, url_prefix: str, service_id: str) -> str:
    """Return the URL of the Backups page, from that of the host's page of the service and the path of our pages.

    What stands before our path (a host below /billing) is found by the part that both paths share, such as
    /services/7. The host's page is returned where they share none, or our path has parameters of the host.
    """
    ours = re.sub(r"<(?:[^<>:]+:)?service_id>", quote(service_id, safe=""), url_prefix).strip("/").split("/")
    found = urlsplit(service_url)
    theirs = found.path.strip("/").split("/")
    shared = next((n for n in range(len(ours), 0, -1) if theirs[-n:] == ours[:n]), 0)
    if not shared or any("<" in part for part in ours):
        return service_url
    return urlunsplit(found._replace(path="/" + "/".join([*theirs[:-shared], *ours]), query="", fragment=""))


def to_message(settings: Settings, mail: Mail, rendered: RenderedEmail) -> EmailMessage:
    """Build the MIME message: plain text with an HTML alternative."""
    email = EmailMessage()
    email["Subject"] = templates.one_line(rendered.subject)
    sender = ascii_domains(settings.mail_from or "backups@localhost")
    email["From"], email["To"] = sender, ascii_domains(mail.recipient)
    # Spam filters want a real domain on the right.
    domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    email["Date"], email["Message-ID"] = formatdate(), f"<{mail.id}@{domain}>"
    email["Auto-Submitted"] = "auto-generated"
    email["Content-Language"] = mail.locale
    for header, value in (
        ("X-Backups-Service", mail.service_id),
        ("X-Backups-Operation", mail.fields.get("operation_id")),
    ):
        if value:
            email[header] = templates.one_line(str(value))
    email.set_content(rendered.text)
    email.add_alternative(rendered.html, subtype="html")
    return email


def ascii_domains(addresses: str) -> str:
    """Return mail addresses with their domains in IDNA (`xn--…`), which servers without SMTPUTF8 accept too."""
    return re.sub(r"@([^\s@,;<>]*[^\x00-\x7f][^\s@,;<>]*)", lambda found: "@" + _ascii(found[1]), addresses)


def _ascii(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        # Not a domain: the mail server says so.
        return domain
