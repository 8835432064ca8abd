"""Log lines: one for each start, step, task and end of an operation, with ids, as text or JSON, and no secret."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from email.utils import parseaddr
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from support import world as worlds
from support.services import Mailbox
from support.waiting import PATIENCE

from puq_backups import logs
from puq_backups.mail import delivery
from puq_backups.models import AuditEntry
from puq_backups.operations import dispatch, operation_log
from puq_backups.operations.kinds import STEPS
from puq_backups.simulator import Simulator

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str, mailbox: Mailbox) -> Iterator[worlds.World]:
    found = worlds.make(
        proxmox, sqlite_url, redis_url, smtp_url=mailbox.url, mail_from="a@b.example", staff_email="staff@b.example",
    )  # fmt: skip
    found.register()
    yield found
    found.context.database.engine.dispose()


def work(world: worlds.World, log_format: str) -> str:
    """What a worker process says on standard error until all work is done."""
    dispatch.start_waiting(world.context)
    names = ("SQLALCHEMY_DATABASE_URI", "PUQ_BACKUPS_REDIS_URL")
    environ = {**os.environ, **{name: str(world.app.config[name]) for name in names}, "PYTHONPATH": str(HERE)}
    ran = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "support.flask_app:app", "backups", "worker", "--burst"],
        env={**environ, "PUQ_BACKUPS_KEYS": worlds.KEY, "PUQ_BACKUPS_LOG_FORMAT": log_format}, cwd=HERE,
        capture_output=True, text=True, check=True, timeout=PATIENCE,
    )  # fmt: skip
    return ran.stderr


def test_backup_and_restore_are_told_step_by_step(world: worlds.World, mailbox: Mailbox) -> None:
    backup = world.back_up("a private note")
    before = len(world.operations())
    assert world.call("BackupNow", note="a private note") == "success"
    text = work(world, "json")
    name = world.service().vm_name
    assert world.call("RestoreBackup", backup_id=backup.id, confirm=name) == "success"
    text += work(world, "json")

    lines = [json.loads(line) for line in text.splitlines()]
    for operation in world.operations()[before:]:
        told = [line for line in lines if line.get("operation") == operation.id and "event" in line]
        assert [line["event"] for line in told][-1] == "ended"
        assert {line["service"] for line in told} == {"1"}
        # The start is told by who starts it, which is this process.
        steps = [line["message"].rpartition(": ")[2] for line in told if line["event"] == "step"]
        # An archive that is listed as soon as it is made needs no see_archive, and here there is no surplus.
        passed_over = {"see_archive", "drop_surplus"}
        assert steps == [step.__name__ for step in STEPS[operation.kind][1:] if step.__name__ not in passed_over]
        tasks = [line["task"] for line in told if line["event"] == "task"]
        assert tasks == operation.data["upids"]
        assert told[-1]["task"] == tasks[-1]
        with world.context.database.open() as session:
            rows = select(AuditEntry.text).where(
                AuditEntry.operation_id == operation.id, AuditEntry.action == "ended"
            )
            assert f"(task {tasks[-1]})" in session.scalars(rows).one()
    for secret in (world.params()["serverpassword"], worlds.KEY, "private note", "alice@example.org"):
        assert secret not in text
    delivery.send_due(world.context)
    [mail] = [mail for mail in mailbox if "restored" in str(mail["Subject"])]
    assert (mail["X-Backups-Service"], mail["X-Backups-Operation"]) == ("1", world.operations()[-1].id)


def test_mail_to_staff_names_operation_and_task(world: worlds.World, mailbox: Mailbox) -> None:
    backup = world.back_up()
    world.proxmox.control("refuse", path="*/qemu", status=500, reason="no such storage", times=None)
    world.call("RestoreBackup", backup_id=backup.id, confirm=world.service().vm_name)
    world.drain()
    operation = world.operations()[-1]
    assert operation.state == "failed"

    delivery.send_due(world.context)

    [mail] = [mail for mail in mailbox if parseaddr(mail["To"])[1] == "staff@b.example"]
    for kind in ("plain", "html"):
        body = mail.get_body((kind,)).get_content()
        assert operation.id in body
        assert operation.last_task in body


def test_worker_writes_text_where_nobody_configured_logging(world: worlds.World) -> None:
    world.proxmox.control("refuse", path="*/vzdump", status=596, reason="Broken pipe", times=1)
    world.call("BackupNow")

    lines = work(world, "").splitlines()

    [operation] = world.operations()
    about = f"service=1 operation={operation.id}"
    assert any(f"ended: done [{about} task=UPID:" in line for line in lines)
    # A line that only knows the operation by its surroundings.
    assert any("WARNING" in line and "may or may not have been done" in line and about in line for line in lines)


@pytest.fixture
def own_loggers() -> Iterator[None]:
    known = [logging.getLogger(name) for name in logs.LOGGERS]
    before = [(one, list(one.handlers), one.level, one.propagate) for one in known]
    yield
    for one, handlers, level, propagate in before:
        one.handlers, one.level, one.propagate = handlers, level, propagate


@pytest.mark.usefixtures("own_loggers")
def test_logging_of_the_host_is_left_alone_unless_asked_for() -> None:
    ours = logging.getLogger("puq_backups")
    before = list(ours.handlers)

    logs.configure("", process=True)
    assert (ours.handlers, ours.propagate) == (before, True)
    for _ in range(2):
        logs.configure("json")
    assert len(ours.handlers) == len(before) + 1
    assert not ours.propagate


def record(**more: Any) -> logging.LogRecord:
    found = logging.makeLogRecord({"name": "puq_backups.x", "levelname": "INFO", "msg": "said %s", "args": ("it",)})
    vars(found).update(more)
    assert logs.AddIds().filter(found)
    return found


def test_formats_name_the_ids_that_are_known() -> None:
    text = logs.TextFormatter("%(levelname)s %(message)s")

    assert text.format(record()) == "INFO said it"
    with logs.about(service_id="1"), logs.about(operation_id="o"):
        assert text.format(record()) == "INFO said it [service=1 operation=o]"
        assert text.format(record(service_id="2")) == "INFO said it [service=2 operation=o]"
        found = json.loads(logs.JsonFormatter().format(record(event="step")))
    assert {key: found[key] for key in ("level", "message", "service", "operation", "event")} == {
        "level": "info", "message": "said it", "service": "1", "operation": "o", "event": "step",
    }  # fmt: skip
    assert "task" not in found
    error = ValueError("broken\nin two lines")
    failed = logs.JsonFormatter().format(record(exc_info=(ValueError, error, None)))
    assert "\n" not in failed
    assert "ValueError: broken" in json.loads(failed)["error"]


def test_every_event_is_documented() -> None:
    described = (HERE.parent / "docs" / "monitoring.md").read_text().partition("## Logs")[2]
    events = {
        name
        for name, found in vars(operation_log).items()
        if callable(found) and found.__module__ == operation_log.__name__
    }

    for event in events - {"_write"}:
        assert f"`{event}`" in described
