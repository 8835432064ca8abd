"""Checks of the set-up for `flask backups doctor`: each part that must work is tried. Changes nothing."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator

from sqlalchemy import select

from .. import host as hosts
from ..clock import heartbeats
from ..context import Context
from ..errors import Message, SettingError
from ..mail import smtp
from ..models import Server
from ..models.charset import narrow
from . import readiness
from .doctor_servers import check_server
from .finding import Finding


def run_checks(context: Context) -> Iterator[Finding]:
    """Yield the findings about mail, Redis, database, keys, background processes and each server."""
    yield from mail(context)
    parts = {part.name: part for part in readiness.check_parts(context)}
    for name in ("database", "migrations", "redis"):
        part = parts[name]
        yield Finding(part.level, Message("{part}: {text}", part=name, text=part.text))
    if parts["database"].level == parts["migrations"].level == "ok":
        yield from charset(context)
        yield from _processes(context)
        yield from servers(context)


def mail(context: Context) -> Iterator[Finding]:
    """Yield whether a mail can be sent, and a warning if staff have no address."""
    settings = context.settings
    if isinstance(context.host, hosts.HostWithEmail):
        yield Finding("ok", Message("Mails are sent by the host's send_email."))
    elif not settings.smtp_url:
        no_mail = Message("No mail can be sent: PUQ_BACKUPS_SMTP_URL is empty and the host has no send_email.")
        yield Finding("error", no_mail)
    else:
        yield _smtp(settings.smtp_url)
    if not settings.staff_email:
        yield Finding("warning", Message("PUQ_BACKUPS_STAFF_EMAIL is empty: staff is not told of trouble."))


def _smtp(url: str) -> Finding:
    """Greet the mail server and log in, without sending a mail."""
    try:
        smtp.try_connection(url)
    except (smtp.ServerUnreachable, smtplib.SMTPException) as error:
        return Finding("error", Message("The mail server of PUQ_BACKUPS_SMTP_URL: {reason}", reason=error))
    return Finding("ok", Message("The mail server of PUQ_BACKUPS_SMTP_URL answers."))


def charset(context: Context) -> Iterator[Finding]:
    """Yield errors for a connection and for tables that cannot hold every text."""
    with context.database.open() as session:
        connected, tables = narrow(session)
    if connected:
        yield Finding("error", Message(
            "The connection to the database uses {charset}: add charset=utf8mb4 to SQLALCHEMY_DATABASE_URI.",
            charset=connected,
        ))  # fmt: skip
    if tables:
        yield Finding("error", Message(
            "These tables cannot hold every text, convert them to utf8mb4: {tables}.", tables=", ".join(tables)
        ))  # fmt: skip


def _processes(context: Context) -> Iterator[Finding]:
    with context.database.open() as session:
        components = heartbeats.components(session)
    for part in components:
        yield Finding(part.level, part.advice or Message(part.label))


def servers(context: Context) -> Iterator[Finding]:
    """Yield the findings about each server; none if no service was registered yet."""
    with context.database.open() as session:
        known = session.scalars(select(Server).order_by(Server.hosts)).all()
    for server in known:
        name = {"server": f"{server.hosts}:{server.port} ({server.token_id})"}
        try:
            context.vault.open(server.sealed_secret)
        except SettingError as error:
            yield Finding("error", Message("{server}: {reason}", {**name, "reason": error.message}))
        else:
            yield from check_server(context, server)
