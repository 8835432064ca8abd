"""What we ask of the billing application that mounts us."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Protocol

from .errors import SettingError

log = logging.getLogger("puq_backups.host")
PERMISSIONS = frozenset({"view", "create", "schedule", "restore", "remove", "keep"})


@dataclass(frozen=True)
class Actor:
    """Who asks: a client (or one of its sub-users), staff, or nobody in particular (the system).

    `permissions` None means all of `view create schedule restore remove keep`; staff may do everything.
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
        """Whether this actor has the right `permission`."""
        return self.is_staff or self.permissions is None or permission in self.permissions

    @property
    def label(self) -> str:
        """Who this is, for the audit."""
        kind = "staff" if self.is_staff else f"client {self.client_id}"
        return f"{kind} ({self.name})" if self.name else kind


SYSTEM = Actor(is_staff=True, name="system")


class Host(Protocol):
    """The billing application. The first two are needed, the rest is used where it exists:

    `service_params(service_id) -> dict` (fresh params before a re-apply or a mail),
    `send_email(email: EmailMessage) -> None` (instead of `PUQ_BACKUPS_SMTP_URL`),
    `reinstall(service) -> None` (instead of ours).
    """

    def current_actor(self) -> Actor | None:
        """Who is signed in, or None."""
        ...

    def service_url(self, service_id: str) -> str:
        """The full address of the host's own page of a service; workers ask too, without a request."""
        ...


def check(host: object) -> None:
    """SettingError where the host application lacks a method that is needed, or an optional name is no method."""
    for name in ("current_actor", "service_url"):
        if not callable(getattr(host, name, None)):
            raise SettingError(f"host={type(host).__name__} needs a method {name}: see the README's BillingHost.")
    for name in ("service_params", "send_email", "reinstall"):
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
    """The host's fresh params of a service, or None where it does not give them."""
    ask = getattr(host, "service_params", None)
    return ask(service_id) if ask else None


def host_reinstall(host: Host) -> Callable[[Any], None] | None:
    """The host's own way to reinstall a service's VM, or None where it leaves that to us."""
    found: Callable[[Any], None] | None = getattr(host, "reinstall", None)
    return found


def send_email(host: Host, email: EmailMessage) -> bool:
    """Let the host send a mail; False where it does not."""
    send = getattr(host, "send_email", None)
    if send is None:
        return False
    send(email)
    return True
