"""What a person may wish for: each is checked, written down as an operation, and rung for after the commit."""

from __future__ import annotations

import logging
import unicodedata
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from . import accounts, inventory, policy, schedules, slots
from . import host as hosts
from .errors import BackupsError, BadInput, NotAllowed, NotYours, ProxmoxError, Refused
from .host import Actor
from .models import Backup, Operation, Server, Service, database_now, is_id, new_id, now
from .operations import engine, leases
from .packages import Package
from .pve import backups as archives
from .pve import notes
from .ticking import start_waiting
from .toolbox import Toolbox

log = logging.getLogger("puq_backups.wishes")
NOTE_LONGEST = 255
NOT_IN_A_LINE = {"Cc", "Cs", "Zl", "Zp"}
"""Control characters, half characters, and what separates lines or paragraphs."""

REINSTALL_LEASE = timedelta(hours=1)


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


def _locked(session: Session, service_id: str) -> Service:
    """The service, its row locked: two wishes at once are looked at one after the other."""
    session.execute(
        update(Service)
        .where(Service.id == service_id)
        .values(version=Service.version + 1)
        .execution_options(synchronize_session=False)
    )
    service = session.get(Service, service_id, populate_existing=True)
    if service is None:
        raise NotYours
    return service


def _allow(action: str, actor: Actor) -> None:
    """NotAllowed where the account lacks the right; said before anything is said of what was sent."""
    forbidden = policy.forbidden(action, actor)
    if forbidden:
        raise NotAllowed(forbidden.text, **forbidden.values)


def _check(action: str, standing: inventory.Standing, actor: Actor, backup: Backup | None = None) -> None:
    _allow(action, actor)
    reason = policy.reason_against(action, standing, backup)
    if reason:
        raise Refused(reason.text, **reason.values)


def _write(session: Session, service: Service, actor: Actor, kind: str, **more: Any) -> Operation:
    at = now()
    facts: dict[str, Any] = {"origin": "manual", "storage": Package.from_json(service.package).storage, "data": {}}
    operation = Operation(
        id=new_id(), service_id=service.id, client_id=service.client_id, kind=kind, token=new_id()[:16],
        actor=actor.title[:190], state="waiting", created_at=at, due_at=at, wake_at=at, warnings=[], attempts=0,
        **{**facts, **more},
    )  # fmt: skip
    session.add(operation)
    engine.audit(session, service.id, operation, kind, f"asked for by {actor.title}")
    session.flush()
    return operation


def back_up_now(toolbox: Toolbox, service_id: str, actor: Actor, note: Any) -> str:
    """Ask for a manual backup: the operation's id. The quota is counted with the service's row locked."""
    _allow("create", actor)
    text = note_text(note)
    with toolbox.database.begin() as session:
        service = _locked(session, service_id)
        _check("create", inventory.standing(session, service), actor)
        operation = _write(session, service, actor, "backup", note=text)
    start_waiting(toolbox)
    return operation.id


def remove(toolbox: Toolbox, service_id: str, actor: Actor, backup_id: str) -> str:
    """Ask for the removal of a backup: the operation's id."""
    _allow("remove", actor)
    with toolbox.database.begin() as session:
        service = _locked(session, service_id)
        backup = inventory.find(session, service_id, backup_id)
        _check("remove", inventory.standing(session, service), actor, backup)
        _none_waits(session, service, backup)
        operation = _write(session, service, actor, "remove", backup_id=backup.id, storage=backup.storage)
    start_waiting(toolbox)
    return operation.id


def _refresh(toolbox: Toolbox, service_id: str) -> None:
    """Take over what the host says of the service now, where it tells: a restore re-applies the package."""
    try:
        params = hosts.service_params(toolbox.host, service_id)
        if params:
            accounts.refresh(toolbox, {**params, "serviceid": service_id})
    except Exception:
        # What is known of the package is better than no restore in an emergency.
        log.exception("the host's params of service %s could not be taken over", service_id)


def restore(toolbox: Toolbox, service_id: str, actor: Actor, backup_id: str, confirm: Any) -> str:
    """Ask for a restore, confirmed by the VM's name: the operation's id."""
    _allow("restore", actor)
    _refresh(toolbox, service_id)
    with toolbox.database.begin() as session:
        service = _locked(session, service_id)
        backup = inventory.find(session, service_id, backup_id)
        _check("restore", inventory.standing(session, service), actor, backup)
        if str(confirm or "").strip().lower() != service.vm_name.strip().lower():
            raise BadInput(
                "confirm", "Type the name of the virtual machine, {name}, to confirm.", name=service.vm_name
            )
        operation = _ask_restore(session, service, actor, backup)
    start_waiting(toolbox)
    return operation.id


def _ask_restore(session: Session, service: Service, actor: Actor, backup: Backup) -> Operation:
    _none_waits(session, service, None)
    return _write(session, service, actor, "restore", backup_id=backup.id, storage=backup.storage)


def _none_waits(session: Session, service: Service, backup: Backup | None) -> None:
    """Refuse a second wish of the same kind while the first one waits."""
    waiting = select(Operation).where(
        Operation.service_id == service.id, Operation.state == "waiting", Operation.kind.in_(("restore", "remove"))
    )
    for operation in session.scalars(waiting):
        if backup is None or operation.kind == "restore" or operation.backup_id == backup.id:
            raise Refused("This has been asked for already and is about to start.")


