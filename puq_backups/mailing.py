"""Sending: what waits in the outbox goes out by SMTP or the host's mailer; a failed one waits longer each time."""

from __future__ import annotations

import logging
import re
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from sqlalchemy import select, update

from . import host as hosts
from .config import Settings
from .errors import Message
from .i18n import Translator
from .models import Mail, now
from .toolbox import Toolbox

log = logging.getLogger("puq_backups.mail")
BATCH = 100
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 720))
SMTP_TIMEOUT = 30
ABORTED = "a hook aborted it"


def send_due(toolbox: Toolbox) -> int:
    """Send what waits in the outbox: how many were sent. A failed one waits longer each time, then stays failed."""
    if not toolbox.settings.smtp_url and not hasattr(toolbox.host, "send_email"):
        return 0
    with toolbox.database.open() as session:
        due = select(Mail.id).where(Mail.state == "waiting", Mail.wake_at <= now()).order_by(Mail.wake_at)
        ids = session.scalars(due.limit(BATCH)).all()
    return sum(_send(toolbox, mail_id) for mail_id in ids)


def _send(toolbox: Toolbox, mail_id: str) -> bool:
    with toolbox.database.begin() as session:
        mail = session.get_one(Mail, mail_id)
        before = mail.wake_at
        pause = PAUSES[min(mail.attempts, len(PAUSES) - 1)]
        taken = session.execute(
            update(Mail)
            .where(Mail.id == mail_id, Mail.state == "waiting", Mail.wake_at == before)
            .values(attempts=Mail.attempts + 1, wake_at=now() + pause)
            .execution_options(synchronize_session=False)
        )
        # No row: another process is sending it.
        if taken.rowcount != 1 or before > now():  # type: ignore[attr-defined]  # an UPDATE's result has it
            return False
        session.refresh(mail)
    error = _deliver(toolbox, mail)
    with toolbox.database.begin() as session:
        mail = session.get_one(Mail, mail_id)
        mail.error = error
        if error == ABORTED:
            mail.state = "aborted"
        elif not error:
            mail.state, mail.sent_at = "sent", now()
        elif mail.attempts >= len(PAUSES):
            mail.state = "failed"
    return not error


def _deliver(toolbox: Toolbox, mail: Mail) -> str:
    """Hand the mail over: "" or what went wrong."""
    try:
        extra: dict[str, Any] = {}
        for answer in toolbox.hooks.ask(
            "EmailPreSend", messagename=mail.name, relid=mail.service_id, mergefields=dict(mail.fields)
        ):
            if answer.pop("abortsend", False):
                return ABORTED
            extra.update(answer)
        email = compose(toolbox.settings, mail, extra)
        if toolbox.settings.smtp_url:
            with _smtp(toolbox.settings.smtp_url) as server:
                server.send_message(email)
        else:
            hosts.send_email(toolbox.host, email)
    except Exception as error:  # noqa: BLE001 - whatever a mail server or the host's mailer raises, the mail waits
        log.warning("mail %s (%s) was not sent: %s", mail.id, mail.name, type(error).__name__)
        return f"{type(error).__name__}: {error}"[:2000]
    return ""


def compose(settings: Settings, mail: Mail, extra: Mapping[str, Any] | None = None) -> EmailMessage:
    """The mail as it goes out: plain text and HTML, in the reader's language and zone."""
    translator = Translator(mail.locale, mail.timezone)
    fields = {**_for_reading(mail.fields, translator), **(extra or {})}
    names = {"_": translator.gettext, "ngettext": translator.ngettext, "t": translator}

    def part(name: str) -> str:
        return _templates().get_template(f"puq_backups/emails/{mail.folder}/{name}").render(**fields, **names)

    email = EmailMessage()
    email["Subject"] = re.sub(r"\s+", " ", part("subject.txt")).strip()
    email["From"], email["To"] = settings.mail_from or "backups@localhost", re.sub(r"[\r\n]", "", mail.recipient)
    email["Date"], email["Message-ID"] = formatdate(), make_msgid(mail.id, "puq-backups")
    email["Auto-Submitted"] = "auto-generated"
    email.set_content(part("body.txt"))
    email.add_alternative(part("body.html"), subtype="html")
    return email


def _for_reading(fields: dict[str, Any], translator: Translator) -> dict[str, Any]:
    said = dict(fields)
    for name in ("backup_date", "finished_at"):
        said[name] = translator.datetime(datetime.fromisoformat(fields[name]))
    said["backup_size"] = translator.size(fields["backup_size"]) if fields["backup_size"] else ""
    said["reason"] = translator.say(Message.from_json(fields["reason"]))
    said["warnings"] = [translator.say(Message.from_json(warning)) for warning in fields["warnings"]]
    return said


@cache
def _templates() -> Environment:
    folder = str(files("puq_backups.templates"))
    return Environment(
        loader=FileSystemLoader(folder), autoescape=select_autoescape(["html"]), undefined=StrictUndefined
    )


@contextmanager
def _smtp(url: str) -> Iterator[smtplib.SMTP]:
    parts = urlsplit(url)
    context = ssl.create_default_context()
    place = parts.hostname or "127.0.0.1"
    server: smtplib.SMTP
    if parts.scheme == "smtps":
        server = smtplib.SMTP_SSL(place, parts.port or 465, timeout=SMTP_TIMEOUT, context=context)
    else:
        server = smtplib.SMTP(place, parts.port or 25, timeout=SMTP_TIMEOUT)
    with server:
        if parse_qs(parts.query).get("starttls") == ["1"]:
            server.starttls(context=context)
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        yield server
