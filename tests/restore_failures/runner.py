"""A case played: the trouble happens, the worker may die, the work goes on, the rules are kept, the end is seen."""

from __future__ import annotations

import os
import signal
import warnings
from dataclasses import replace
from typing import Any

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from sqlalchemy import select
from support import world as worlds

from puq_backups.client_area.restore import restore_safety_copy
from puq_backups.errors import Message
from puq_backups.inventory import policy, service_backups
from puq_backups.models import Mail, Service
from puq_backups.operations import engine

from . import rules
from .case import Case, End
from .prepared_world import PRESENT, VMID, PreparedWorld, let_reinstall, system_disk
from .troubles import writes

KILLED = ("before", "after")
"""When a worker dies: right before or after the step's call; in a step without one, at its first look or its end."""


def play(prepared: PreparedWorld, case: Case, step: str, pve: str, killed: str = "") -> End:
    """How the case ends at this step; AssertionError where a rule is broken on the way."""
    prepared.set_to(case.operation, step, pve)
    case.happens(prepared)
    before = rules.volumes(prepared)
    if killed:
        _work_in_a_fork(prepared, killed)
    prepared.go_on()
    assert prepared.proxmox.crashes == []
    rules.check(prepared, before)
    return _end(prepared)


def ends_as_it_must(prepared: PreparedWorld, case: Case, step: str, pve: str, killed: str, *, goes_on: bool) -> None:
    """Play the case and compare; take its way on where it is to be tried."""
    seen = shown(play(prepared, case, step, pve, killed), case.end)
    assert seen == case.end, f"{seen} instead of {case.end}"
    if goes_on:
        go_on(prepared, case.way)


def shown(seen: End, wanted: End) -> End:
    """The end with what the client reads shortened to what is wanted, if it begins so."""
    begins = bool(wanted.reads) and seen.reads.startswith(wanted.reads)
    return replace(seen, reads=wanted.reads) if begins else seen


def _work_in_a_fork(prepared: PreparedWorld, killed: str) -> None:
    prepared.world.context.database.engine.dispose()
    with warnings.catch_warnings():
        # Python 3.12 warns of threads at a fork; the simulator's stay behind in this process, as they should.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            _work_until(prepared, killed)
        finally:
            os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _work_until(prepared: PreparedWorld, killed: str) -> None:
    send = HTTPAdapter.send

    def sent(self: HTTPAdapter, request: PreparedRequest, *args: Any, **more: Any) -> Any:
        counts = request.method != "GET" or (killed == "before" and not writes(prepared))
        if counts and killed == "before":
            _die()
        try:
            return send(self, request, *args, **more)
        finally:
            if counts:
                _die()

    HTTPAdapter.send = sent  # type: ignore[method-assign]  # in a process that ends right after
    while prepared.is_live() and prepared.operation.step == prepared.step and not prepared.waits():
        engine.advance(prepared.world.context, prepared.notes["operation"])
    _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _end(prepared: PreparedWorld) -> End:
    operation = prepared.operation
    reads = [str(operation.why)] if operation.why else [str(Message.from_json(one)) for one in operation.warnings]
    waits = "waits, " if prepared.lifted else ""
    return End(
        waits + operation.state, vm(prepared), ", ".join(ways(prepared)), reads[0] if reads else "", _mails(prepared)
    )


def vm(prepared: PreparedWorld) -> str:
    """On or off, and what is on the disk: the words of the page."""
    found = prepared.proxmox.vms.get(VMID)
    if found is None:
        return "gone"
    disk = system_disk(prepared)
    data = {None: "half-restored", PRESENT: "as it was"}.get(disk and disk.data)
    restored = "new" if disk and disk.data < PRESENT // 2 else "restored"
    return f"{'on' if found.running else 'off'}, {data or restored}"


def ways(prepared: PreparedWorld) -> list[str]:
    """What the client is offered next."""
    with prepared.world.context.database.open() as session:
        inventory = service_backups.load_inventory(session, session.get_one(Service, "1"))
        backups = {one.id: one for one in inventory.backups}
        same, other = backups.get(prepared.operation.backup_id), backups[prepared.notes["other"]]
        copy = inventory.safety_copy_of(prepared.operation)
        offers = {
            "restore": ("restore", other), "retry": ("retry", same), "retry another": ("retry", other),
            "back": ("back", copy), "reinstall": ("reinstall", None),
        }  # fmt: skip
        failed = inventory.service.restore_failed
        return [
            name for name, (action, backup) in offers.items()
            if (name == "restore") != bool(failed) and not policy.reason_against(action, inventory, backup)
        ]  # fmt: skip


def _mails(prepared: PreparedWorld) -> str:
    with prepared.world.context.database.open() as session:
        mails = session.scalars(select(Mail).where(Mail.event.like(f"%{prepared.notes['operation']}%"))).all()
    return ", ".join(sorted({"staff" if "staff" in mail.recipient else "client" for mail in mails})) or "-"


def go_on(prepared: PreparedWorld, way: str) -> None:
    """Take the way on once the trouble is over; it ends well."""
    prepared.lift()
    failed = prepared.world.service().restore_failed or ""
    before = len(prepared.world.operations())
    if way == "reinstall":
        let_reinstall(prepared)
        answer = prepared.world.call("Reinstall", confirm="REINSTALL")
    elif way == "back":
        answer = "success" if restore_safety_copy(prepared.world.context, "1", worlds.ALICE, failed) else ""
    elif way == "restore":
        answer = prepared.world.call("RestoreBackup", backup_id=prepared.notes["other"], confirm="db101")
    else:
        other = {"backup_id": prepared.notes["other"]} if way == "retry another" else {}
        answer = prepared.world.call("RetryRestore", operation_id=failed, **other)
    assert answer == "success", answer
    newest = prepared.world.operations()[-1]
    assert len(prepared.world.operations()) == before + 1
    prepared.notes["operation"] = newest.id
    prepared.go_on()
    assert (prepared.operation.state, prepared.operation.why) == ("done", None)
    assert prepared.proxmox.vm(VMID).running
    assert prepared.world.service().restore_failed is None
