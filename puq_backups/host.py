"""Interface of the host, the billing application that mounts the extension."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Protocol, runtime_checkable

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
    """What the billing application implements. Both methods are required.

    The optional methods are in the protocols below. Inherit from those that your host implements, as in
    `class BillingHost(HostWithEmail, HostWithSignIn)`: a type checker then finds a misspelt or missing method.
    """

    @abstractmethod
    def current_actor(self) -> Actor | None:
        """Return who is signed in, or None if nobody is. Called inside requests only."""
        ...

    @abstractmethod
    def service_url(self, service_id: str) -> str:
        """Return the absolute URL of the host's page of a service. Also called by workers, without a request."""
        ...


@runtime_checkable
class HostWithServiceParams(Host, Protocol):
    """A host that knows a service's current params."""

    @abstractmethod
    def service_params(self, service_id: str) -> dict[str, Any]:
        """Return the current params of the service, as for CreateAccount. Read before a mail and a re-apply."""
        ...


@runtime_checkable
class HostWithServiceIds(Host, Protocol):
    """A host that lists its services for `flask backups import`."""

    @abstractmethod
    def service_ids(self) -> Iterable[str]:
        """Return the ids of all services that are to have backups. Read by `import` without a file."""
        ...


@runtime_checkable
class HostWithEmail(Host, Protocol):
    """A host that sends mails itself, in place of `PUQ_BACKUPS_SMTP_URL`."""

    @abstractmethod
    def send_email(self, email: EmailMessage) -> None:
        """Send a mail. Raise an exception if it was not sent: it is tried again."""
        ...


class HostService(Protocol):
    """The service that `reinstall` is given."""

    @property
    def id(self) -> str:
        """The host's id of the service."""
        ...

    @property
    def vmid(self) -> int:
        """The VM's id on Proxmox."""
        ...

    @property
    def client_id(self) -> str:
        """The host's id of the client."""
        ...


@runtime_checkable
class HostWithReinstall(Host, Protocol):
    """A host that reinstalls VMs itself, in place of our clone of the template."""

    @abstractmethod
    def reinstall(self, service: HostService) -> None:
        """Reinstall the service's VM. Raise `Refused` with a reason for the client if that cannot be done."""
        ...


@runtime_checkable
class HostWithSignIn(Host, Protocol):
    """A host that leads signed-out visitors of our pages to its own sign-in; without it they get 404."""

    @abstractmethod
    def unauthorized(self) -> Any:
        """Return what a view returns, such as a redirect to the sign-in page. Called inside requests only."""
        ...


OPTIONAL = ("service_params", "service_ids", "send_email", "reinstall", "unauthorized")
"""The methods that a host may leave out."""


def check(host: object) -> None:
    """SettingError where the host application lacks a method that is needed, or an optional name is no method."""
    if isinstance(host, type):
        raise SettingError(f"host={host.__name__} is a class: give an object of it, {host.__name__}().")
    for name in ("current_actor", "service_url"):
        if not callable(getattr(host, name, None)):
            raise SettingError(f"host={type(host).__name__} needs a method {name}: see the README's BillingHost.")
    for name in OPTIONAL:
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
    return host.service_params(service_id) if isinstance(host, HostWithServiceParams) else None


def service_url(host: Host, service_id: str) -> str:
    """Return the URL of the host's page of a service, "" if the host fails to give one."""
    try:
        return host.service_url(service_id)
    except Exception:
        log.exception("Host.service_url(%s) failed: the page has no link to it", service_id)
        return ""


def service_ids(host: Host) -> Iterable[str] | None:
    """Return the ids of all services that the host wants to have backups, None if it does not list them."""
    return host.service_ids() if isinstance(host, HostWithServiceIds) else None


def host_reinstall(host: Host) -> Callable[[HostService], None] | None:
    """Return the host's `reinstall`, None if it has none."""
    return host.reinstall if isinstance(host, HostWithReinstall) else None


def send_email(host: Host, email: EmailMessage) -> bool:
    """Send a mail with the host's `send_email`. Returns False if it has none."""
    if not isinstance(host, HostWithEmail):
        return False
    host.send_email(email)
    return True


def unauthorized(host: Host) -> Any:
    """Return the host's answer to a signed-out visitor, None if it has none or fails to give one."""
    if not isinstance(host, HostWithSignIn):
        return None
    try:
        return host.unauthorized()
    except Exception as error:
        # An answer that is raised, as `abort` does, is an answer.
        if hasattr(error, "get_response"):
            raise
        log.exception("Host.unauthorized failed: the visitor gets 404")
        return None
