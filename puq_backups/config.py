"""Every setting, with its default, unit and effect.

A setting `x` is read from the host's configuration as `PUQ_BACKUPS_X`, else from the environment under the same
name. Durations are a timedelta, a number of seconds, or a text such as "90s", "15m", "12h", "7d".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cryptography.fernet import Fernet

from .errors import SettingError

PREFIX = "PUQ_BACKUPS_"
NEW_KEY = 'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
SAFETY_COPY = ("offer", "always", "off")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Settings:
    """The settings of one application, checked at start-up."""

    keys: tuple[str, ...] = field(default=(), repr=False)
    """Fernet keys, newest first: they encrypt the Proxmox token secrets at rest. Needed. In the environment
    separated by commas. `flask backups keys new` prints one; after adding one run `flask backups keys rotate`."""

    redis_url: str = field(default="redis://127.0.0.1:6379/0", repr=False)
    """The Redis-protocol server that carries the jobs."""

    queue: str = "puq-backups"
    """The name of the RQ queue."""

    timezone: str = "UTC"
    """IANA zone of schedules whose client has not chosen one."""

    url_prefix: str = "/services/<service_id>/backups"
    """Where the client's page is mounted; holds `<service_id>`."""

    admin_url_prefix: str = "/admin/backups"
    """Where the staff pages are mounted."""

    ca_file: str = ""
    """PEM file of the authority that signed Proxmox's certificate; empty: the system's authorities. A server
    with a fingerprint (`serveraccesshash`) is checked against that instead."""

    connect_timeout: timedelta = timedelta(seconds=5)
    """Longest wait for a connection to Proxmox."""

    read_timeout: timedelta = timedelta(seconds=35)
    """Longest wait for an answer of Proxmox; its own limit between nodes is 30 seconds."""

    poll: timedelta = timedelta(seconds=5)
    """Time between two looks at a running Proxmox task."""

    settle: timedelta = timedelta(seconds=45)
    """How long after a request without an answer a task that cannot be found counts as never started."""

    catch_up: timedelta = timedelta(hours=12)
    """How late a scheduled backup may still start; later it is recorded as missed."""

    retry_delays: tuple[timedelta, ...] = (
        timedelta(minutes=5),
        timedelta(minutes=15),
        timedelta(minutes=45),
    )
    """Pauses before a failed scheduled backup is tried again. In the environment separated by commas."""

    manual_counts_as_todays: bool = True
    """Whether a manual backup made today lets today's scheduled run be skipped."""

    per_node: int = 1
    """Most backups that run at once on one node. Proxmox itself runs one vzdump per node."""

    per_storage: int = 4
    """Most backups that run at once to one storage."""

    lockwait: timedelta = timedelta(hours=3)
    """How long a backup may wait for the node's vzdump lock inside Proxmox, in whole minutes."""

    shutdown_timeout: timedelta = timedelta(seconds=60)
    """How long a VM may take to shut down before a restore; then it is stopped."""

    backup_deadline: timedelta = timedelta(hours=24)
    """A backup that runs longer is shown to staff as stuck. It keeps its lock."""

    restore_deadline: timedelta = timedelta(hours=24)
    """A restore that runs longer is shown to staff as stuck. It keeps its lock."""

    busy_patience: timedelta = timedelta(minutes=30)
    """How long an operation waits on locks and unreachable nodes before anything was changed."""

    safety_copy: str = "offer"
    """Whether a restore keeps the present state of the VM first: `offer` (the client chooses), `always` or `off`. The
    configurable option `Safety copy` overrides it."""

    safety_copy_days: int = 3
    """How many days a safety copy is kept."""

    termination_grace: timedelta = timedelta(days=7)
    """How long the backups of a terminated service are kept; 0: removed at once."""

    sync_interval: timedelta = timedelta(minutes=10)
    """Time between two comparisons of our backups with what the storages hold."""

    missing_after: timedelta = timedelta(hours=1)
    """A backup is missing when its volume was gone in two syncs this far apart."""

    smtp_url: str = field(default="", repr=False)
    """`smtp://user:pass@host:port`, `smtps://…`, `?starttls=1`. Empty: the host's `send_email` is asked."""

    mail_from: str = ""
    """Sender of the mails; needed with `smtp_url`."""

    staff_email: str = ""
    """Where mails for staff go; empty: none are sent."""

    company_name: str = ""
    """Name of the provider in mails."""

    signature: str = ""
    """Text at the end of the mails."""

    unprotected_after: timedelta = timedelta(hours=48)
    """How long after its last good backup a service whose scheduled ones come to nothing is shown to staff."""

    lang_overrides: str = "lang/overrides"
    """Folder of the provider's own words, `<locale>/LC_MESSAGES/puq_backups.po`; a relative one is beside the
    application's module. It need not be there."""

    hooks: tuple[str, ...] = ()
    """Modules or packages of the host that hold hooks. In the environment separated by commas."""


