"""What a step function gets (StepContext) and what it returns (Outcome)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from ..context import Context
from ..errors import BackupsError, Message, ProxmoxError
from ..models import Base, Operation, Server, Service
from ..pve import vms
from ..pve.client import Proxmox


@dataclass(frozen=True)
class Wait:
    """Run this step again after `seconds`. `why` is shown on the page meanwhile."""

    seconds: float
    why: Message | None = None


@dataclass(frozen=True)
class GoTo:
    """Continue with the step of this name."""

    step: str


@dataclass(frozen=True)
class Done:
    """End the operation as done: no later step has anything to do."""


@dataclass(frozen=True)
class Start:
    """Start a Proxmox task, the one call by which a step changes the VM.

    call: makes the call and returns the UPID.
    type, id: the task's type and id, by which it is found again if the answer was lost.
    audit: text of the audit row, written before the call.
    marker: text in the task's log that tells it from other tasks of the same type and id.
    tolerate: the step handles a failed task itself. Default False: a failed task ends the operation.
    node: the node that runs the task. Default None: the VM's node.
    findable: False if the task does not tell for which VM it is. It is not looked for then; the step is run again
        after `PUQ_BACKUPS_SETTLE` and compares.
    still: asked in the transaction that commits the intent, with the service's row locked, about the rows as they are
        then. False: no call is made and the step is run again. Default None: not asked.
    """

    call: Callable[[], Any]
    type: str
    id: str
    audit: str
    marker: str | None = None
    tolerate: bool = False
    node: str | None = None
    findable: bool = True
    still: Callable[[Session], bool] | None = None


@dataclass(frozen=True)
class Change:
    """A call that changes Proxmox without a task: a firewall rule, an HA entry.

    The step is run again after the call, so it must compare before it changes anything. `audit` is the text of the
    audit row, written before the call.
    """

    call: Callable[[], Any]
    audit: str


Outcome = Wait | GoTo | Done | Start | Change | None
Step = Callable[["StepContext"], Outcome]


@dataclass(frozen=True)
class TaskResult:
    """How the task of this step ended. `ok` is None if Proxmox no longer knows the task."""

    ok: bool | None
    reason: str
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


Row = TypeVar("Row", bound=Base)


class GiveUp(BackupsError):
    """End the operation in `state`, with `text` as its reason; `after` names a step to go to first."""

    def __init__(self, text: str, *, state: str = "failed", after: str | None = None, **values: Any) -> None:
        super().__init__(text, **values)
        self.state = state
        self.after = after


class RepeatStep(BackupsError):
    """The call was refused and changed nothing. The step is run again at once and makes another call."""


class NotConnected(ProxmoxError):
    """The stored access to Proxmox cannot be used, for example because its key is missing."""

    retryable = True

    def __init__(self, reason: Message) -> None:
        super().__init__(str(reason))
        self.message = reason


@dataclass
class StepContext:
    """What a step works with: the operation, its service and server, a Proxmox client, and the result of its task.

    The engine commits changes to `operation` and `service`, and rows added to `session`, together with the outcome. A
    step never commits. `task_result` is None unless a task that this step started has ended. `task_runs`: the task
    was seen running a moment ago. `keeps_lease`: the worker goes on with the next step by itself. `put_off`: names
    of columns of the operation that the step before has changed, to be committed with this one.
    """

    context: Context
    session: Session
    operation: Operation
    service: Service
    server: Server
    task_result: TaskResult | None = None
    other_node: str = ""
    task_runs: bool = False
    keeps_lease: bool = False
    put_off: tuple[str, ...] = ()

    @cached_property
    def proxmox(self) -> Proxmox:
        """The client of the service's server. Raises NotConnected if its stored access cannot be used."""
        try:
            found = self.context.connect(self.server)
        except BackupsError as error:
            raise NotConnected(error.message) from error
        # A call to Proxmox inside a transaction would hold row locks for seconds (on SQLite the whole database).
        found.on_call = self._refuse_in_transaction
        return found

    def _refuse_in_transaction(self, call: str) -> None:
        if self.session.info.get("in_transaction"):
            raise RuntimeError(f"{call} inside a transaction")

    def load(self, model: type[Row], key: object) -> Row:
        """Load a row by its primary key and end the transaction. Must come before the step changes anything."""
        if self.session.new or any(self.session.is_modified(row) for row in self.session.dirty):
            raise RuntimeError("a step reads before it changes anything")
        found = self.session.get_one(model, key)
        self.session.commit()
        return found

    @property
    def node(self) -> str:
        """The VM's node; on an earlier server of the service, where there is no VM of it, a node that is online."""
        if self.server.id == self.service.server_id:
            return self.service.node
        if not self.other_node:
            self.other_node = vms.online_nodes(self.proxmox)[0]
        return self.other_node

    @property
    def vmid(self) -> int:
        return self.service.vmid
