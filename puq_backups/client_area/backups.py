"""Client requests about a backup: create, remove, edit its note, keep."""

from __future__ import annotations

import unicodedata
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from ..context import Context
from ..errors import BadInput, ProxmoxError, Refused
from ..host import Actor
from ..inventory import backup_marks, service_backups
from ..models import Backup, Operation, Server, Service, now
from ..models.audit_log import audit
from ..models.conflicts import repeated
from ..operations.dispatch import start_accepted
from ..pve import archives, notes
from ..pve.client import Proxmox
from . import requests

NOTE_MAX_LENGTH = 255
LINE_BREAKING = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories that a note may not contain: control characters, surrogates, line and paragraph separators."""


def read_note(raw: Any) -> str:
    """The note of a form field: one line of at most 255 characters. Raises BadInput."""
    note = str(raw or "").strip()
    if any(unicodedata.category(char) in LINE_BREAKING and char != "\t" for char in note):
        raise BadInput("note", "The note must be one line.")
    if len(note) > NOTE_MAX_LENGTH:
        raise BadInput("note", "The note may have at most {longest} characters; it has {length}.",
                       longest=NOTE_MAX_LENGTH, length=len(note))  # fmt: skip
    if notes.has_marker_opening(note):
        raise BadInput("note", "A description cannot contain “{opening}”.", opening="[puqb:")
    return note


def back_up_now(context: Context, service_id: str, actor: Actor, note: Any) -> str:
    """Request a manual backup. Returns the operation's id. The quota is counted with the service's row locked."""
    requests.require_permission("create", actor)
    text = read_note(note)
    with context.database.begin() as session:
        service = requests.lock_service(session, service_id)
        requests.require_possible("create", service_backups.load_inventory(session, service), actor)
        operation = requests.create_operation(session, service, actor, "backup", note=text)
    start_accepted(context)
    return operation.id


def remove(context: Context, service_id: str, actor: Actor, backup_id: str) -> str:
    """Put a backup into the bin; remove it for good where it is there already, is missing, or there is no bin.

    Returns the id of the operation that removes it, or "" where it went into the bin.
    """
    requests.require_permission("remove", actor)
    stay = timedelta(hours=context.settings.bin_hours)
    with context.database.begin() as session:
        service = requests.lock_service(session, service_id)
        backup = service_backups.find_backup(session, service_id, backup_id)
        requests.require_possible("remove", service_backups.load_inventory(session, service), actor, backup)
        if stay and not backup.binned_until and not backup.missing_at:
            backup.binned_until = now() + stay
            audit(session, service_id, None, "bin", f"{backup.volid} by {actor.label}", actor=actor.label)
            return ""
        operation = _create_removal(session, service, actor, backup)
    start_accepted(context)
    return operation.id


def delete(context: Context, service_id: str, actor: Actor, backup_id: str) -> str:
    """Ask for the removal of a backup for good, whether it is in the bin or not: the operation's id."""
    requests.require_permission("delete", actor)
    with context.database.begin() as session:
        service = requests.lock_service(session, service_id)
        backup = service_backups.find_backup(session, service_id, backup_id)
        requests.require_possible("delete", service_backups.load_inventory(session, service), actor, backup)
        operation = _create_removal(session, service, actor, backup)
    start_accepted(context)
    return operation.id


def _create_removal(session: Session, service: Service, actor: Actor, backup: Backup) -> Operation:
    return requests.create_operation(session, service, actor, "remove", backup_id=backup.id, storage=backup.storage)


def undo(context: Context, service_id: str, actor: Actor, backup_id: str) -> None:
    """Take a backup out of the bin. Refused where its place in the quota is taken by now."""
    requests.require_permission("undo", actor)
    with context.database.begin() as session:
        service = requests.lock_service(session, service_id)
        backup = service_backups.find_backup(session, service_id, backup_id)
        requests.require_possible("undo", service_backups.load_inventory(session, service), actor, backup)
        backup.binned_until = None
        audit(session, service_id, None, "undo", f"{backup.volid} by {actor.label}", actor=actor.label)


def release(context: Context, service_id: str, actor: Actor, backup_id: str) -> None:
    """Have an adopted or imported backup count: it uses a place, protects the service and may be rotated."""
    requests.require_permission("release", actor)
    with context.database.begin() as session:
        service = requests.lock_service(session, service_id)
        backup = service_backups.find_backup(session, service_id, backup_id)
        requests.require_possible("release", service_backups.load_inventory(session, service), actor, backup)
        backup.released_at = now()
        audit(session, service_id, None, "release", f"{backup.volid} by {actor.label}", actor=actor.label)


def edit_note(context: Context, service_id: str, actor: Actor, backup_id: str, note: Any) -> None:
    """Change the note of a backup, in the database and, with our marker, in Proxmox."""
    requests.require_permission("note", actor)
    text = read_note(note)
    with context.database.begin() as session:
        service = requests.lock_service(session, service_id)
        backup = service_backups.find_backup(session, service_id, backup_id)
        requests.require_possible("note", service_backups.load_inventory(session, service), actor, backup)
        backup.note = text
        server = session.get_one(Server, service.server_id)
        made_by = session.get(Operation, backup.operation_id) if backup.operation_id else None
    if made_by is None:
        return
    written = notes.plain(text, notes.marker(service.token, made_by.token))
    try:
        proxmox, node = _find_volume(context, server, service, backup)
        archives.set_notes(proxmox, node, backup.volid, written)
    except ProxmoxError as error:
        # The database holds the note; Proxmox's copy is only for people who look there.
        raise Refused(
            "The note is saved here, but Proxmox did not take it: {proxmox}", proxmox=error.message
        ) from error


def _find_volume(context: Context, server: Server, service: Service, backup: Backup) -> tuple[Proxmox, str]:
    """The client and the node by which the backup's volume is reached.

    Raises Refused if the volume is gone, which marks the backup as missing. Raises ProxmoxError.
    """
    proxmox = context.connect(server)
    node, seen = archives.readable_from(proxmox, backup.node or service.node, backup.storage)
    if seen.active and archives.find(proxmox, node, backup.volid) is None:
        with context.database.begin() as session:
            backup_marks.mark_missing(session, service.id, backup.id)
        raise Refused("The file of this backup is no longer on its storage.")
    return proxmox, node


def keep(context: Context, service_id: str, actor: Actor, backup_id: str, kept: Any) -> None:
    """Mark a backup as kept (`kept` "1") or not ("0"). Proxmox is called first, because it may limit their number."""
    requests.require_permission("keep", actor)
    if str(kept) not in {"0", "1"}:
        raise BadInput("kept", "kept must be 1 or 0.")
    with context.database.begin() as session:
        service = requests.lock_service(session, service_id)
        backup = service_backups.find_backup(session, service_id, backup_id)
        requests.require_possible("keep", service_backups.load_inventory(session, service), actor, backup)
        server = session.get_one(Server, service.server_id)
    try:
        proxmox, node = _find_volume(context, server, service, backup)
        archives.set_protected(proxmox, node, backup.volid, str(kept) == "1")
    except ProxmoxError as error:
        raise Refused("Proxmox did not take it: {proxmox}", proxmox=error.message) from error
    _store_kept(context, service_id, actor, backup_id, kept=str(kept) == "1")


@repeated
def _store_kept(context: Context, service_id: str, actor: Actor, backup_id: str, *, kept: bool) -> None:
    with context.database.begin() as session:
        backup = service_backups.find_backup(session, service_id, backup_id)
        backup.kept = kept
        audit(session, service_id, None, "keep", f"{backup.volid} kept={kept:d} by {actor.label}", actor=actor.label)