def load(config: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """The settings out of the host's configuration, else the environment. SettingError names a wrong one."""
    known = {PREFIX + setting.name.upper(): setting for setting in fields(Settings)}
    for name in (*config, *environ):
        if name.startswith(PREFIX) and name not in known:
            raise SettingError("{name} is not a setting of puq-backups.", name=name)
    found = {}
    for name, setting in known.items():
        raw = config[name] if name in config else environ.get(name)
        if raw is not None:
            found[setting.name] = _read(name, str(setting.type), raw)
    settings = Settings(**found)
    _check(settings)
    return settings


def duration(raw: Any) -> timedelta:
    """A duration out of a timedelta, seconds, or a text such as "12h". ValueError otherwise."""
    if isinstance(raw, timedelta):
        found = raw
    elif isinstance(raw, int | float) and not isinstance(raw, bool):
        found = timedelta(seconds=raw)
    else:
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", str(raw))
        if not match:
            raise ValueError(raw)
        found = timedelta(**{UNITS[match[2] or "s"]: float(match[1])})
    if found < timedelta(0):
        raise ValueError(raw)
    return found


def _words(raw: Any) -> tuple[str, ...]:
    parts = raw.split(",") if isinstance(raw, str) else raw
    texts = (part.decode() if isinstance(part, bytes) else str(part) for part in parts)
    return tuple(text.strip() for text in texts if text.strip())


def _durations(raw: Any) -> tuple[timedelta, ...]:
    return tuple(duration(part) for part in (raw.split(",") if isinstance(raw, str) else raw))


def _flag(raw: Any) -> bool:
    text = str(raw).strip().lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"", "0", "false", "no", "off"}:
        return False
    raise ValueError(raw)


def _count(raw: Any) -> int:
    number = int(raw)
    if isinstance(raw, bool) or number < 1 or (isinstance(raw, float) and number != raw):
        raise ValueError(raw)
    return number


READERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "str": (lambda raw: str(raw).strip(), "a text"),
    "bool": (_flag, "True or False"),
    "int": (_count, "a whole number from 1"),
    "timedelta": (duration, 'a duration: a timedelta, seconds, or a text such as "12h"'),
    "tuple[str, ...]": (_words, "a list of texts"),
    "tuple[timedelta, ...]": (_durations, "a list of durations"),
}


def _read(name: str, kind: str, raw: Any) -> Any:
    reader, wanted = READERS[kind]
    try:
        return reader(raw)
    except (ValueError, TypeError, OverflowError):
        raise SettingError("{name} must be {wanted}; it is {raw}.", name=name, wanted=wanted, raw=repr(raw)) from None


def _check(settings: Settings) -> None:
    _check_keys(settings)
    _check_addresses(settings)
    _check_prefixes(settings)
    if not settings.queue:
        raise SettingError("PUQ_BACKUPS_QUEUE is empty: it must be the name of the queue.")
    try:
        ZoneInfo(settings.timezone)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise SettingError("PUQ_BACKUPS_TIMEZONE: there is no zone {zone}.", zone=settings.timezone) from None
    if settings.safety_copy not in SAFETY_COPY:
        choices = ", ".join(SAFETY_COPY)
        raise SettingError("PUQ_BACKUPS_SAFETY_COPY must be one of {choices}.", choices=choices)
    if settings.ca_file and not Path(settings.ca_file).is_file():
        raise SettingError("PUQ_BACKUPS_CA_FILE: there is no file {file}.", file=settings.ca_file)
    overrides = Path(settings.lang_overrides)
    if overrides.is_absolute() and not overrides.is_dir():
        raise SettingError("PUQ_BACKUPS_LANG_OVERRIDES: there is no folder {folder}.", folder=settings.lang_overrides)
    for name in ("poll", "settle", "connect_timeout", "read_timeout"):
        if getattr(settings, name) <= timedelta(0):
            raise SettingError("PUQ_BACKUPS_{name} must be more than 0.", name=name.upper())


def _check_keys(settings: Settings) -> None:
    if not settings.keys:
        raise SettingError(
            "PUQ_BACKUPS_KEYS is not set: it needs at least one Fernet key. {new} makes one.", new=NEW_KEY
        )
    for key in settings.keys:
        try:
            Fernet(key)
        except ValueError:
            raise SettingError("PUQ_BACKUPS_KEYS holds something that is not a Fernet key.") from None


def _check_addresses(settings: Settings) -> None:
    if _address(settings.redis_url).scheme not in {"redis", "rediss", "unix"}:
        raise SettingError(
            "PUQ_BACKUPS_REDIS_URL must be an address that begins with redis://, rediss:// or unix://."
        )
    smtp = _address(settings.smtp_url)
    if settings.smtp_url and (smtp.scheme not in {"smtp", "smtps"} or not smtp.hostname):
        raise SettingError("PUQ_BACKUPS_SMTP_URL must be an address that begins with smtp:// or smtps://.")
    if settings.smtp_url and not settings.mail_from:
        raise SettingError("PUQ_BACKUPS_MAIL_FROM is needed with PUQ_BACKUPS_SMTP_URL.")


def _address(url: str) -> SplitResult:
    """The parts of an address; none where its host or port cannot be read."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return urlsplit("")
    return parts


def _check_prefixes(settings: Settings) -> None:
    if not settings.url_prefix.startswith("/") or "<service_id>" not in settings.url_prefix:
        raise SettingError("PUQ_BACKUPS_URL_PREFIX must begin with / and hold <service_id>.")
    if not settings.admin_url_prefix.startswith("/"):
        raise SettingError("PUQ_BACKUPS_ADMIN_URL_PREFIX must begin with /.")
