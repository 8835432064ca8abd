"""Rows that cannot be read: values in columns of a service that no code of ours writes."""

from __future__ import annotations

from sqlalchemy import text
from support import world as worlds

UNREADABLE = {
    "zone of a schedule": "UPDATE puq_backups_service SET schedule = "
    "replace(schedule, 'UTC', 'America/Not_Here_Yet') WHERE id = '1'",
    "schedule": "UPDATE puq_backups_service SET schedule = '{broken' WHERE id = '1'",
    "schedule of another form": "UPDATE puq_backups_service SET schedule = '[7]' WHERE id = '1'",
    "package": "UPDATE puq_backups_service SET package = '{broken' WHERE id = '1'",
    "package of another form": "UPDATE puq_backups_service SET package = '7' WHERE id = '1'",
    "client": "UPDATE puq_backups_service SET client = '{broken' WHERE id = '1'",
    "problem": "UPDATE puq_backups_service SET problem = '{broken' WHERE id = '1'",
    "data of an operation": "UPDATE puq_backups_operation SET data = '{broken' WHERE service_id = '1'",
    "reason of an operation": "UPDATE puq_backups_operation SET reason = '{\"text\": 7}' WHERE service_id = '1'",
    "kind of an operation": "UPDATE puq_backups_operation SET kind = 'unheard-of' WHERE service_id = '1'",
    "size of a backup": "UPDATE puq_backups_backup SET size = -5, disks = -1 WHERE service_id = '1'",
    "volume of a backup": "UPDATE puq_backups_backup SET volid = '../../etc', storage = 'nfs' WHERE service_id = '1'",
    "storage": "UPDATE puq_backups_storage SET available = -1, total = -7, retention = '{}' WHERE name = 'nfs'",
    "secret of a server": "UPDATE puq_backups_server SET sealed_secret = x'00' WHERE token_id LIKE '%gone'",
    "hosts of a server": "UPDATE puq_backups_server SET hosts = '', token_id = '' WHERE token_id LIKE '%gone'",
    "mail": "UPDATE puq_backups_mail SET fields = '{broken' WHERE service_id = '1'",
    "zone of a mail": "UPDATE puq_backups_mail SET timezone = 'Mars', locale = '??' WHERE service_id = '1'",
    "folder of a mail": "UPDATE puq_backups_mail SET folder = '../..' WHERE service_id = '1'",
    "template": "UPDATE puq_backups_email_template SET subject = '{{ broken'",
    "chore": "UPDATE puq_backups_chore SET last_error = '{broken', lease_owner = 'odd', lease_until = '2099-01-01'"
    " WHERE name = 'purge'",
    "set aside": "UPDATE puq_backups_set_aside SET reason = '{broken'",
    "hidden volume": "UPDATE puq_backups_hidden_volume SET volid = '???'",
    "trouble": "UPDATE puq_backups_trouble SET reason = '{broken'",
    "audit": "UPDATE puq_backups_audit SET text = '{}{', action = '' WHERE service_id = '1'",
}
"""What is wrong, and the statement that makes it so: as a damaged row, an older machine or a hand would."""


def make_unreadable(world: worlds.World, statement: str) -> None:
    with world.context.database.begin() as session:
        changed = session.execute(text(statement))
        assert changed.rowcount  # type: ignore[attr-defined]  # an UPDATE's result has it
