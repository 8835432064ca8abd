"""What was so of each service at which time, read by plain SQL after everything that anybody asked for."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class State:
    """A service from `at` on (seconds since the epoch, the simulator's time). `days`: time of day by weekday."""

    at: float
    status: str
    client: str
    token: str
    vmid: int
    quota: int
    zone: str
    days: tuple[tuple[int, str], ...]


@dataclass
class History:
    """The states of all services, oldest first."""

    states: dict[str, list[State]] = field(default_factory=dict)

    def note(self, at: float, row: dict[str, Any]) -> None:
        """Add the state of a service's row, if it is another one than before."""
        schedule = json.loads(row["schedule"]) if isinstance(row["schedule"], str) else row["schedule"] or {}
        days = tuple(sorted((int(day["day"]), day["time"]) for day in schedule.get("days", []) if day["enabled"]))
        state = State(
            at, row["status"], row["client_id"], row["token"], int(row["vmid"]), int(row["quota"]),
            schedule.get("timezone", "UTC"), days,
        )  # fmt: skip
        known = self.states.setdefault(row["id"], [])
        if not known or _without_time(known[-1]) != _without_time(state):
            known.append(state)

    def during(self, service_id: str, begin: float, end: float) -> list[State]:
        """The states that a service had between two times; none before it was registered."""
        known = self.states.get(service_id, [])
        first = bisect_right([state.at for state in known], begin)
        return [state for state in known[max(first - 1, 0) :] if state.at <= end]

    def at(self, service_id: str, moment: float) -> State | None:
        """The state at a time."""
        return next(iter(self.during(service_id, moment, moment)), None)

    def tokens(self) -> dict[str, str]:
        """Service ids by the tokens that they have had."""
        return {state.token: service_id for service_id, states in self.states.items() for state in states}

    def changes(self, service_id: str) -> Iterator[tuple[State, float]]:
        """Each state with the time at which the next one began."""
        known = self.states.get(service_id, [])
        for state, following in zip(known, [*known[1:], None], strict=True):
            yield state, following.at if following else float("inf")


def _without_time(state: State) -> tuple[object, ...]:
    return tuple(value for name, value in vars(state).items() if name != "at")
