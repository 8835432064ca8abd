"""Rows of the outbox and texts of staff, for tests of mails."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from support import world as worlds

from puq_backups.mail import merge_values
from puq_backups.models import Backup, EmailTemplate, Mail, Service, now


def restore_backup(world: worlds.World, note: str = "before the upgrade") -> None:
    """Make a backup and restore it, to the end."""
    backup = world.back_up(note)
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    world.drain()


def outbox(world: worlds.World) -> list[Mail]:
    """All mails, the oldest first."""
    with world.context.database.open() as session:
        return list(session.scalars(select(Mail).order_by(Mail.created_at)))


def change_mails(world: worlds.World, **values: Any) -> None:
    """Set columns of every mail, as the passing of time or a killed worker leaves them."""
    with world.context.database.begin() as session:
        session.execute(update(Mail).values(**values))


def waiting_mail(world: worlds.World, *, locale: str = "en", timezone: str = "UTC", **fields: Any) -> Mail:
    """Insert a waiting mail "Backup restored" of Alice's service, without a restore."""
    with world.context.database.begin() as session:
        about = merge_values.Records(session.get_one(Service, "1"))
        told = {**merge_values.common_fields(session, world.context, about), **fields}
        mail = Mail(
            event=f"Backup restored {now()}", service_id="1", name="Backup restored", folder="backup_restored",
            recipient="alice@example.org", locale=locale, timezone=timezone, fields=told, attempts=0, error="",
            state="waiting", created_at=now(), wake_at=now(),
        )  # fmt: skip
        session.add(mail)
    return mail


def reload(world: worlds.World, mail: Mail) -> Mail:
    """The row of a mail as it is now."""
    with world.context.database.open() as session:
        return session.get_one(Mail, mail.id)


def write_staff_text(world: worlds.World, name: str, locale: str = "", **parts: Any) -> None:
    """Store staff's version of a mail's template."""
    with world.context.database.begin() as session:
        session.add(EmailTemplate(name=name, locale=locale, changed_at=now(), **parts))


def terminate(session: Session, service: Service, number: int) -> Service:
    """Mark the service as terminated and give it a backup."""
    service.terminated_at = now()
    session.add(
        Backup.of(
            service, volid=f"local:backup/{number}", storage="local", kind="manual",
            local_date="2026-01-01", created_at=now(),
        )
    )  # fmt: skip
    session.flush()
    return service
