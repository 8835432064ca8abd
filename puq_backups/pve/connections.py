"""Connections to Proxmox hosts that are kept, so that not every piece of work begins with a TLS handshake."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from requests import Response

from .access import Access
from .transport import HostConnection

MOST_SERVERS = 200
"""Number of servers to which one thread keeps connections; the one unused for longest is closed."""


@dataclass
class ServerConnections:
    """The connections to the hosts of one server, and the hosts in the order in which they are tried."""

    access: Access
    hosts: list[str]
    open: dict[tuple[int, str], HostConnection] = field(default_factory=dict)

    @classmethod
    def to(cls, access: Access) -> ServerConnections:
        """No connection yet, hosts in their configured order."""
        return cls(access, list(access.hosts))

    def get(self, process: int, host: str, on_response: Callable[[Response], None]) -> HostConnection:
        """The connection of a process to a host; `on_response` is called with each answer from now on."""
        # A TLS connection must not be used after a fork, so each process has its own.
        found = self.open.get((process, host))
        if found is None:
            found = self.open[process, host] = HostConnection(self.access, host)
        found.on_response = on_response
        return found


class Connections(threading.local):
    """Keeps the connections of each thread by address and token. A changed secret or certificate makes new ones."""

    def __init__(self) -> None:
        self._kept: dict[Access, ServerConnections] = {}

    def to(self, access: Access) -> ServerConnections:
        """The kept connections to a server."""
        found = self._kept.pop(access, None) or ServerConnections.to(access)
        self._kept[access] = found
        while len(self._kept) > MOST_SERVERS:
            unused = self._kept.pop(next(iter(self._kept)))
            for connection in unused.open.values():
                connection.session.close()
        return found
