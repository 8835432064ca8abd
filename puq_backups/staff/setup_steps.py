"""What `flask backups init` checks, in the order in which a host sets it up, with the lines that supply it.

The sentences are read by developers in a terminal and are English only, as those of all commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..context import Context
from . import doctor, doctor_servers, readiness
from .finding import Finding

OK, NOTE, MISSING, UNKNOWN = "ok", "note", "missing", "unknown"
"""Levels of a step. A note is advice; MISSING and UNKNOWN keep the set-up from being ready."""
UPGRADE, WORKER, CLOCK = "{flask} backups db upgrade", "{flask} backups worker", "{flask} backups clock"
SETTINGS = {
    "database": ("SQLALCHEMY_DATABASE_URI=postgresql+psycopg://USER:PASSWORD@HOST/DATABASE",),
    "redis": ("PUQ_BACKUPS_REDIS_URL=redis://127.0.0.1:6379/0",),
    "mail": (
        "PUQ_BACKUPS_SMTP_URL=smtp://USER:PASSWORD@mail.example.com:587?starttls=1",
        "PUQ_BACKUPS_MAIL_FROM='Example Hosting <support@example.com>'",
    ),
    "staff mail": ("PUQ_BACKUPS_STAFF_EMAIL=support@example.com",),
}
"""Settings to paste, with example values."""
PRIVILEGES = (
    "VM.Audit VM.Backup VM.PowerMgmt VM.Config.CPU VM.Config.Memory VM.Config.Disk VM.Config.Network "
    "VM.Config.Options VM.Config.Cloudinit Datastore.AllocateSpace Datastore.Audit SDN.Use Sys.Audit"
)
PROXMOX = (
    f'pveum role add PuqBackups --privs "{PRIVILEGES}"',
    'pveum user add backups@pve --comment "puq-backups"',
    "pveum user token add backups@pve panel --privsep 1",
    "for WHO in '--users backups@pve' '--tokens backups@pve!panel'; do",
    "  for AT in /vms /storage /sdn/zones/localnetwork /nodes; do pveum acl modify $AT $WHO --roles PuqBackups; done",
    "done",
    "pvesm set BACKUPS --prune-backups keep-all=1",
)
"""Role, token and storage, for a shell on a node of Proxmox. docs/proxmox-access.md narrows the paths down."""
NO_SERVER = (
    "Not checked: no server is known before the first CreateAccount. Give a token its rights with the lines below, "
    "then check it with {flask} backups init --params FILE (docs/proxmox-access.md)."
)


@dataclass(frozen=True)
class SetupStep:
    """One thing that must work: `level` is OK, NOTE, MISSING or UNKNOWN, `lines` are to be pasted.

    `{flask}` in text and lines stands for the host's own `flask --app …`.
    """

    name: str
    level: str
    text: str
    lines: tuple[str, ...] = ()


def setup_steps(context: Context, params: Mapping[str, Any]) -> Iterator[SetupStep]:
    """Yield the steps after the keys: database, Redis, mail, Proxmox, worker, clock. Each part is tried.

    Of Proxmox the servers of the services are tried, or the one of `params`, where these are not empty.
    """
    parts = {part.name: part for part in readiness.check_parts(context)}
    usable = parts["database"].level == parts["migrations"].level == "ok"
    yield _database(parts)
    if usable:
        yield from _wrong("database", doctor.charset(context))
    yield _step("redis", parts["redis"], SETTINGS["redis"])
    yield from _mail(context)
    if not usable:
        yield from (SetupStep(name, UNKNOWN, "Checked once the database works.") for name in ("proxmox", "worker"))
        yield SetupStep("clock", UNKNOWN, "Checked once the database works.")
        return
    yield from _proxmox(context, params)
    yield _step("worker", parts["worker"], (WORKER,))
    yield _step("clock", parts["clock"], (CLOCK,))


def _step(name: str, part: readiness.Part, lines: tuple[str, ...]) -> SetupStep:
    wrong = part.level == "error"
    return SetupStep(name, MISSING if wrong else OK, str(part.text), lines if wrong else ())


def _database(parts: dict[str, readiness.Part]) -> SetupStep:
    if parts["database"].level == "error":
        return _step("database", parts["database"], SETTINGS["database"])
    return _step("database", parts["migrations"], (UPGRADE,))


def _mail(context: Context) -> Iterator[SetupStep]:
    server, *staff = doctor.mail(context)
    wrong = server.level == "error"
    yield SetupStep("mail", MISSING if wrong else OK, str(server.text), SETTINGS["mail"] if wrong else ())
    yield from (SetupStep("mail", NOTE, str(finding.text), SETTINGS["staff mail"]) for finding in staff)


def _proxmox(context: Context, params: Mapping[str, Any]) -> Iterator[SetupStep]:
    findings = list(doctor_servers.check_params(context, params) if params else doctor.servers(context))
    if not findings:
        yield SetupStep("proxmox", NOTE, NO_SERVER, PROXMOX)
        return
    yield from _wrong("proxmox", findings)
    if all(finding.level != "error" for finding in findings):
        yield SetupStep("proxmox", OK, str(findings[0].text))


def _wrong(name: str, findings: Iterable[Finding]) -> Iterator[SetupStep]:
    """Yield a step for each finding that is an error or a warning."""
    levels = {"error": MISSING, "warning": NOTE}
    for finding in findings:
        if finding.level in levels:
            yield SetupStep(name, levels[finding.level], str(finding.text), finding.lines)
