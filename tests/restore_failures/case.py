"""What a case is: an operation, a step of it, what goes wrong there, and how it has to end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .prepared_world import PreparedWorld


@dataclass(frozen=True)
class End:
    """How a case ends, in the words of the page.

    `state`: the operation's, with `waits, ` before it where it waited until the trouble was over. `vm`: on or off,
    and what is on its disks. `ways`: what the client is offered next. `reads`: how the reason begins that the client
    reads, else the warning. `mails`: to whom.
    """

    state: str
    vm: str
    ways: str = ""
    reads: str = ""
    mails: str = "client"


Wrong = Callable[["PreparedWorld"], None]


@dataclass(frozen=True)
class Case:
    """`happens` brings `wrong` about when the operation has come to one of the `steps`; what follows is `end`."""

    operation: str
    steps: tuple[str, ...]
    wrong: str
    happens: Wrong
    end: End
    way: str = ""
    """The way on that is taken once the trouble is over; it has to end well."""
