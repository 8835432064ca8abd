"""Settings, database, hooks and connections, passed to all functions instead of globals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .config import Settings
from .hook_registry.registry import Hooks
from .host import Actor, Host
from .i18n.translator import Translator
from .models import Database, Server
from .pve.client import Access, Proxmox
from .vault import Vault


@dataclass(frozen=True)
class Context:
    """Settings, database, hooks, host, encryption and queue, passed to all functions instead of globals.

    `enqueue(operation_ids)` enqueues a job for each operation and never raises. `signed_in()` returns the signed-in
    actor, None within a request where nobody is signed in, and SYSTEM outside a request.
    """

    settings: Settings
    database: Database
    hooks: Hooks
    host: Host
    vault: Vault
    enqueue: Callable[[Iterable[str]], None]
    signed_in: Callable[[], Actor | None]

    def translator(self, locale: str | None, timezone: str | None = None) -> Translator:
        """Return a translator for one reader, with the provider's own translations."""
        return Translator(locale, timezone, overrides=self.settings.lang_overrides)

    def connect(self, server: Server) -> Proxmox:
        """Return a Proxmox client for `server`. Raises BadInput naming a parameter that is invalid."""
        return Proxmox(
            Access(
                hosts=tuple(server.hosts.split(",")),
                port=server.port,
                token_id=server.token_id,
                secret=self.vault.open(server.sealed_secret),
                fingerprint=server.fingerprint or None,
                ca_file=self.settings.ca_file or None,
                connect_timeout=self.settings.connect_timeout.total_seconds(),
                read_timeout=self.settings.read_timeout.total_seconds(),
            )
        )
