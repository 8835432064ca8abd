"""Interface of the host, the billing application that mounts the extension."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Protocol

from .errors import SettingError

log = logging.getLogger("puq_backups.host")
PERMISSIONS = frozenset({"view", "create", "schedule", "restore", "remove", "keep"})
"""Permissions of a client's sub-user."""


@dataclass(frozen=True)
class Actor:
    """Who asks for something: a client, one of the client's sub-users, staff, or the system. Immutable.

    - `client_id` (str or int, default None): the client's id, stored as str.
    - `is_staff` (bool, default False): whether this is staff, who may do everything.
    - `permissions` (set of str, default None = all): some of `view create schedule restore remove keep`.
    - `name` (str, default ""): shown in the audit log.
    - `locale` (str, default "en"): language tag ("de", "pt-BR") or WHMCS language name ("german").
    - `timezone` (str, default None = the schedule's): IANA time zone in which times are shown.
    """

    client_id: str | None = None
    is_staff: bool = False
    permissions: frozenset[str] | None = None
    name: str = ""
    locale: str = "en"
    timezone: str | None = None

    def __post_init__(self) -> None:
        if self.client_id is not None:
            object.__setattr__(self, "client_id", str(self.client_id))
        if self.permissions is not None:
            object.__setattr__(self, "permissions", frozenset(self.permissions))

    def may(self, permission: str) -> bool:
        """Return whether this actor has `permission`, one of `view create schedule restore remove keep`."""
        return self.is_staff or self.permissions is None or permission in self.permissions

    @property
    def label(self) -> str:
        """Text that names this actor in the audit log."""
        kind = "staff" if self.is_staff else f"client {self.client_id}"
        return f"{kind} ({self.name})" if self.name else kind


SYSTEM = Actor(is_staff=True, name="system")
"""The actor of work that nobody in particular asked for."""


class Host(Protocol):
    """What the billing application implements. `current_actor` and `service_url` are required.

    Optional methods, used if they exist:

    - `service_params(service_id: str) -> dict`: current params of the service, read before a mail and a re-apply.
    - `service_ids() -> Iterable[str]`: ids of all services, read by `flask backups import` without a file.
    - `send_email(email: EmailMessage) -> None`: sends a mail, in place of `PUQ_BACKUPS_SMTP_URL`.
    - `reinstall(service) -> None`: reinstalls the service's VM, in place of our clone of the template.
    """

    def current_actor(self) -> Actor | None:
        """Return who is signed in, or None if nobody is. Called inside requests only."""
        ...

    def service_url(self, service_id: str) -> str:
        """Return the absolute URL of the host's page of a service. Also called by workers, without a request."""
        ...


def check(host: object) -> None:
    """SettingError where the host application lacks a method that is needed, or an optional name is no method."""
    for name in ("current_actor", "service_url"):
        if not callable(getattr(host, name, None)):
            raise SettingError(f"host={type(host).__name__} needs a method {name}: see the README's BillingHost.")
    for name in ("service_params", "service_ids", "send_email", "reinstall"):
        if not callable(getattr(host, name, check)):
            raise SettingError(f"host={type(host).__name__}: {name} must be a method, or be left out.")


def current_actor(host: Host) -> Actor | None:
    """Who is signed in as the host says, or None. A failing host and an answer that is no Actor are logged: None."""
    try:
        found: object = host.current_actor()
    except Exception:
        log.exception("Host.current_actor failed: nobody counts as signed in")
        return None
    if found is not None and not isinstance(found, Actor):
        log.error("Host.current_actor must return a puq_backups.Actor or None, not %s", type(found).__name__)
        return None
    return found


def service_params(host: Host, service_id: str) -> dict[str, Any] | None:
    """Return the host's current params of a service, None if the host does not provide them."""
    ask = getattr(host, "service_params", None)
    return ask(service_id) if ask else None


def service_ids(host: Host) -> Iterable[str] | None:
    """Return the ids of all services that the host wants to have backups, None if it does not list them."""
    ask = getattr(host, "service_ids", None)
    return ask() if ask else None


def host_reinstall(host: Host) -> Callable[[Any], None] | None:
    """Return the host's `reinstall`, None if it has none."""
    found: Callable[[Any], None] | None = getattr(host, "reinstall", None)
    return found


def send_email(host: Host, email: EmailMessage) -> bool:
    """Send a mail with the host's `send_email`. Returns False if it has none."""
    send = getattr(host, "send_email", None)
    if send is None:
        return False
    send(email)
    return True
