"""A fault that waits for requests or tasks."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from .task import Task


@dataclass(eq=False)
class Fault:
    """A fault that waits for requests or tasks; `times` None is without end."""

    name: str
    args: dict[str, Any]
    times: int | None = 1
    label: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    met: int = 0
    matched: int = 0

    def matches_request(self, method: str, path: str, token: str | None) -> bool:
        """Whether it is about requests of this method, path (`*` in it is anything) and token id.

        Of the requests that match, those before the `nth` are counted and let through.
        """
        wanted = str(self.args.get("path", "*"))
        same = self.args.get("method", method) == method and fnmatchcase(path, wanted)
        return same and self.args.get("token", token) == token and self._is_nth()

    def _is_nth(self) -> bool:
        self.matched += 1
        return self.matched >= int(self.args.get("nth", 1))

    def matches_task(self, task: Task) -> bool:
        """Whether it is about tasks of this type and VM."""
        same_vm = "vmid" not in self.args or str(self.args["vmid"]) == task.id.split("@")[0]
        return self.args.get("type", task.type) == task.type and same_vm

    def takes_task(self, task: Task, faults: list[Fault]) -> bool:
        """Whether it is about this task; if so the use is counted as in `take`."""
        if not self.matches_task(task) or not self._is_nth():
            return False
        self.take(faults)
        return True

    def take(self, faults: list[Fault]) -> None:
        """Count one use; after the last one remove the fault from the list."""
        self.met += 1
        if self.times is not None and self.met >= self.times and self in faults:
            faults.remove(self)
