"""A mail as it goes out: what was kept with it, what the host adds, in the text that counts, as a message."""

from __future__ import annotations

import logging
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any

from .. import host as hosts
from ..config import Settings
from ..context import Context
from ..models import Mail
from . import merge_fields, templates
from .templates import Letter

log = logging.getLogger("puq_backups.mail")


def write(context: Context, mail: Mail) -> Letter | None:
    """The mail as it reads now; None where a hook aborts it. Raises what the host's hooks and params raise."""
    translator = context.translator(mail.locale, mail.timezone)
    fields = {**merge_fields.read(mail.fields, translator), **of_host(context, mail.service_id)}
    extra: dict[str, Any] = {}
    for answer in context.hooks.run_for_dicts(
        "EmailPreSend", messagename=mail.name, relid=mail.service_id or "", mergefields=dict(fields)
    ):
        if answer.get("abortsend"):
            return None
        extra |= {name: value for name, value in answer.items() if name != "abortsend"}
    with context.database.open() as session:
        template = templates.chosen(session, mail.name, mail.locale)
    return templates.write(mail.folder, template, {**fields, **merge_fields.plain(extra)}, translator)


def of_host(context: Context, service_id: str | None) -> dict[str, Any]:
    """The merge fields that only the host knows: its page's address, and what its fresh params give of them."""
    if not service_id:
        return {}
    try:
        params = hosts.service_params(context.host, service_id) or {}
    except Exception:
        # A service that the host has forgotten: what the mail was written with is enough.
        log.exception("the host's params of service %s could not be had for a mail", service_id)
        params = {}
    client = {f"client_{name}": value for name, value in (params.get("clientsdetails") or {}).items()}
    given = {**client, **params}
    found = {field.name: given[field.name] for field in merge_fields.OF_THE_HOST if given.get(field.name) is not None}
    return {"backups_url": context.host.service_url(service_id), **dict(merge_fields.plain(found))}


def compose(settings: Settings, mail: Mail, letter: Letter) -> EmailMessage:
    """The mail as it goes out: plain text, and HTML beside it."""
    email = EmailMessage()
    email["Subject"] = templates.one_line(letter.subject)
    email["From"], email["To"] = settings.mail_from or "backups@localhost", mail.recipient
    email["Date"], email["Message-ID"] = formatdate(), f"<{mail.id}@puq-backups>"
    email["Auto-Submitted"] = "auto-generated"
    email["Content-Language"] = mail.locale
    email.set_content(letter.text)
    email.add_alternative(letter.html, subtype="html")
    return email
