"""All settings, each with type, default and effect.

Setting `x` is read from the host's Flask configuration as `PUQ_BACKUPS_X`, else from the environment variable of the
same name. A duration is a timedelta, a number of seconds, or text such as "90s", "15m", "12h", "7d".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

PREFIX = "PUQ_BACKUPS_"
LOG_FORMATS = ("", "text", "json")
SAFETY_COPY_CHOICES = ("offer", "always", "off")


@dataclass(frozen=True)
class Settings:
    """Settings of one application. Immutable; `settings.load` reads and checks them at start-up."""

    keys: tuple[str, ...] = field(default=(), repr=False)
    """Fernet keys that encrypt the Proxmox token secrets in the database, newest first. Required; separated by commas
    in the environment. `flask backups keys new` prints a key; run `flask backups keys rotate` after adding one."""

    redis_url: str = field(default="redis://127.0.0.1:6379/0", repr=False)
    """URL of the Redis or Valkey server that holds the job queue: `redis://`, `rediss://` or `unix://`."""

    log_format: str = ""
    """Format of our log lines on standard error, `text` or `json`. Empty: the host's logging decides; worker and
    clock write text if it is not configured."""

    queue: str = "puq-backups"
    """Name of the RQ queue."""

    timezone: str = "UTC"
    """IANA time zone of schedules whose client has not chosen one."""

    url_prefix: str = "/services/<service_id>/backups"
    """URL prefix of the client's page; must contain `<service_id>`."""

    admin_url_prefix: str = "/admin/backups"
    """URL prefix of the staff pages."""

    operations_url_prefix: str = "/backups"
    """URL prefix of `/healthz`, `/readyz` and `/metrics`, for operators' monitoring."""

    metrics_token: str = field(default="", repr=False)
    """Bearer token that `/metrics` asks for; empty: there are no metrics. Needs the extra `metrics`."""

    rate_limits: tuple[str, ...] = (
        "create 20/minute",
        "restore 20/minute",
        "preview 30/minute",
        "keep 60/minute",
        "note 60/minute",
        "test_mail 10/minute",
    )
    """Requests allowed for each service and actor, as `action count/period`; an action that is not named is not
    limited. Above it they are refused (429)."""

    csp: str = ""
    """Content-Security-Policy of our pages. Empty: a strict one where the host did not replace our base template,
    none where it did."""

    ca_file: str = ""
    """Path of a PEM file with the CA that signed Proxmox's certificates; empty: the system's CAs. A server with a
    fingerprint (`serveraccesshash`) is checked against the fingerprint instead."""

    connect_timeout: timedelta = timedelta(seconds=5)
    """Timeout for connecting to Proxmox."""

    read_timeout: timedelta = timedelta(seconds=35)
    """Timeout for an answer from Proxmox; Proxmox's own timeout between nodes is 30 seconds."""

    poll: timedelta = timedelta(seconds=5)
    """Interval between two status requests for a running Proxmox task."""

    settle: timedelta = timedelta(seconds=45)
    """After a request whose answer was lost: time until a task that cannot be found counts as never started."""

    catch_up: timedelta = timedelta(hours=12)
    """How late a scheduled backup may still start. After that the slot is recorded as missed."""

    retry_delays: tuple[timedelta, ...] = (
        timedelta(minutes=5),
        timedelta(minutes=15),
        timedelta(minutes=45),
    )
    """Delays before each retry of a failed scheduled backup; separated by commas in the environment."""

    manual_counts_as_todays: bool = True
    """Whether today's scheduled run is skipped when a manual backup was made today."""

    per_node: int = 1
    """Maximum number of backups running at once on one node. Proxmox itself runs one vzdump per node."""

    per_storage: int | None = None
    """Maximum number of backups running at once to one storage. Default: no limit, which suits a Proxmox
    Backup Server shared by many nodes."""

    lockwait: timedelta = timedelta(hours=3)
    """vzdump's `lockwait`: how long a backup waits for the node's vzdump lock, rounded to whole minutes."""

    shutdown_timeout: timedelta = timedelta(seconds=60)
    """Time given to a VM to shut down before a restore; after that it is stopped."""

    backup_deadline: timedelta = timedelta(hours=24)
    """A backup that runs longer becomes stuck: staff are mailed, the service stays locked."""

    restore_deadline: timedelta = timedelta(hours=24)
    """A restore that runs longer becomes stuck: staff are mailed, the service stays locked."""

    busy_patience: timedelta = timedelta(minutes=30)
    """How long an operation that has changed nothing yet waits for locks and unreachable nodes before it fails."""

    safety_copy: str = "offer"
    """Whether a restore backs up the current state of the VM first: `offer` (the client chooses), `always` or `off`.
    The configurable option `Safety copy` overrides it."""

    safety_copy_days: int = 3
    """Days until a safety copy is removed."""

    bin_hours: float = 24
    """Hours that a removed backup stays in the bin, from which the client can bring it back; 0: removed at once."""

    termination_grace: timedelta = timedelta(days=7)
    """Time until the backups of a terminated service are removed; 0: at once."""

    history: timedelta = timedelta(days=400)
    """Age at which ended operations, audit rows, sent mails and removed backups are deleted."""

    sync_interval: timedelta = timedelta(minutes=10)
    """Interval between two comparisons of the recorded backups with the contents of the storages."""

    missing_after: timedelta = timedelta(hours=1)
    """A backup is missing when two syncs at least this far apart did not find its volume."""

    smtp_url: str = field(default="", repr=False)
    """SMTP server: `smtp://user:pass@host:port`, `smtps://…` or `?starttls=1`. Empty: the host's `send_email`."""

    mail_from: str = ""
    """Sender address of mails; required with `smtp_url`."""

    staff_email: str = ""
    """Address that receives mails to staff; empty: none are sent."""

    company_name: str = ""
    """Name of the provider, shown in mails."""

    signature: str = ""
    """Signature at the end of mails."""

    lang_overrides: str = "lang/overrides"
    """Directory of the provider's translations, `<locale>/LC_MESSAGES/puq_backups.po`. A relative path starts at the
    directory of the application's module and need not exist."""

    hooks: tuple[str, ...] = ()
    """Modules or packages of the host with hooks; separated by commas in the environment."""
