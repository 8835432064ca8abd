"""Settings, database, hooks and connections, passed to all functions instead of globals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from .config import Settings
from .hook_registry.registry import Hooks
from .host import Actor, Host
from .i18n.translator import Translator
from .models import Database, Server
from .pve.client import Access, Proxmox
from .pve.connections import Connections
from .shared_redis.counters import Counters
from .shared_redis.pending_polls import PendingPolls
from .shared_redis.rate_limits import RateLimiter
from .vault import Vault


@dataclass(frozen=True)
class Context:
    """Settings, database, hooks, host, encryption and queue, passed to all functions instead of globals.

    `enqueue(operation_ids)` enqueues a job for each operation, `enqueue_polls` one for each node given as (server id,
    node), `enqueue_syncs` one for each server id; none raises. `note_watched(service_id)` notes that somebody looks
    at a service's page and returns whether nobody did before; `watched(service_ids)` returns those that somebody
    looks at. `signed_in()` returns the signed-in actor, None within a request where nobody is signed in, and SYSTEM
    outside a request. `limiter` counts requests, `counters` what metrics show of all processes, `polls` keeps which
    nodes have a poll in the queue.
    """

    settings: Settings
    database: Database
    hooks: Hooks
    host: Host
    vault: Vault
    limiter: RateLimiter
    counters: Counters
    polls: PendingPolls
    enqueue: Callable[[Iterable[str]], None]
    enqueue_polls: Callable[[Iterable[tuple[str, str]]], None]
    enqueue_syncs: Callable[[Iterable[str]], None]
    note_watched: Callable[[str], bool]
    watched: Callable[[Sequence[str]], set[str]]
    signed_in: Callable[[], Actor | None]
    connections: Connections = field(default_factory=Connections)

    def translator(self, locale: str | None, timezone: str | None = None) -> Translator:
        """Return a translator for one reader, with the provider's own translations."""
        return Translator(locale, timezone, overrides=self.settings.lang_overrides)

    def connect(self, server: Server) -> Proxmox:
        """Return a Proxmox client for `server`, on connections that this thread keeps.

        Raises BadInput, which names a parameter that is invalid.
        """
        access = Access(
            hosts=tuple(server.hosts.split(",")),
            port=server.port,
            token_id=server.token_id,
            secret=self.vault.open(server.sealed_secret),
            fingerprint=server.fingerprint or None,
            ca_file=self.settings.ca_file or None,
            connect_timeout=self.settings.connect_timeout.total_seconds(),
            read_timeout=self.settings.read_timeout.total_seconds(),
        )
        return Proxmox(access, self.connections.to(access), self.counters.count_call)

    def connect_with(self, access: Access) -> Proxmox:
        """Return a Proxmox client for an access that is not recorded yet, on connections of its own."""
        return Proxmox(access, observe=self.counters.count_call)
