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
from .happenings import writes
from .stage import PRESENT, VMID, Stage, let_reinstall, system_disk

KILLED = ("before", "after")
"""When a worker dies: right before or after the step's call; in a step without one, at its first look or its end."""


def play(stage: Stage, case: Case, step: str, pve: str, killed: str = "") -> End:
    """How the case ends at this step; AssertionError where a rule is broken on the way."""
    stage.set_to(case.operation, step, pve)
    case.happens(stage)
    before = rules.volumes(stage)
    if killed:
        _work_in_a_fork(stage, killed)
    stage.go_on()
    assert stage.proxmox.crashes == []
    rules.check(stage, before)
    return _end(stage)


def ends_as_it_must(stage: Stage, case: Case, step: str, pve: str, killed: str, *, goes_on: bool) -> None:
    """Play the case and compare; take its way on where it is to be tried."""
    seen = shown(play(stage, case, step, pve, killed), case.end)
    assert seen == case.end, f"{seen} instead of {case.end}"
    if goes_on:
        go_on(stage, case.way)


def shown(seen: End, wanted: End) -> End:
    """The end with what the client reads shortened to what is wanted, if it begins so."""
    begins = bool(wanted.reads) and seen.reads.startswith(wanted.reads)
    return replace(seen, reads=wanted.reads) if begins else seen


def _work_in_a_fork(stage: Stage, killed: str) -> None:
    stage.world.context.database.engine.dispose()
    with warnings.catch_warnings():
        # Python 3.12 warns of threads at a fork; the simulator's stay behind in this process, as they should.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            _work_until(stage, killed)
        finally:
            os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _work_until(stage: Stage, killed: str) -> None:
    send = HTTPAdapter.send

    def sent(self: HTTPAdapter, request: PreparedRequest, *args: Any, **more: Any) -> Any:
        counts = request.method != "GET" or (killed == "before" and not writes(stage))
        if counts and killed == "before":
            _die()
        try:
            return send(self, request, *args, **more)
        finally:
            if counts:
                _die()

    HTTPAdapter.send = sent  # type: ignore[method-assign]  # in a process that ends right after
    while stage.is_live() and stage.operation.step == stage.step and not stage.waits():
        engine.advance(stage.world.context, stage.notes["operation"])
    _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _end(stage: Stage) -> End:
    operation = stage.operation
    reads = [str(operation.why)] if operation.why else [str(Message.from_json(one)) for one in operation.warnings]
    waits = "waits, " if stage.lifted else ""
    return End(waits + operation.state, vm(stage), ", ".join(ways(stage)), reads[0] if reads else "", _mails(stage))


def vm(stage: Stage) -> str:
    """On or off, and what is on the disk: the words of the page."""
    found = stage.proxmox.vms.get(VMID)
    if found is None:
        return "gone"
    disk = system_disk(stage)
    data = {None: "half-restored", PRESENT: "as it was"}.get(disk and disk.data)
    restored = "new" if disk and disk.data < PRESENT // 2 else "restored"
    return f"{'on' if found.running else 'off'}, {data or restored}"


def ways(stage: Stage) -> list[str]:
    """What the client is offered next."""
    with stage.world.context.database.open() as session:
        inventory = service_backups.load_inventory(session, session.get_one(Service, "1"))
        backups = {one.id: one for one in inventory.backups}
        same, other = backups.get(stage.operation.backup_id), backups[stage.notes["other"]]
        copy = inventory.safety_copy_of(stage.operation)
        offers = {
            "restore": ("restore", other), "retry": ("retry", same), "retry another": ("retry", other),
            "back": ("back", copy), "reinstall": ("reinstall", None),
        }  # fmt: skip
        failed = inventory.service.restore_failed
        return [
            name for name, (action, backup) in offers.items()
            if (name == "restore") != bool(failed) and not policy.reason_against(action, inventory, backup)
        ]  # fmt: skip


def _mails(stage: Stage) -> str:
    with stage.world.context.database.open() as session:
        mails = session.scalars(select(Mail).where(Mail.event.like(f"%{stage.notes['operation']}%"))).all()
    return ", ".join(sorted({"staff" if "staff" in mail.recipient else "client" for mail in mails})) or "-"


def go_on(stage: Stage, way: str) -> None:
    """Take the way on once the trouble is over; it ends well."""
    stage.lift()
    failed = stage.world.service().restore_failed or ""
    before = len(stage.world.operations())
    if way == "reinstall":
        let_reinstall(stage)
        answer = stage.world.call("Reinstall", confirm="REINSTALL")
    elif way == "back":
        answer = "success" if restore_safety_copy(stage.world.context, "1", worlds.ALICE, failed) else ""
    elif way == "restore":
        answer = stage.world.call("RestoreBackup", backup_id=stage.notes["other"], confirm="db101")
    else:
        other = {"backup_id": stage.notes["other"]} if way == "retry another" else {}
        answer = stage.world.call("RetryRestore", operation_id=failed, **other)
    assert answer == "success", answer
    newest = stage.world.operations()[-1]
    assert len(stage.world.operations()) == before + 1
    stage.notes["operation"] = newest.id
    stage.go_on()
    assert (stage.operation.state, stage.operation.why) == ("done", None)
    assert stage.proxmox.vm(VMID).running
    assert stage.world.service().restore_failed is None
