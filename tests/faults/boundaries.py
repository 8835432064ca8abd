"""Boundaries of the product's work: before and after each commit, and before and after each request to Proxmox.

A process that is killed there is simulated by `Killed`, which no handler of the product catches: the session is
dropped, locks and leases stay. Between two boundaries other processes and people may act (`meanwhile`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from requests.adapters import HTTPAdapter
from sqlalchemy import event
from sqlalchemy.orm import Session


class Killed(BaseException):
    """The process was killed here."""


class Boundaries:
    """Counts boundaries. `kill_in` is the number of boundaries until the process is killed, None for never.

    `look(method, url, body)` is called right before each request.
    """

    def __init__(self) -> None:
        self.kill_in: int | None = None
        self.kills = 0
        self.places: list[str] = []
        self.meanwhile: Callable[[], None] | None = None
        self.look: Callable[[str, str, str], None] | None = None
        self._nested = False

    def reached(self, place: str) -> None:
        """Kill the process if its time has come; else let others act where no transaction is open."""
        if self.kill_in is not None:
            self.kill_in -= 1
            if self.kill_in <= 0:
                self.kill_in = None
                self.kills += 1
                self.places.append(place)
                raise Killed(place)
        if self.meanwhile and not self._nested and "request" in place:
            self._act_meanwhile(self.meanwhile)

    def _act_meanwhile(self, act: Callable[[], None]) -> None:
        self._nested = True
        waiting, self.kill_in = self.kill_in, None
        try:
            act()
        finally:
            self._nested, self.kill_in = False, waiting

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch all sessions and requests of this process."""
        send = HTTPAdapter.send

        def sent(adapter: HTTPAdapter, request: Any, *args: Any, **more: Any) -> Any:
            self.reached(f"before request {request.method}")
            if self.look:
                body = request.body.decode() if isinstance(request.body, bytes) else str(request.body or "")
                self.look(str(request.method), str(request.url), body)
            answer = send(adapter, request, *args, **more)
            self.reached(f"after request {request.method}")
            return answer

        def before(_: Session) -> None:
            self.reached("before commit")

        def after(_: Session) -> None:
            self.reached("after commit")

        event.listen(Session, "before_commit", before)
        event.listen(Session, "after_commit", after)
        HTTPAdapter.send = sent  # type: ignore[method-assign]  # put back below
        try:
            yield
        finally:
            HTTPAdapter.send = send  # type: ignore[method-assign]  # as it was
            event.remove(Session, "before_commit", before)
            event.remove(Session, "after_commit", after)
