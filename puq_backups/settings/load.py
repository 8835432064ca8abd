"""Reads all settings at start-up and checks them. A wrong one is refused in a sentence that names it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import timedelta
from difflib import get_close_matches
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cryptography.fernet import Fernet

from ..config import LOG_FORMATS, PREFIX, SAFETY_COPY_CHOICES, Settings
from ..errors import SettingError
from ..shared_redis.rate_limits import read_limits
from .value_types import READERS, is_address

VARIABLE = re.compile(r"<[^>]*>")


def load(config: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Read and check all settings.

    `config` is the host's Flask configuration, `environ` the environment; `config` wins. None in `config` means the
    default. Raises SettingError, naming the setting, for an invalid value or an unknown `PUQ_BACKUPS_` name.
    """
    known = {PREFIX + setting.name.upper(): setting for setting in fields(Settings)}
    for name in (*config, *environ):
        if name.startswith(PREFIX) and name not in known:
            raise _unknown(name, known)
    found = {}
    for name, setting in known.items():
        raw = config[name] if name in config else environ.get(name)
        if raw is not None:
            found[setting.name] = _read(name, str(setting.type), raw)
    settings = Settings(**found)
    _check(settings)
    return settings


def _unknown(name: str, known: Iterable[str]) -> SettingError:
    ends = [one.removeprefix(PREFIX) for one in known]
    for near in get_close_matches(name.removeprefix(PREFIX), ends, 1, 0.7):
        return SettingError(
            "{name} is not a setting of puq-backups; did you mean {near}?", name=name, near=PREFIX + near
        )
    return SettingError("{name} is not a setting of puq-backups.", name=name)


def _read(name: str, kind: str, raw: Any) -> Any:
    reader, wanted = READERS[kind]
    try:
        return reader(raw)
    except (ValueError, TypeError, OverflowError):
        raise SettingError("{name} must be {wanted}; it is {raw}.", name=name, wanted=wanted, raw=repr(raw)) from None


def _check(settings: Settings) -> None:
    _check_keys(settings)
    _check_urls(settings)
    _check_prefixes(settings)
    if not settings.queue:
        raise SettingError("PUQ_BACKUPS_QUEUE is empty: it must be the name of the queue.")
    try:
        ZoneInfo(settings.timezone)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise SettingError("PUQ_BACKUPS_TIMEZONE: there is no zone {zone}.", zone=settings.timezone) from None
    read_limits(settings.rate_limits)
    if not settings.csp.isprintable():
        raise SettingError("PUQ_BACKUPS_CSP must be one line.")
    _check_choices(settings)
    if settings.ca_file and not Path(settings.ca_file).is_file():
        raise SettingError("PUQ_BACKUPS_CA_FILE: there is no file {file}.", file=settings.ca_file)
    overrides = Path(settings.lang_overrides)
    if overrides.is_absolute() and not overrides.is_dir():
        raise SettingError("PUQ_BACKUPS_LANG_OVERRIDES: there is no folder {folder}.", folder=settings.lang_overrides)
    if settings.history < timedelta(days=30):
        raise SettingError("PUQ_BACKUPS_HISTORY must be at least 30 days.")
    for name in ("poll", "settle", "connect_timeout", "read_timeout"):
        if getattr(settings, name) <= timedelta(0):
            raise SettingError("PUQ_BACKUPS_{name} must be more than 0.", name=name.upper())


def _check_choices(settings: Settings) -> None:
    if settings.safety_copy not in SAFETY_COPY_CHOICES:
        choices = ", ".join(SAFETY_COPY_CHOICES)
        raise SettingError("PUQ_BACKUPS_SAFETY_COPY must be one of {choices}.", choices=choices)
    if settings.log_format not in LOG_FORMATS:
        raise SettingError("PUQ_BACKUPS_LOG_FORMAT must be text, json or empty.")


def _check_keys(settings: Settings) -> None:
    if not settings.keys:
        raise SettingError(
            "PUQ_BACKUPS_KEYS is not set: it needs at least one Fernet key. `flask backups keys new` makes one."
        )
    for key in settings.keys:
        try:
            Fernet(key)
        except ValueError:
            raise SettingError("PUQ_BACKUPS_KEYS holds something that is not a Fernet key.") from None


def _check_urls(settings: Settings) -> None:
    if _split_url(settings.redis_url).scheme not in {"redis", "rediss", "unix"}:
        raise SettingError(
            "PUQ_BACKUPS_REDIS_URL must be an address that begins with redis://, rediss:// or unix://."
        )
    smtp = _split_url(settings.smtp_url)
    if settings.smtp_url and (smtp.scheme not in {"smtp", "smtps"} or not smtp.hostname):
        raise SettingError("PUQ_BACKUPS_SMTP_URL must be an address that begins with smtp:// or smtps://.")
    _check_addresses(settings)


def _check_addresses(settings: Settings) -> None:
    if settings.smtp_url and not settings.mail_from:
        raise SettingError("PUQ_BACKUPS_MAIL_FROM is needed with PUQ_BACKUPS_SMTP_URL.")
    if settings.mail_from and not is_address(parseaddr(settings.mail_from)[1]):
        raise SettingError("PUQ_BACKUPS_MAIL_FROM must hold one mail address; it is {raw}.", raw=settings.mail_from)
    if settings.staff_email and not is_address(settings.staff_email):
        raise SettingError("PUQ_BACKUPS_STAFF_EMAIL must be one mail address; it is {raw}.", raw=settings.staff_email)


def _split_url(url: str) -> SplitResult:
    """Split a URL; empty parts if host or port are invalid."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return urlsplit("")
    return parts


def _check_prefixes(settings: Settings) -> None:
    if not settings.url_prefix.startswith("/") or VARIABLE.findall(settings.url_prefix) != ["<service_id>"]:
        raise SettingError(
            "PUQ_BACKUPS_URL_PREFIX must begin with / and hold <service_id>, once and nothing like it."
        )
    for name in ("admin_url_prefix", "operations_url_prefix"):
        prefix = getattr(settings, name)
        if not prefix.startswith("/") or "<" in prefix:
            raise SettingError(
                "PUQ_BACKUPS_{name} must begin with / and hold no <…>; it is {raw}.", name=name.upper(), raw=prefix
            )
