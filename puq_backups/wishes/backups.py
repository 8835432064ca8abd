"""Wishes about one backup: make it, remove it, describe it, keep it."""

from __future__ import annotations

import unicodedata
from typing import Any

from .. import inventory
from ..errors import BadInput, ProxmoxError, Refused
from ..host import Actor
from ..models import Operation, Server
from ..operations import engine
from ..pve import backups as archives
from ..pve import notes
from ..ticking import start_waiting
from ..toolbox import Toolbox
from . import asking

NOTE_LONGEST = 255
NOT_IN_A_LINE = {"Cc", "Cs", "Zl", "Zp"}
"""Control characters, half characters, and what separates lines or paragraphs."""


def note_text(raw: Any) -> str:
    """The client's note: one line of at most 255 characters. BadInput says what is wrong."""
    note = str(raw or "").strip()
    if any(unicodedata.category(char) in NOT_IN_A_LINE and char != "\t" for char in note):
        raise BadInput("note", "The note must be one line.")
    if len(note) > NOTE_LONGEST:
        raise BadInput("note", "The note may have at most {longest} characters; it has {length}.",
                       longest=NOTE_LONGEST, length=len(note))  # fmt: skip
    if notes.has_marker_opening(note):
        raise BadInput(
            "note", "The note may not hold {opening}: that is how we mark our own backups.", opening="[puqb:"
        )
    return note


def back_up_now(toolbox: Toolbox, service_id: str, actor: Actor, note: Any) -> str:
    """Ask for a manual backup: the operation's id. The quota is counted with the service's row locked."""
    asking.allow("create", actor)
    text = note_text(note)
    with toolbox.database.begin() as session:
        service = asking.locked(session, service_id)
        asking.check("create", inventory.standing(session, service), actor)
        operation = asking.write(session, service, actor, "backup", note=text)
    start_waiting(toolbox)
    return operation.id


def remove(toolbox: Toolbox, service_id: str, actor: Actor, backup_id: str) -> str:
    """Ask for the removal of a backup: the operation's id."""
    asking.allow("remove", actor)
    with toolbox.database.begin() as session:
        service = asking.locked(session, service_id)
        backup = inventory.find(session, service_id, backup_id)
        asking.check("remove", inventory.standing(session, service), actor, backup)
        operation = asking.write(session, service, actor, "remove", backup_id=backup.id, storage=backup.storage)
    start_waiting(toolbox)
    return operation.id


def edit_note(toolbox: Toolbox, service_id: str, actor: Actor, backup_id: str, note: Any) -> None:
    """Change a backup's note, in our row and, with the marker, in Proxmox."""
    asking.allow("note", actor)
    text = note_text(note)
    with toolbox.database.begin() as session:
        service = asking.locked(session, service_id)
        backup = inventory.find(session, service_id, backup_id)
        asking.check("note", inventory.standing(session, service), actor, backup)
        backup.note = text
        server = session.get_one(Server, service.server_id)
        made_by = session.get(Operation, backup.operation_id) if backup.operation_id else None
    if made_by is None:
        return
    written = notes.plain(text, notes.marker(service.token, made_by.token))
    try:
        archives.set_notes(toolbox.connect(server), backup.node or service.node, backup.volid, written)
    except ProxmoxError as error:
        # Our row is the truth for the note; Proxmox's copy only helps people who look there.
        raise Refused(
            "The note is saved here, but Proxmox did not take it: {proxmox}", proxmox=error.message
        ) from error


def keep(toolbox: Toolbox, service_id: str, actor: Actor, backup_id: str, kept: Any) -> None:
    """Mark a backup as kept, or no longer. Proxmox is asked first: it may cap how many."""
    asking.allow("keep", actor)
    if str(kept) not in {"0", "1"}:
        raise BadInput("kept", "kept must be 1 or 0.")
    with toolbox.database.begin() as session:
        service = asking.locked(session, service_id)
        backup = inventory.find(session, service_id, backup_id)
        asking.check("keep", inventory.standing(session, service), actor, backup)
        server = session.get_one(Server, service.server_id)
    try:
        archives.set_protected(toolbox.connect(server), backup.node or service.node, backup.volid, str(kept) == "1")
    except ProxmoxError as error:
        raise Refused("Proxmox did not take it: {proxmox}", proxmox=error.message) from error
    with toolbox.database.begin() as session:
        inventory.find(session, service_id, backup_id).kept = str(kept) == "1"
        engine.audit(
            session, service_id, None, "keep", f"{backup.volid} kept={kept} by {actor.title}", actor=actor.title
        )
