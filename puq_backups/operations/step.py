"""What a step is given and what it may answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from ..context import Context
from ..errors import BackupsError, Message
from ..models import Base, Operation, Server, Service
from ..pve.client import Proxmox


@dataclass(frozen=True)
class Wait:
    """Come back to this step after so many seconds."""

    seconds: float
    why: Message | None = None


@dataclass(frozen=True)
class GoTo:
    """Go on with the step of this name."""

    step: str


@dataclass(frozen=True)
class Start:
    """The one call by which a step changes Proxmox: it starts a task.

    `type` and `id` are those of the task, `marker` is found in its log: with the time they lead back to a task
    whose answer was lost. `tolerate`: the step itself judges a failed task. `node`: where it is not the VM's.
    `findable` False: nothing about the task tells for which VM it is, so it is not looked for; the step is run again
    once it can no longer come, and sees what came of it. `audit` is written before the call.
    """

    call: Callable[[], Any]
    type: str
    id: str
    audit: str
    marker: str | None = None
    tolerate: bool = False
    node: str | None = None
    findable: bool = True


@dataclass(frozen=True)
class Change:
    """A call that changes Proxmox at once, with no task: a firewall rule, a pool, an HA entry.

    The step is run again after it and sees what came of it, so it must compare before it changes. `audit` is
    written before the call.
    """

    call: Callable[[], Any]
    audit: str


Outcome = Wait | GoTo | Start | Change | None
Step = Callable[["StepContext"], Outcome]


@dataclass(frozen=True)
class TaskResult:
    """The end of the task this step started. `ok` None: Proxmox no longer knows the task."""

    ok: bool | None
    reason: str
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


Row = TypeVar("Row", bound=Base)


class GiveUp(BackupsError):
    """The operation ends here: `state` says how, `after` names a step to go through first."""

    def __init__(self, text: str, *, state: str = "failed", after: str | None = None, **values: Any) -> None:
        super().__init__(text, **values)
        self.state = state
        self.after = after


class RepeatStep(BackupsError):
    """The call was refused and changed nothing: the step is run again at once, and does otherwise."""


@dataclass
class StepContext:
    """One operation on its way. Attributes set on `operation` and `service`, and rows added to `session`, are
    committed by the engine together with the step's outcome; a step itself never commits.
    """

    context: Context
    session: Session
    operation: Operation
    service: Service
    server: Server
    proxmox: Proxmox
    task_result: TaskResult | None = None

    def load(self, model: type[Row], key: object) -> Row:
        """A row of ours by its key, with no transaction left open. Comes before a step's own changes."""
        if self.session.dirty or self.session.new:
            raise RuntimeError("a step reads before it changes anything")
        found = self.session.get_one(model, key)
        self.session.commit()
        return found

    @property
    def node(self) -> str:
        return self.service.node

    @property
    def vmid(self) -> int:
        return self.service.vmid