def retry(toolbox: Toolbox, service_id: str, actor: Actor, operation_id: str, backup_id: Any = None) -> str:
    """Restore again after a failed restore, from the same backup or another: the new operation's id."""
    _allow("retry", actor)
    with toolbox.database.begin() as session:
        service = _locked(session, service_id)
        failed = operation_of(session, service_id, operation_id)
        if failed.kind != "restore" or service.restore_failed != failed.id:
            raise Refused("This is not a failed restore that can be tried again.")
        backup = inventory.find(session, service_id, str(backup_id or failed.backup_id))
        _check("retry", inventory.standing(session, service), actor, backup)
        operation = _ask_restore(session, service, actor, backup)
    start_waiting(toolbox)
    return operation.id


def reinstall(toolbox: Toolbox, service_id: str, actor: Actor, confirm: Any) -> None:
    """Have the host reinstall the VM after a failed restore, confirmed by the word REINSTALL.

    The service is held by a lease meanwhile, so that a second click finds it taken.
    """
    _allow("reinstall", actor)
    owner = leases.new_owner()
    with toolbox.database.begin() as session:
        service = _locked(session, service_id)
        _check("reinstall", inventory.standing(session, service), actor)
        if str(confirm or "").strip() != "REINSTALL":
            raise BadInput("confirm", "Type the word REINSTALL to confirm.")
        clock = database_now(session)
        if leases.holds(service.action_owner, service.action_until, clock):
            raise Refused("Another action on this virtual machine is running.")
        service.action_owner, service.action_until = owner, clock + REINSTALL_LEASE
        engine.audit(session, service_id, None, "reinstall", f"asked for by {actor.title}")
    done = False
    try:
        done = _reinstall(toolbox, service)
    finally:
        with toolbox.database.begin() as session:
            service = _locked(session, service_id)
            service.restore_failed = None if done else service.restore_failed
            if service.action_owner == owner:
                service.action_owner = service.action_until = None


def _reinstall(toolbox: Toolbox, service: Service) -> bool:
    try:
        done = hosts.reinstall(toolbox.host, service)
    except BackupsError:
        raise
    except Exception as error:
        log.exception("the host's reinstall of service %s failed", service.id)
        raise Refused("The reinstallation failed. Please ask the provider's support.") from error
    if not done:
        raise Refused("Reinstalling is not set up here. Please ask the provider's support.")
    return done


def operation_of(session: Session, service_id: str, operation_id: str) -> Operation:
    """An operation of this very service. NotYours otherwise."""
    operation = session.get(Operation, operation_id) if is_id(operation_id) else None
    if operation is None or operation.service_id != service_id:
        raise NotYours
    return operation


def cancel(toolbox: Toolbox, service_id: str, actor: Actor, operation_id: str) -> None:
    """Cancel a waiting operation, or stop a running backup. Refused for all else: a restore is never cut short."""
    _allow("cancel", actor)
    with toolbox.database.begin() as session:
        service = _locked(session, service_id)
        operation = operation_of(session, service_id, operation_id)
        engine.audit(session, service_id, operation, "cancel", f"asked for by {actor.title}", actor=actor.title)
        if operation.state == "waiting":
            engine.cancel(session, toolbox, operation, service)
            return
        if operation.state not in {"running", "stuck"}:
            raise Refused("It has ended already.")
        if operation.kind != "backup" or operation.step != "make_archive" or not operation.upid:
            raise Refused("It cannot be stopped any more: cutting it short could do harm.")
        server, upid = session.get_one(Server, service.server_id), operation.upid
        operation.cancel_asked = True
    try:
        engine.stop_task(toolbox, server, upid)
    except ProxmoxError as error:
        raise Refused("Proxmox did not take it: {proxmox}", proxmox=error.message) from error


def save_schedule(toolbox: Toolbox, service_id: str, actor: Actor, form: Any) -> None:
    """Take over the weekly schedule of a form. Where a run of today becomes due at once, the page says so."""
    slots.claim(toolbox, service_id)
    with toolbox.database.begin() as session:
        service = _locked(session, service_id)
        standing = inventory.standing(session, service)
        _check("schedule", standing, actor)
        old = schedules.Schedule.from_json(service.schedule)
        new = schedules.read(form, default_timezone=toolbox.settings.timezone, before=old)
        at = now()
        today = schedules.local_date(at, new.timezone)
        made = slots.todays(toolbox, standing, today.isoformat()) is not None
        dates = slots.taken(session, service)
        since = schedules.on_save(old, new, at, catch_up=toolbox.settings.catch_up, taken=dates, made_today=made)
        last = slots.newest(session, service, at)
        new = schedules.bridge(old, new, at, since=since, taken=dates, last=last)
        service.schedule, service.slots_from = new.to_json(), since
        engine.audit(session, service_id, None, "schedule", f"saved by {actor.title}", actor=actor.title)
        slots.plan(session, service, since)


def edit_note(toolbox: Toolbox, service_id: str, actor: Actor, backup_id: str, note: Any) -> None:
    """Change a backup's note, in our row and, with the marker, in Proxmox."""
    _allow("note", actor)
    text = note_text(note)
    with toolbox.database.begin() as session:
        service = _locked(session, service_id)
        backup = inventory.find(session, service_id, backup_id)
        _check("note", inventory.standing(session, service), actor, backup)
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
    _allow("keep", actor)
    if str(kept) not in {"0", "1"}:
        raise BadInput("kept", "kept must be 1 or 0.")
    with toolbox.database.begin() as session:
        service = _locked(session, service_id)
        backup = inventory.find(session, service_id, backup_id)
        _check("keep", inventory.standing(session, service), actor, backup)
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
