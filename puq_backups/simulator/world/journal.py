"""The journal: everything asked, changed and held, with the time and the one who did it."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .clock import Clock
from .guest_table import GuestTable
from .volumes import Volume, Volumes

KEPT = 200_000
SOMEBODY = "simulator"


@dataclass(frozen=True)
class Entry:
    """One entry.

    `at` is the time in seconds since the epoch; `by` a caller (`user@realm!token`), a UPID, `control NAME` or
    `simulator`; `what` one of asked, answered, started, ended, changed, added, removed, held, released, control;
    `subject` a request, a UPID, `vm VMID`, a volid or the name of a lock; `details` what else there is to say.
    """

    at: float
    by: str
    what: str
    subject: str
    details: dict[str, Any] = field(default_factory=dict)


class Journal:
    """Keeps the newest 200,000 entries, oldest first."""

    def __init__(self, clock: Clock) -> None:
        self.entries: deque[Entry] = deque(maxlen=KEPT)
        self._clock = clock
        self._thread = threading.local()

    @property
    def actor(self) -> str:
        """The one for whom this thread acts."""
        return str(getattr(self._thread, "by", SOMEBODY))

    @contextlib.contextmanager
    def acting(self, by: str) -> Iterator[None]:
        """Enter what this thread does under this name."""
        before = self.actor
        self._thread.by = by
        try:
            yield
        finally:
            self._thread.by = before

    def add(self, what: str, subject: str, **details: Any) -> None:
        """Add an entry."""
        self.entries.append(Entry(self._clock.now(), self.actor, what, subject, details))

    def watch(self, guests: GuestTable, volumes: Volumes) -> None:
        """Enter changes of guests and volumes from now on."""
        guests.watch(self._guest_changed)
        volumes.watcher = self._volume_changed

    def _guest_changed(self, what: str, vmid: int, key: str, old: Any, new: Any) -> None:
        if what == "changed":
            self.add(what, f"vm {vmid}", key=key, old=old, new=new)
        else:
            self.add(what, f"vm {vmid}")

    def _volume_changed(self, what: str, volume: Volume) -> None:
        facts = {"vmid": volume.vmid, "size": volume.size, "notes": volume.notes, "protected": volume.protected}
        self.add(what, volume.volid, **facts)

    def find(self, what: str | None = None, subject: str | None = None, by: str | None = None) -> list[Entry]:
        """The entries with this `what`, `subject` and `by`; None is any."""
        return [
            one
            for one in self.entries
            if what in (None, one.what) and subject in (None, one.subject) and by in (None, one.by)
        ]
